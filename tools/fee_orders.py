"""Measures the whole life of an order of 250 frames on a devnet, and of as many single jobs.

Part of `tools/measure_fees.py`. Also checks the project's limit on the ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.integration.contract_world import Chain
from tools.fee_lifecycles import CID, CREATOR, NOTHING, STRK, WORKER, Named, Spent, order, pay, pay_all

FRAMES, CHUNK, TOGETHER = 250, 10, 20
"""The order, and how many decisions share a transaction."""
MEASURED = 10
"""How many of the single jobs are made."""

SHARE_MAX = 1 / 8
"""The most that the order may cost, as a share of the single jobs."""


async def measure_orders(chain: Chain) -> str:
    """Returns the page's part on orders. Raises `SystemExit` if the limit is exceeded."""
    ways = {
        f"one order of {FRAMES // CHUNK} chunks of {CHUNK}": await _life(chain, FRAMES // CHUNK, TOGETHER),
        f"{FRAMES} single jobs, from {MEASURED}": await _singles(chain),
    }
    together, singly = (sum(way.values(), NOTHING) for way in ways.values())
    share = max(together.l2_gas / singly.l2_gas, together.fee_fri / singly.fee_fri)
    if share > SHARE_MAX:
        raise SystemExit(
            f"An order of {FRAMES} frames costs {share:.1%} of single jobs, not {SHARE_MAX:.1%}."
        )
    lines = [
        f"## {FRAMES} frames from posting to pay",
        f"L2 gas in millions. Claims and submissions are made one by one; {TOGETHER} are accepted at a time.",
        "",
        "| way | transactions | create | claim | submit | accept | in all | fee, STRK |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, way in ways.items():
        total = sum(way.values(), NOTHING)
        steps = " | ".join(f"{spent.l2_gas / 10**6:.2f}" for spent in way.values())
        lines.append(
            f"| {name} | {total.transactions} | {steps} | {total.l2_gas / 10**6:.2f} |"
            f" {total.fee_fri / STRK:.5f} |"
        )
    return "\n".join(
        [
            *lines,
            "",
            f"The order costs 1/{1 / share:.1f} of the single jobs; the limit is 1/{1 / SHARE_MAX:.0f}.",
        ]
    )


Way = Mapping[str, Spent]


async def _life(chain: Chain, jobs: int, together: int) -> Way:
    """One order: created, all jobs claimed and submitted, and accepted `together` at a time."""
    created = await pay(chain, CREATOR, order(chain, jobs))
    last = chain.view("get_job_counter")
    ids = list(range(last - jobs + 1, last + 1))
    claimed = await pay_all(chain, WORKER, [[("claim_job", (one,))] for one in ids])
    submitted = await pay_all(chain, WORKER, [[("submit_result", (one, CID))] for one in ids])
    accepted = await pay_all(chain, CREATOR, _accepts(ids, together))
    return {"create": created, "claim": claimed, "submit": submitted, "accept": accepted}


async def _singles(chain: Chain) -> Way:
    """The cost of `FRAMES` jobs, from `MEASURED` of them: one costs as much as another."""
    total = dict.fromkeys(("create", "claim", "submit", "accept"), NOTHING)
    for _ in range(MEASURED):
        for step, spent in (await _life(chain, 1, 1)).items():
            total[step] += spent
    times = FRAMES // MEASURED
    return {
        step: Spent(times * spent.l2_gas, times * spent.fee_fri, times * spent.transactions)
        for step, spent in total.items()
    }


def _accepts(ids: Sequence[int], together: int) -> Sequence[Sequence[Named]]:
    starts = range(0, len(ids), together)
    return [[("accept_result", (one,)) for one in ids[at : at + together]] for at in starts]
