"""Chunks of one order on a development chain: the next one is claimed while one renders.

Chain, contract, registry and sender are real; rendering and storage are fakes.
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from tests.fakes.bench import ANY_STAKES, DEADLINE_SECONDS, LEASE_SECONDS, REVIEW_SECONDS
from tests.fakes.bundles import BUNDLE, files_of
from tests.fakes.renderer import Script
from tests.integration.chain_workers import BOND, REWARD, Client, connected_clients, until
from tests.nodes import devnet

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.bundle.chunks import parts
from veriframe.model.registry.job import JobState, Terms
from veriframe.model.rendering.frames import Progress
from veriframe.ports.registry import read_job
from veriframe.worker.listener import Listener

pytestmark = pytest.mark.slow

CHUNKS = replace(BUNDLE, frames=tuple(range(1, 10)), chunk=3, proof_tiles=0)
FRAME_SECONDS = 0.5


class Times(Listener):
    """Notes when each job was claimed, when its render began, and when it ended."""

    def __init__(self) -> None:
        self.began: dict[int, float] = {}
        self.stages: dict[Stage, dict[int, float]] = {Stage.CLAIMED: {}, Stage.RENDERED: {}}

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Notes the first."""
        self.began.setdefault(job_id, time.monotonic())

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Notes the time of a stage."""
        self.stages.setdefault(after.stage, {})[after.job_id] = time.monotonic()

    @property
    def gaps(self) -> list[float]:
        """The seconds between the end of each render and the next one's begin."""
        order = sorted(self.began, key=self.began.__getitem__)
        ended = self.stages[Stage.RENDERED]
        return [self.began[after] - ended[before] for before, after in pairwise(order)]


async def post_chunks(creator: Client) -> int:
    """Posts the order. Returns the number of its jobs."""
    now = (await creator.registry.snapshot(1, 0)).head.time
    terms = Terms(
        reward_fri=REWARD,
        bond_fri=BOND,
        deadline=now + DEADLINE_SECONDS,
        lease_seconds=LEASE_SECONDS,
        review_seconds=REVIEW_SECONDS,
        arbitration_seconds=60,
    )
    asset_cid = creator.store.keep_files(files_of(CHUNKS))
    return len(await creator.registry.create_order(asset_cid, terms, parts(CHUNKS)))


async def test_chunks_are_claimed_ahead(tmp_path: Path) -> None:
    """fault_320: before the end of the render before; then all three are submitted, each claimed once."""
    with devnet() as node:
        async with connected_clients(node, tmp_path) as (creator, worker, _):
            times = Times()
            worker.context.listener.add(times)
            worker.context.policy = replace(worker.context.policy, stakes=ANY_STAKES)
            worker.renderer.scripts[b""] = Script(seconds=FRAME_SECONDS)
            jobs = await post_chunks(creator)
            async with worker.working():
                await until(lambda: len(times.stages.get(Stage.SUBMITTED, ())) == jobs)
            states = [(await read_job(creator.registry, job_id)).state for job_id in range(1, jobs + 1)]
        assert states == [JobState.SUBMITTED] * jobs
        first, *others = sorted(times.began, key=times.began.__getitem__)
        for job_id in others:
            assert times.stages[Stage.CLAIMED][job_id] < times.stages[Stage.RENDERED][first]
            first = job_id
