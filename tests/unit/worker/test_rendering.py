"""The render and its frame with fakes: what fails, what is tried again, what the lease leaves."""

from __future__ import annotations

import pytest
from tests.fakes.bench import LEASE_SECONDS, Bench, crash
from tests.unit.worker.pipelines import EARNING_MOVES, run, stopped_at

from veriframe.errors import (
    Code,
    RenderFailed,
    ValidationFailed,
)
from veriframe.model.attempt import lease
from veriframe.model.attempt.attempt import Stage
from veriframe.model.registry.job import NOBODY, JobState


async def test_a_crash_is_tried_once_more(bench: Bench) -> None:
    """fault_38: the second try starts with an empty folder and earns the pay."""
    bench.script.render_failures.append(crash())
    (job,) = await bench.post()
    assert (await run(bench, bench.begin(job))).stage is Stage.SUBMITTED
    assert len(bench.renderer.tasks) == 2
    assert bench.shared.moves == EARNING_MOVES


async def test_two_crashes_release_the_job(bench: Bench) -> None:
    """fault_38: FAILED, and then released with the code, so that another worker may try."""
    bench.script.render_failures += [crash(), crash()]
    (job,) = await bench.post()
    after = await run(bench, bench.begin(job))
    assert (after.stage, after.code) == (Stage.RELEASED, Code.CRASH)
    assert bench.told[-2:] == [Stage.FAILED, Stage.RELEASED]
    assert bench.shared.moves[-1] == "release CRASH"
    assert (bench.job().state, bench.job().worker) == (JobState.OPEN, NOBODY)


@pytest.mark.parametrize("code", [Code.OOM, Code.TIMEOUT, Code.NO_OUTPUT, Code.DISK])
async def test_other_failures_are_not_tried_again(bench: Bench, code: Code) -> None:
    """fault_29, fault_31, fault_39: they would only fail again."""
    bench.script.render_failures.append(RenderFailed(code, "It failed."))
    (job,) = await bench.post()
    after = await run(bench, bench.begin(job))
    assert (after.stage, after.code) == (Stage.RELEASED, code)
    assert len(bench.renderer.tasks) == 1


async def test_wrong_frames_release_the_job(bench: Bench) -> None:
    """fault_43: nothing is stored, nothing submitted."""
    bench.script.validation_failures.append(ValidationFailed(Code.WRONG_SIZE, "It is too small."))
    (job,) = await bench.post()
    after = await run(bench, bench.begin(job))
    assert (after.stage, after.code) == (Stage.RELEASED, Code.WRONG_SIZE)
    assert [pin.name for pin in bench.store.pinned] == []


@pytest.mark.parametrize("stage", [Stage.RENDERED, Stage.VALIDATED])
async def test_missing_frames_release_the_job(bench: Bench, stage: Stage) -> None:
    """The rendered frames are missing from the disk: released, and not an error for ever."""
    attempt = await stopped_at(bench, stage)
    bench.context.workspace.forget(1)
    after = await run(bench, attempt)
    assert (after.stage, after.code) == (Stage.RELEASED, Code.NO_OUTPUT)


async def test_a_link_in_place_of_the_frame_is_never_published(bench: Bench) -> None:
    """fault_42: its target stays private."""
    attempt = await stopped_at(bench, Stage.VALIDATED)
    secret = bench.folder / "secret"
    secret.write_text("key")
    (picture,) = bench.context.workspace.validated(1).iterdir()
    picture.unlink()
    picture.symlink_to(secret)
    after = await run(bench, attempt)
    assert (after.stage, after.code) == (Stage.RELEASED, Code.TAMPER)
    assert b"key" not in bench.store.files.values()


async def test_the_render_ends_before_the_lease(bench: Bench) -> None:
    """The limit is the rest of the lease, less what follows: decoding, upload, submission."""
    attempt = await stopped_at(bench, Stage.CLAIMED)
    bench.shared.now += LEASE_SECONDS - 110
    await run(bench, attempt)
    (seconds,) = bench.renderer.leases
    assert seconds == pytest.approx(110 - lease.reserve(64, 36).seconds, abs=1)
    assert 90 < seconds < 100


async def test_a_claim_without_time_for_a_render_is_released(bench: Bench) -> None:
    """Ten seconds are left: released with LEASE, for a fee, instead of losing the whole bond."""
    attempt = await stopped_at(bench, Stage.CLAIMED)
    bench.shared.now += LEASE_SECONDS - 10
    after = await run(bench, attempt)
    assert (after.stage, after.code) == (Stage.RELEASED, Code.LEASE)


async def test_no_second_try_without_time(bench: Bench) -> None:
    """After a crash the lease is checked again."""
    (job,) = await bench.post()

    def pass_time() -> None:
        bench.shared.now += LEASE_SECONDS - 5

    bench.renderer.on_start = pass_time
    bench.script.render_failures.append(crash())
    after = await run(bench, bench.begin(job))
    assert (after.stage, after.code) == (Stage.RELEASED, Code.LEASE)
