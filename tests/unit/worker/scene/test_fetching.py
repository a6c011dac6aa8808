"""The first steps with fakes: scenes that arrive, do not arrive, or are invalid; before any money moves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.bench import Bench
from tests.fakes.store import FakeStore
from tests.scenes.blend_bytes import blend, block
from tests.unit.worker.pipelines import run, stopped_at

from veriframe.errors import (
    Code,
    HostUnavailable,
    JobRejected,
    StoreUnavailable,
)
from veriframe.model.attempt.attempt import Stage
from veriframe.ports.store import Fetched, FetchLimits, OnTransfer, Pin, ignore_transfer
from veriframe.worker import pipeline
from veriframe.worker.context import WorkerContext
from veriframe.worker.shared.workspace import Workspace

REFUSALS = [
    (Code.NOT_FOUND, FakeStore().keep(b"somewhere else")),
    (Code.BAD_CID, "../../etc/passwd"),
    (Code.BAD_CID, "https://example.com/scene.blend"),
    (Code.BAD_CID, ""),
]


@pytest.mark.parametrize(("code", "cid"), REFUSALS)
async def test_an_unavailable_asset_is_refused(bench: Bench, code: Code, cid: str) -> None:
    """fault_1, fault_6: refused with its code before any money moves, and it never becomes a path."""
    (job,) = await bench.post_cid(cid)
    after = await run(bench, bench.begin(job))
    assert (after.stage, after.code) == (Stage.REFUSED, code)
    assert bench.shared.moves == []
    assert list((bench.folder / "scenes").iterdir()) == []


async def test_a_scene_that_is_too_large_is_refused(bench: Bench) -> None:
    """The limit applies to the fetch, so that no disk is filled first."""
    limits = replace(bench.context.scene_limits, file_bytes=3)
    bench.context = replace(bench.context, scene_limits=limits)
    (job,) = await bench.post()
    after = await run(bench, bench.begin(job))
    assert (after.stage, after.code) == (Stage.REFUSED, Code.TOO_LARGE)


async def test_anything_but_a_scene_never_reaches_blender(bench: Bench) -> None:
    """fault_16: refused by our own check of the file."""
    (job,) = await bench.post(scene=b"<html>Not found</html>")
    after = await run(bench, bench.begin(job))
    assert (after.stage, after.code) == (Stage.REFUSED, Code.NOT_BLEND)
    assert bench.renderer.inspected == []
    assert bench.shared.moves == []


async def test_what_blender_cannot_open_is_refused(bench: Bench) -> None:
    """fault_20: the inspection's refusal comes before any money moves."""
    bench.script.inspect_failures.append(JobRejected(Code.CORRUPT, "Blender cannot open it."))
    (job,) = await bench.post()
    after = await run(bench, bench.begin(job))
    assert (after.stage, after.code, after.detail) == (
        Stage.REFUSED,
        Code.CORRUPT,
        "Blender cannot open it.",
    )
    assert bench.shared.moves == []


async def test_an_unavailable_store_changes_nothing(bench: Bench) -> None:
    """It raises; the attempt and the journal stay as they are."""
    (job,) = await bench.post()
    before = bench.begin(job)
    bench.store.fault = StoreUnavailable("The store is away.")
    with pytest.raises(StoreUnavailable):
        await pipeline.run(before, bench.context)
    assert bench.attempt() == before


async def test_a_store_is_not_waited_for_once_the_job_is_lost(bench: Bench) -> None:
    """Another worker claims the job during the outage: it is lost, and the wait ends."""
    (job,) = await bench.post()
    bench.store.fault = StoreUnavailable("The store is away.")
    await bench.other.claim(job.id)
    after = await run(bench, bench.begin(job))
    assert after.stage is Stage.LOST


class _Slow(FakeStore):
    """A store from which only half of a scene arrives."""

    async def fetch(
        self,
        cid: str,
        target: Path,
        limits: FetchLimits,
        on_progress: OnTransfer = ignore_transfer,
        path: str = "",
    ) -> Fetched:
        target.with_name(f".veriframe-fetch-{cid}").write_bytes(b"half")
        if self.fault is None:
            await asyncio.Event().wait()
        raise StoreUnavailable("No gateway gives it now.")

    async def pins(self, prefix: str = "") -> Sequence[Pin]:
        raise AssertionError("A store with many pins takes long to list them.")


def _slow(bench: Bench, fetch_seconds: float) -> WorkerContext:
    return replace(bench.context, store=_Slow(), policy=replace(bench.policy, fetch_seconds=fetch_seconds))


async def test_a_scene_that_never_arrives_is_refused_in_time(bench: Bench) -> None:
    """fault_6: before any money moves, so that a creator cannot block a slot."""
    (job,) = await bench.post()
    after = await pipeline.run(bench.begin(job), _slow(bench, fetch_seconds=0.05))
    assert (after.stage, after.code) == (Stage.REFUSED, Code.NOT_FOUND)
    assert "fetch_seconds" in after.detail
    assert bench.shared.moves == []


async def test_an_unavailable_source_is_waited_for_in_time(bench: Bench) -> None:
    """fault_6: as long as there is time, and not longer, if the store itself works."""
    (job,) = await bench.post()
    slow = _slow(bench, fetch_seconds=5)
    slow.store.fetch = _no_gateway  # type: ignore[method-assign, assignment]
    with pytest.raises(StoreUnavailable):
        await pipeline.run(bench.begin(job), slow)
    late = replace(slow, clock=lambda: 6.0)
    after = await pipeline.run(bench.begin(job), late)
    assert (after.stage, after.code) == (Stage.REFUSED, Code.NOT_FOUND)
    assert "No gateway gives it now." in after.detail


