"""Frames one by one: each is kept, noted and validated; a restart goes on with the next one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.fakes.bench import Bench, crash, until
from tests.unit.worker.pipelines import run

from veriframe.assets import Asset
from veriframe.errors import Code, HostUnavailable, RenderFailed, ValidationFailed
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import JobState
from veriframe.model.rendering.frames import RenderTask
from veriframe.worker.frames.spool import Spool
from veriframe.worker.job_run import started
from veriframe.worker.shared.lanes import Lane
from veriframe.worker.steps import render, validate

TASK = RenderTask(frames=(1, 2, 3), size=(64, 36))


async def claimed(bench: Bench, task: RenderTask = TASK) -> Attempt:
    """A claimed job with this task, its scene on the disk."""
    (job,) = await bench.post()
    await bench.registry.claim(job.id)
    return bench.begin(job, Stage.CLAIMED, task=task)


async def rendered(bench: Bench, attempt: Attempt) -> Attempt:
    """Takes the step that renders."""
    async with started(attempt, bench.context) as job_run:
        return await render(attempt, job_run)


async def validated(bench: Bench, attempt: Attempt) -> Attempt:
    """Takes the step that validates."""
    async with started(attempt, bench.context) as job_run:
        return await validate(attempt, job_run)


async def noted(bench: Bench) -> dict[int, bool]:
    """The frames in the journal, and whether each is validated."""
    return {one.number: one.validated is not None for one in await bench.journal.frames(bench.attempt())}


async def test_frames_are_validated_as_they_come(bench: Bench) -> None:
    """Those that are left, the last among them, are validated while the next job renders."""
    attempt = await rendered(bench, await claimed(bench))
    assert attempt.stage is Stage.RENDERED
    after_render = await noted(bench)
    assert (after_render[1], after_render[3]) == (True, False)
    attempt = await validated(bench, attempt)
    assert await noted(bench) == {1: True, 2: True, 3: True}
    names = sorted(path.name for path in bench.context.workspace.validated(1).iterdir())
    assert names == ["frame_0001.png", "frame_0002.png", "frame_0003.png"]
    assert bench.renderer.sessions == 0


async def test_a_restart_goes_on_with_the_next_frame(bench: Bench) -> None:
    """Nothing that was rendered is rendered again."""
    attempt = await claimed(bench)
    bench.script.frame_failures[2] = [HostUnavailable("The disk is full.")]
    with pytest.raises(HostUnavailable):
        await rendered(bench, attempt)
    assert list(await noted(bench)) == [1]
    await validated(bench, await rendered(bench, attempt))
    assert [task.frames for task in bench.renderer.tasks] == [(1, 2, 3), (2, 3)]


async def test_a_crash_is_tried_again_with_what_is_missing(bench: Bench) -> None:
    """Once, by a new process."""
    attempt = await claimed(bench)
    bench.script.frame_failures[3] = [crash()]
    await rendered(bench, attempt)
    assert [task.frames for task in bench.renderer.tasks] == [(1, 2, 3), (3,)]
    assert len(bench.renderer.opened) == 2


async def test_a_noted_frame_whose_file_is_gone_is_rendered_again(bench: Bench) -> None:
    """The disk counts."""
    attempt = await claimed(bench)
    await validated(bench, await rendered(bench, attempt))
    (bench.context.workspace.validated(1) / "frame_0002.png").unlink()
    await rendered(bench, attempt)
    assert bench.renderer.tasks[-1].frames == (2,)


async def test_a_frame_that_is_gone_before_its_validation_fails_the_job(bench: Bench) -> None:
    """It cannot be rendered any more at that stage."""
    attempt = await rendered(bench, await claimed(bench))
    (bench.context.workspace.validated(1) / "frame_0001.png").unlink()
    with pytest.raises(RenderFailed) as failed:
        await validated(bench, attempt)
    assert failed.value.code is Code.NO_OUTPUT


@pytest.mark.parametrize("is_fault", [False, True])
async def test_a_black_frame_is_rendered_again_small(bench: Bench, is_fault: bool) -> None:
    """Black again is right; anything else shows a fault of this machine."""
    bench.script.colour = (0, 0, 0)
    bench.script.small_colour = (200, 0, 0) if is_fault else None
    attempt = await rendered(bench, await claimed(bench, replace(TASK, frames=(1,))))
    if is_fault:
        with pytest.raises(ValidationFailed) as failed:
            await validated(bench, attempt)
        assert failed.value.code is Code.BLACK
    else:
        assert (await validated(bench, attempt)).stage is Stage.VALIDATED
    again = bench.renderer.tasks[-1]
    assert (again.frames, again.percent, again.samples) == ((1,), 25, 16)


async def test_black_frames_are_rendered_again_one_at_a_time(bench: Bench) -> None:
    """However many jobs are being validated: each may take all the memory of a render."""
    bench.script.colour = (0, 0, 0)
    attempt = await rendered(bench, await claimed(bench, replace(TASK, frames=(1,))))
    async with bench.context.lanes.within(Lane.AGAIN, 60):
        validating = asyncio.create_task(validated(bench, attempt))
        await asyncio.sleep(0.1)
        assert bench.renderer.tasks[-1].percent == 100
    assert (await validating).stage is Stage.VALIDATED
    assert bench.renderer.tasks[-1].percent == 25


async def test_a_second_render_that_has_to_wait_too_long_fails_in_time(bench: Bench) -> None:
    """The job is released while that is cheap."""
    bench.script.colour = (0, 0, 0)
    attempt = await rendered(bench, await claimed(bench, replace(TASK, frames=(1,))))
    spool = Spool(attempt, replace(TASK, frames=(1,)), bench.context)
    async with bench.context.lanes.within(Lane.AGAIN, 60):
        with pytest.raises(RenderFailed) as failed:
            await spool.validate(Asset(cid="", scene=bench.folder), bench.context.monotonic() + 0.2)
    assert failed.value.code is Code.LEASE


async def test_nothing_is_claimed_while_frames_pile_up(bench: Bench) -> None:
    """A frame may take a minute and a gigabyte to decode, and a second to render."""
    lanes, (job,) = bench.context.lanes, await bench.post()
    async with lanes.within(Lane.DECODE), lanes.within(Lane.DECODE):
        running = asyncio.create_task(run(bench, bench.begin(job)))
        await until(lambda: bench.attempt().stage is Stage.CHECKED)
        await asyncio.sleep(0.1)
        assert bench.job().state is JobState.OPEN
    assert (await running).stage is Stage.SUBMITTED


async def test_frames_wait_for_their_decoding(bench: Bench) -> None:
    """As many are decoded at once as jobs render, and one more."""
    attempt = await rendered(bench, await claimed(bench, replace(TASK, frames=(1,))))
    lanes = bench.context.lanes
    async with lanes.within(Lane.DECODE), lanes.within(Lane.DECODE):
        validating = asyncio.create_task(validated(bench, attempt))
        await asyncio.sleep(0.1)
        assert await noted(bench) == {1: False}
    assert (await validating).stage is Stage.VALIDATED
