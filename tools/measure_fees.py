#!/usr/bin/env python3
"""Measure what the contract costs on a devnet of its own, call by call, and write `contracts/FEES.md`.

.venv/bin/python tools/measure_fees.py
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.deployed import Clients  # noqa: E402 - found by the line above
from tests.integration.contract_world import Chain, deployed  # noqa: E402
from tests.nodes import STRK_ADDRESS, Devnet, devnet  # noqa: E402
from tools.fee_lifecycles import ARBITER, CID, CREATOR, STRK, WORKER, measure, order  # noqa: E402

from veriframe.adapters.starknet.cairo.codec import Value  # noqa: E402
from veriframe.adapters.starknet.connection import CLASSES  # noqa: E402
from veriframe.adapters.starknet.job_registry.deployer import Deployer, read_built  # noqa: E402

PAGE = ROOT / "contracts" / "FEES.md"
MANY = 10
DEPLOYER = 5
WORKER_VERDICT: Value = ("Worker", [])

HEAD = """# What the contract costs

Written by `tools/measure_fees.py` on starknet-devnet 0.8.1, with CIDs of 59 bytes and accounts that have been
used before. (An address's first deposit, and an order that names a new arbiter or worker, write two cells
more. The very first deposit here also writes the registry's own two.) L2 gas in millions; the fee is what
devnet took at its price of 10⁹ fri a unit of gas: other chains have other prices.

This compiler makes Sierra 1.6. Before 1.7 Sierra is metered by VM steps, from then on by its own gas: a newer
compiler gives other figures.

## Calls
| call | L2 gas, million | a job | L1 data gas | fee, STRK |
| --- | ---: | ---: | ---: | ---: |
"""


DEPLOYMENT_HEAD = """
## The contract, brought onto a chain
By `veriframe registry deploy`. A class is declared once for a chain, whoever does it.

| step | L2 gas, million | L1 data gas | fee, STRK |
| --- | ---: | ---: | ---: |
"""


async def main() -> None:
    """Make every call once where it is legal, live whole lives, and write what it cost."""
    with devnet() as node:
        deployment = await _deployment(node)
        async with deployed(node) as chain:
            rows = [*await _money(chain), *await _moves(chain), *await _many(chain)]
            lifecycles = await measure(chain)
    parts = [HEAD + "\n".join(rows), DEPLOYMENT_HEAD + "\n".join(deployment), "", lifecycles]
    PAGE.write_text("\n".join(parts) + "\n")
    print(PAGE.read_text())


async def _deployment(node: Devnet) -> list[str]:
    """What the command sends, on a chain that does not know the class."""
    with tempfile.TemporaryDirectory() as folder:
        clients = Clients(node, Path(folder))
        deployer = Deployer(
            clients.endpoints, clients.sender(DEPLOYER), read_built(CLASSES), token=STRK_ADDRESS, salt=0
        )
        done = await deployer.carry_out(await deployer.plan())
        await clients.close()
    rows = []
    for name, receipt in (("declare the class", done.declared), ("deploy an instance", done.deployed)):
        if receipt is None:
            raise RuntimeError(f"{name}: it was there already")
        told = node.ask("starknet_getTransactionReceipt", transaction_hash=hex(receipt.hash))
        gas = told["execution_resources"]
        cost = f"{gas['l2_gas'] / 10**6:.2f} | {gas['l1_data_gas']} | {receipt.fee_fri / STRK:.5f}"
        rows.append(f"| {name} | {cost} |")
    return rows


async def _cost(
    chain: Chain, name: str, caller: int, calls: Sequence[tuple[str, Sequence[Value]]], jobs: int = 1
) -> str:
    receipt = await chain.send(caller, *calls)
    if receipt.rule:
        raise RuntimeError(f"{name} was refused: {receipt.rule}")
    gas = receipt.l2_gas / 10**6
    return f"| {name} | {gas:.2f} | {gas / jobs:.2f} | {receipt.l1_data_gas} | {receipt.fee / STRK:.5f} |"


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
        await _cost(chain, "`create_order` of 1 job", CREATOR, [order(chain, 1)]),
        await _cost(chain, "`create_order` of 100 jobs", CREATOR, [order(chain, 100)], 100),
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