async def test_an_unavailable_store_is_not_the_scenes_fault(bench: Bench) -> None:
    """However long: other jobs would fail as well."""
    (job,) = await bench.post()
    slow = replace(_slow(bench, fetch_seconds=5), clock=lambda: 10_000.0)
    slow.store.fault = StoreUnavailable("The node is away.")  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable, match="The node is away"):
        await pipeline.run(bench.begin(job), slow)
    assert bench.attempt().stage is Stage.SEEN


async def _no_gateway(*_: object) -> int:
    raise StoreUnavailable("No gateway gives it now.")


async def test_an_asset_that_is_missing_after_the_claim_releases_the_job(bench: Bench) -> None:
    """Our copy and the store's are gone: the claim is released, and does not lapse."""
    attempt = await stopped_at(bench, Stage.CLAIMED)
    bench.context.workspace.scene(attempt.asset_cid).unlink()
    bench.store.files.clear()
    after = await run(bench, attempt)
    assert (after.stage, after.code) == (Stage.RELEASED, Code.NOT_FOUND)


@pytest.mark.parametrize("stage", [Stage.FETCHED, Stage.CLAIMED, Stage.RENDERED])
async def test_a_missing_scene_is_fetched_again(bench: Bench, stage: Stage) -> None:
    """The disk was cleared by hand: one more fetch, and no failure."""
    attempt = await stopped_at(bench, stage)
    bench.context.workspace.scene(attempt.asset_cid).unlink()
    assert (await run(bench, attempt)).stage is Stage.SUBMITTED


async def test_fetching_keeps_the_budget(bench: Bench) -> None:
    """Unused scenes make room; the one that a job uses does not."""
    bench.context = replace(bench.context, workspace=Workspace(bench.folder, 1))
    used, unused, new = [(await bench.post(scene=blend(block(name))))[0] for name in (b"A", b"B", b"C")]
    for job, stage in ((used, Stage.RENDERED), (unused, Stage.PAID), (new, Stage.SEEN)):
        if stage is not Stage.SEEN:
            path = bench.context.workspace.scene(job.order.asset_cid)
            await bench.store.fetch(job.order.asset_cid, path, FetchLimits(file_bytes=10**6))
        bench.begin(job, stage)
    await run(bench, bench.attempt(3))
    exists = [bench.context.workspace.scene(job.order.asset_cid).exists() for job in (used, unused, new)]
    assert exists == [True, False, True]


async def test_a_scene_that_was_deleted_is_waited_for_in_time(bench: Bench) -> None:
    """fault_88: fetched, deleted, and gone from the store: such a job blocked its slot for ever."""
    (job,) = await bench.post()
    context = replace(_slow(bench, fetch_seconds=5), clock=lambda: 6.0)
    context.store.fetch = _no_gateway  # type: ignore[method-assign, assignment]
    after = await pipeline.run(bench.begin(job, Stage.FETCHED), context)
    assert (after.stage, after.code) == (Stage.REFUSED, Code.NOT_FOUND)
    assert "No gateway gives it now." in after.detail


async def test_a_deleted_scene_that_never_arrives_is_refused(bench: Bench) -> None:
    """fault_88: nor does a store that hangs block the slot."""
    (job,) = await bench.post()
    async with asyncio.timeout(5):
        after = await pipeline.run(bench.begin(job, Stage.FETCHED), _slow(bench, fetch_seconds=0.05))
    assert (after.stage, after.code) == (Stage.REFUSED, Code.NOT_FOUND)


@pytest.mark.parametrize("stage", [Stage.SEEN, Stage.FETCHED])
async def test_a_machine_that_cannot_fetch_lets_a_lost_job_go(bench: Bench, stage: Stage) -> None:
    """fault_88: waited for while the job is open, however long; lost once another worker has it."""
    (job,) = await bench.post()
    context = replace(_slow(bench, fetch_seconds=5), clock=lambda: 6.0)
    context.store.fetch = _no_disk  # type: ignore[method-assign, assignment]
    with pytest.raises(HostUnavailable):
        await pipeline.run(bench.begin(job, stage), context)
    assert bench.attempt().stage is stage
    await bench.other.claim(job.id)
    assert (await pipeline.run(bench.attempt(), context)).stage is Stage.LOST


async def test_a_machine_that_cannot_inspect_lets_a_lost_job_go(bench: Bench) -> None:
    """fault_88: with a full TMPDIR during the inspection."""
    attempt = await stopped_at(bench, Stage.FETCHED)

    bench.script.inspect_failures += [HostUnavailable("No temporary folder can be made.")] * 2
    with pytest.raises(HostUnavailable):
        await pipeline.run(attempt, bench.context)
    await bench.other.claim(attempt.job_id)
    assert (await pipeline.run(attempt, bench.context)).stage is Stage.LOST


async def test_a_claim_of_ours_is_not_refused_for_its_scene(bench: Bench) -> None:
    """fault_88: claimed, killed before that was noted, its scene gone: it is released, and does not lapse."""
    (job,) = await bench.post()
    await bench.registry.claim(job.id)
    context = replace(_slow(bench, fetch_seconds=5), clock=lambda: 6.0)
    context.store.fetch = _not_there  # type: ignore[method-assign, assignment]
    after = await pipeline.run(bench.begin(job, Stage.CHECKED), context)
    assert (after.stage, after.code) == (Stage.RELEASED, Code.NOT_FOUND)


async def _no_disk(*_: object) -> int:
    raise HostUnavailable("The disk is full.")


async def _not_there(*_: object) -> int:
    raise JobRejected(Code.NOT_FOUND, "Nobody has it.")
