"""Measures whole lifecycles on a devnet: one job, and a hundred jobs in several ways.

Part of `tools/measure_fees.py`. Also checks the project's limits on these costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from starknet_py.hash.selector import get_selector_from_name
from starknet_py.net.client_models import Call as ChainCall
from tests.integration.contract_world import Chain, Receipt

from veriframe.adapters.starknet.cairo.codec import Value

CID = b"bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
STRK = 10**18
REWARD, BOND = STRK // 100, STRK // 1000
CREATOR, WORKER, ARBITER = 0, 1, 2
REVIEW_SECONDS = 600
JOBS, BATCH = 100, 10

ORDER_RATIO_MIN = 80
"""The least factor by which 100 single orders must cost more than one order of 100 jobs."""
WORKER_MAX_GAS = 6_000_000
"""The most L2 gas for claim, submit and finalize of one job."""
BATCH_SHARE_MAX = 0.5
"""The most that a job may cost in batches of 10, as a share of a single job."""

Named = tuple[str, Sequence[Value]]


@dataclass(frozen=True, slots=True)
class Spent:
    """The total cost of transactions: L2 gas, and the fee in fri."""

    l2_gas: int
    fee_fri: int
    transactions: int = 1

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.l2_gas + other.l2_gas, self.fee_fri + other.fee_fri, self.transactions + other.transactions
        )


NOTHING = Spent(0, 0, 0)


def order(chain: Chain, jobs: int) -> Named:
    """The order that all measurements use."""
    terms = {
        "reward": REWARD,
        "bond": BOND,
        "deadline": chain.node.now() + 86400,
        "lease": 7200,
        "review": REVIEW_SECONDS,
        "arbitration": 600,
        "arbiter": chain.people[ARBITER],
        "worker": 0,
    }
    return "create_order", (CID, terms, jobs)


async def pay(chain: Chain, caller: int, *calls: Named, deposit_fri: int = 0) -> Spent:
    """Sends these calls in one transaction, preceded by approval and deposit of `deposit_fri` if not 0."""
    made = [chain.call(name, values) for name, values in calls]
    if deposit_fri:
        approve = ChainCall(
            chain.node.strk_address, get_selector_from_name("approve"), [chain.address, deposit_fri, 0]
        )
        made = [approve, chain.call("deposit", (deposit_fri,)), *made]
    receipt: Receipt = await chain.send_raw(caller, made)
    if receipt.rule:
        raise RuntimeError(f"{', '.join(name for name, _ in calls)}: refused by {receipt.rule}")
    return Spent(receipt.l2_gas, receipt.fee)


async def pay_all(chain: Chain, caller: int, transactions: Sequence[Sequence[Named]]) -> Spent:
    """Sends several transactions, one after the other."""
    total = NOTHING
    for calls in transactions:
        total += await pay(chain, caller, *calls)
    return total


async def measure(chain: Chain) -> str:
    """Returns the page's part on lifecycles. Raises `SystemExit` if a limit is exceeded."""
    one_job = await _one_job(chain)
    creations, ratio = await _creations(chain)
    ways = await _ways(chain)
    kept = promises(ratio, ways)
    return "\n".join([*one_job, "", *creations, "", *_table_of(ways), "", *kept])


async def _one_job(chain: Chain) -> list[str]:
    """One job of a creator and a worker whose money is all in their wallets, paid after its review."""
    ends = {}
    for end in ("finalize_job", "accept_result"):
        created = await pay(chain, CREATOR, order(chain, 1), deposit_fri=REWARD)
        job_id = chain.view("get_job_counter")
        claimed = await pay(chain, WORKER, ("claim_job", (job_id,)), deposit_fri=BOND)
        submitted = await pay(chain, WORKER, ("submit_result", (job_id, CID)))
        if end == "finalize_job":
            chain.node.increase_time(REVIEW_SECONDS + 1)
        ends[end] = await pay(chain, WORKER if end == "finalize_job" else CREATOR, (end, (job_id,)))
        withdrawn = await pay(chain, WORKER, ("withdraw", (REWARD + BOND, chain.people[WORKER])))
    worker = claimed + submitted + withdrawn
    steps = [
        ("creator: `approve`, `deposit`, `create_order` in one transaction", created),
        ("worker: `approve`, `deposit`, `claim_job` in one transaction", claimed),
        ("worker: `submit_result`", submitted),
        ("worker: `finalize_job`", ends["finalize_job"]),
        ("or creator: `accept_result`", ends["accept_result"]),
        ("worker: `withdraw`", withdrawn),
        ("**in all, finalized: creator**", created),
        ("**in all, finalized: worker**", worker + ends["finalize_job"]),
        ("**in all, accepted: creator**", created + ends["accept_result"]),
        ("**in all, accepted: worker**", worker),
    ]
    head = [
        "## One job, from wallet to wallet",
        "| step | L2 gas, million | fee, STRK |",
        "| --- | ---: | ---: |",
    ]
    return head + [f"| {name} | {_million(spent.l2_gas)} | {_strk(spent.fee_fri)} |" for name, spent in steps]


