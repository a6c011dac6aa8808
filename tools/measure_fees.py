#!/usr/bin/env python3
"""Measure what each call of the contract costs on a devnet of its own, and write `contracts/FEES.md`.

.venv/bin/python tools/measure_fees.py
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.integration.contract_world import Chain, Receipt, deployed  # noqa: E402 - found by the line above
from tests.nodes import devnet  # noqa: E402

from veriframe.adapters.starknet.codec import Value  # noqa: E402

PAGE = ROOT / "contracts" / "FEES.md"
CID = b"bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
STRK = 10**18
MANY = 10
CREATOR, WORKER, ARBITER = 0, 1, 2
WORKER_VERDICT: Value = ("Worker", [])

HEAD = """# What a call costs

Written by `tools/measure_fees.py` on starknet-devnet 0.8.1, with CIDs of 59 bytes and accounts that have been
used before. (An address's first deposit, and an order that names a new arbiter or worker, write two cells
more. The very first deposit here also writes the registry's own two.) L2 gas in millions; the fee is what
devnet took at its price of 10⁹ fri a unit of gas: other chains have other prices.

This compiler makes Sierra 1.6. Before 1.7 Sierra is metered by VM steps, from then on by its own gas: a newer
compiler gives other figures.

| call | L2 gas, million | a job | L1 data gas | fee, STRK |
| --- | ---: | ---: | ---: | ---: |
"""


async def main() -> None:
    """Make every call once where it is legal, and write what it cost."""
    with devnet() as node:
        async with deployed(node) as chain:
            rows = [*await _money(chain), *await _moves(chain), *await _many(chain)]
    PAGE.write_text(HEAD + "\n".join(rows) + "\n")
    print(PAGE.read_text())


async def _cost(
    chain: Chain, name: str, caller: int, calls: Sequence[tuple[str, Sequence[Value]]], jobs: int = 1
) -> str:
    receipt: Receipt = await chain.send(caller, *calls)
    if receipt.rule:
        raise RuntimeError(f"{name} was refused: {receipt.rule}")
    gas = receipt.l2_gas / 10**6
    return f"| {name} | {gas:.2f} | {gas / jobs:.2f} | {receipt.l1_data_gas} | {receipt.fee / STRK:.5f} |"


def _order(chain: Chain, jobs: int) -> tuple[str, Sequence[Value]]:
    terms = {
        "reward": STRK // 100,
        "bond": STRK // 1000,
        "deadline": chain.node.now() + 86400,
        "lease": 3600,
        "review": 600,
        "arbitration": 600,
        "arbiter": chain.people[ARBITER],
        "worker": 0,
    }
    return "create_order", (CID, terms, jobs)


async def _money(chain: Chain) -> list[str]:
    first = await _cost(chain, "`deposit`, an address's first", CREATOR, [("deposit", (10 * STRK,))])
    for caller in (WORKER, ARBITER):
        await chain.send(caller, ("deposit", (10 * STRK,)))
    return [
        first,
        await _cost(chain, "`deposit`", CREATOR, [("deposit", (10 * STRK,))]),
        await _cost(chain, "`withdraw`", CREATOR, [("withdraw", (STRK, chain.people[CREATOR]))]),
    ]


async def _moves(chain: Chain) -> list[str]:
    rows = [
        await _cost(chain, "`create_order` of 1 job", CREATOR, [_order(chain, 1)]),
        await _cost(chain, "`create_order` of 100 jobs", CREATOR, [_order(chain, 100)], 100),
    ]
    await chain.send(WORKER, ("claim_job", (1,)))
    steps: list[tuple[str, int, str, tuple[Value, ...]]] = [
        ("`claim_job`", WORKER, "claim_job", (2,)),
        ("`submit_result`", WORKER, "submit_result", (2, CID)),
        ("`accept_result`", CREATOR, "accept_result", (2,)),
        ("`release_job`", WORKER, "release_job", (1, int.from_bytes(b"CRASH", "big"))),
        ("`cancel_job`", CREATOR, "cancel_job", (1,)),
    ]
    rows += [await _cost(chain, name, caller, [(call, values)]) for name, caller, call, values in steps]
    for job_id in (3, 4):
        await chain.send(WORKER, ("claim_job", (job_id,)))
        await chain.send(WORKER, ("submit_result", (job_id, CID)))
    rows += [
        await _cost(chain, "`dispute_result`", CREATOR, [("dispute_result", (3, CID))]),
        await _cost(chain, "`resolve_dispute`", ARBITER, [("resolve_dispute", (3, WORKER_VERDICT, CID))]),
    ]
    chain.node.increase_time(601)
    return [*rows, await _cost(chain, "`finalize_job`", WORKER, [("finalize_job", (4,))])]


async def _many(chain: Chain) -> list[str]:
    """Ten jobs in one transaction: as so many calls, and as one plural call."""
    singles, plural = list(range(10, 10 + MANY)), list(range(30, 30 + MANY))
    name = f"{MANY} × `{{}}` in one transaction"
    claims = [("claim_job", (job_id,)) for job_id in singles]
    results = [("submit_result", (job_id, CID)) for job_id in singles]
    ends = [("finalize_job", (job_id,)) for job_id in singles]
    rows = [
        await _cost(chain, name.format("claim_job"), WORKER, claims, MANY),
        await _cost(chain, name.format("submit_result"), WORKER, results, MANY),
        await _cost(chain, f"`claim_jobs` of {MANY}", WORKER, [("claim_jobs", (plural,))], MANY),
        await _cost(
            chain, f"`submit_results` of {MANY}", WORKER, [("submit_results", (plural, [CID] * MANY))], MANY
        ),
    ]
    chain.node.increase_time(601)
    return [
        *rows,
        await _cost(chain, name.format("finalize_job"), WORKER, ends, MANY),
        await _cost(chain, f"`finalize_jobs` of {MANY}", WORKER, [("finalize_jobs", (plural,))], MANY),
    ]


if __name__ == "__main__":
    asyncio.run(main())
