"""Claims of chunks of one order on a fake chain: those of the same moment share a transaction."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tests.fakes.bench import Bench, stages, until
from tests.fakes.bundles import post_bundle
from tests.fakes.registry import FakeRegistry
from tests.unit.adapters.starknet.job_registry.clients import WALLET, WORKER, Clients
from tests.unit.worker.stepped import SteppedRenderer

from veriframe.model.attempt.attempt import Stage
from veriframe.model.registry.job import Address


async def test_two_claims_ahead_share_a_transaction(tmp_path: Path) -> None:
    """Two renderers with chunks of one order: its pace is known, and the next two are claimed."""
    clients, renderer = Clients(), SteppedRenderer()
    clients.shared.strict = False
    worker = FakeRegistry(WORKER, clients.shared, wallet_fri=WALLET)
    bench = Bench(tmp_path / "work", registry=worker, renderer=renderer)
    bench.context.registry = clients.as_account(WORKER)
    bench.context.policy = replace(bench.policy, account=Address(WORKER))
    await post_bundle(bench, frames=tuple(range(1, 9)), chunk=2)
    service = bench.service(slots=2, idle_seconds=0.01)
    working = asyncio.create_task(service.run())
    await until(lambda: len(renderer.jobs) == 2 and Counter(stages(bench))[Stage.CHECKED] == 2)
    sent = clients.senders[WORKER].sent
    before = [names[-1] for names in sent]
    renderer.let(1)
    await until(lambda: stages(bench) == [Stage.CLAIMED] * 4)
    assert [names[-1] for names in sent] == [*before, "claim_jobs"]
    renderer.let(7)
    await until(lambda: stages(bench) == [Stage.SUBMITTED] * 4)
    service.drain()
    assert await working