async def _creations(chain: Chain) -> tuple[list[str], float]:
    together = await pay(chain, CREATOR, order(chain, JOBS))
    singly = await pay_all(chain, CREATOR, [[order(chain, 1)]] * JOBS)
    ratio = min(singly.l2_gas / together.l2_gas, singly.fee_fri / together.fee_fri)
    rows = [(f"one order of {JOBS} jobs", together), (f"{JOBS} orders of one job", singly)]
    lines = [
        f"## {JOBS} jobs created",
        "| way | transactions | L2 gas, million | a job | fee, STRK |",
        "| --- | ---: | ---: | ---: | ---: |",
        *(
            f"| {name} | {spent.transactions} | {_million(spent.l2_gas)} | {_million(spent.l2_gas / JOBS)} |"
            f" {_strk(spent.fee_fri)} |"
            for name, spent in rows
        ),
        "",
        f"One order costs 1/{ratio:.0f} of single creations.",
    ]
    return lines, ratio


Way = Mapping[str, Spent]
"""The costs of a hundred jobs by step: claim, submit, finalize."""


async def _ways(chain: Chain) -> Mapping[str, Way]:
    """The worker's costs for 100 jobs, one by one and in batches, each on a separate order."""
    ways = {}
    for name in ("one by one", f"{BATCH} calls in a transaction", f"plural calls of {BATCH}"):
        await pay(chain, CREATOR, order(chain, JOBS))
        last = chain.view("get_job_counter")
        ids = range(last - JOBS + 1, last + 1)
        moves = _singles(ids, 1 if name == "one by one" else BATCH)
        ways[name] = await _work(chain, _plurals(ids) if name.startswith("plural") else moves)
    return ways


Moves = Mapping[str, Sequence[Sequence[Named]]]
"""The transactions of each step."""


def _singles(ids: Sequence[int], at_once: int) -> Moves:
    return {
        "claim": [[("claim_job", (job_id,)) for job_id in part] for part in _parts(ids, at_once)],
        "submit": [[("submit_result", (job_id, CID)) for job_id in part] for part in _parts(ids, at_once)],
        "finalize": [[("finalize_job", (job_id,)) for job_id in part] for part in _parts(ids, at_once)],
    }


def _plurals(ids: Sequence[int]) -> Moves:
    return {
        "claim": [[("claim_jobs", (part,))] for part in _parts(ids, BATCH)],
        "submit": [[("submit_results", (part, [CID] * len(part)))] for part in _parts(ids, BATCH)],
        "finalize": [[("finalize_jobs", (part,))] for part in _parts(ids, BATCH)],
    }


def _parts(ids: Sequence[int], size: int) -> Iterator[list[int]]:
    return (list(ids[at : at + size]) for at in range(0, len(ids), size))


async def _work(chain: Chain, moves: Moves) -> Way:
    """Claims, submits, waits for the review's end and finalizes; then checks that every job is paid."""
    before = chain.view("get_credit", chain.people[WORKER])
    claimed = await pay_all(chain, WORKER, moves["claim"])
    submitted = await pay_all(chain, WORKER, moves["submit"])
    chain.node.increase_time(REVIEW_SECONDS + 1)
    finalized = await pay_all(chain, WORKER, moves["finalize"])
    earned = chain.view("get_credit", chain.people[WORKER]) - before
    if earned != JOBS * REWARD:
        # Plural calls skip what is not legal, and skipped jobs would make them look cheap.
        raise RuntimeError(f"Not all jobs were paid: {earned} fri instead of {JOBS * REWARD}.")
    return {"claim": claimed, "submit": submitted, "finalize": finalized}


def _total(way: Way) -> Spent:
    return sum(way.values(), NOTHING)


def _table_of(ways: Mapping[str, Way]) -> list[str]:
    lines = [
        f"## {JOBS} jobs claimed, submitted and finalized",
        "L2 gas in millions.",
        "",
        "| way | transactions | claim | submit | finalize | in all | a job | fee a job, STRK |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, way in ways.items():
        total = _total(way)
        steps = " | ".join(_million(spent.l2_gas) for spent in way.values())
        lines.append(
            f"| {name} | {total.transactions} | {steps} | {_million(total.l2_gas)} |"
            f" {_million(total.l2_gas / JOBS)} | {_strk(total.fee_fri / JOBS)} |"
        )
    return lines


def promises(ratio: float, ways: Mapping[str, Way]) -> list[str]:
    """Returns the page's last line. Raises `SystemExit` if a limit is exceeded."""
    single, _, plural = (_total(way).l2_gas / JOBS for way in ways.values())
    share = plural / single
    held = [
        (ratio >= ORDER_RATIO_MIN, f"one order of {JOBS} jobs at most 1/{ORDER_RATIO_MIN}", f"1/{ratio:.0f}"),
        (
            single <= WORKER_MAX_GAS,
            f"a worker's job at most {WORKER_MAX_GAS / 10**6:.0f} million L2 gas",
            _million(single),
        ),
        (
            share <= BATCH_SHARE_MAX,
            f"in plural calls of {BATCH} at most {BATCH_SHARE_MAX:.0%} of that",
            f"{share:.0%}",
        ),
    ]
    broken = [f"{limit}: it is {found}" for holds, limit, found in held if not holds]
    if broken:
        raise SystemExit("The costs exceed their limits. " + "; ".join(broken))
    kept = "; ".join(f"{limit} ({found})" for _, limit, found in held)
    return [f"`tools/measure_fees.py` fails if one of these limits is exceeded: {kept}."]


def _million(gas: float) -> str:
    return f"{gas / 10**6:.2f}"


def _strk(fri: float) -> str:
    return f"{fri / STRK:.5f}"
