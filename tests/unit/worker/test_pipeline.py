"""One job's way to its pay on fakes: every step, and every way to leave it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.parts import BOND, DEADLINE_SECONDS, LEASE_SECONDS, ME, WALLET, Bench, crash
from tests.fakes.store import FakeStore
from tests.scenes.blend_bytes import blend, block

from veriframe.errors import (
    Code,
    HostUnavailable,
    JobRejected,
    MoveRefused,
    RegistryUnavailable,
    RenderFailed,
    StoreUnavailable,
    VerificationFailed,
)
from veriframe.model.attempt import Attempt, Stage
from veriframe.model.job import NOBODY, JobState
from veriframe.ports import OnTransfer, Pin, unheard
from veriframe.worker import pipeline
from veriframe.worker.parts import Parts
from veriframe.worker.steps import result_pin
from veriframe.worker.workspace import Workspace

WAY = [
    Stage.FETCHED,
    Stage.CHECKED,
    Stage.CLAIMED,
    Stage.RENDERED,
    Stage.PROVED,
    Stage.STORED,
    Stage.SUBMITTED,
]
EARNING_MOVES = [f"deposit {BOND}", "claim", "submit_result"]


async def run(bench: Bench, attempt: Attempt) -> Attempt:
    """The pipeline's answer, which must be the journal's too."""
    after = await pipeline.run(attempt, bench.parts)
    assert bench.attempt(attempt.job_id) == after
    return after


async def stopped_at(bench: Bench, stage: Stage) -> Attempt:
    """An attempt that truly came as far as `stage`, and then its worker died."""
    (job,) = await bench.post()

    class Died(Exception):
        """Not an error of ours, so that nothing handles it."""

    def die(before: Attempt, after: Attempt) -> None:
        if after.stage is stage:
            raise Died

    with pytest.raises(Died):
        await pipeline.run(bench.begin(job), replace(bench.parts, on_stage=die))
    assert bench.attempt().stage is stage
    return bench.attempt()


async def test_the_whole_way(bench: Bench) -> None:
    """From SEEN to SUBMITTED: every stage noted and told once, one bond, one claim, one result."""
    (job,) = await bench.post()
    after = await run(bench, bench.begin(job))
    assert bench.told == WAY
    assert [attempt.stage for attempt in bench.journal.moves] == WAY
    assert bench.shared.moves == EARNING_MOVES
    assert bench.job().state is JobState.SUBMITTED
    assert bench.store.files[bench.job().result_cid][:8] == b"\x89PNG\r\n\x1a\n"
    assert after.result_cid == bench.job().result_cid
    assert bench.store.pinned[-1].name == result_pin(ME, 1)
    assert list(after.reached)[1:] == WAY


@pytest.mark.parametrize("stage", WAY)
async def test_a_restart_goes_on(bench: Bench, stage: Stage) -> None:
    """fault_73: killed right after any stage, the same end, with no move made twice."""
    await run(bench, await stopped_at(bench, stage))
    assert bench.attempt().stage is Stage.SUBMITTED
    assert bench.shared.moves == EARNING_MOVES
    assert len(bench.renderer.tasks) == 1


@pytest.mark.parametrize("stage", WAY)
async def test_a_kill_between_deed_and_note_is_made_good(bench: Bench, stage: Stage) -> None:
    """fault_73: the outside effect is done and the journal does not know; nothing happens twice outside."""
    (job,) = await bench.post()
    move = bench.journal.move

    def die(before: Attempt, after: Attempt) -> None:
        if after.stage is stage:
            raise KeyboardInterrupt
        move(before, after)

    bench.journal.move = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        await pipeline.run(bench.begin(job), bench.parts)
    bench.journal.move = move  # type: ignore[method-assign]
    await run(bench, bench.attempt())
    assert bench.attempt().stage is Stage.SUBMITTED
    assert bench.shared.moves == EARNING_MOVES
    assert len([pin for pin in bench.store.pinned if pin.name == result_pin(ME, 1)]) <= 2


REFUSALS = [
    (Code.NOT_FOUND, FakeStore().keep(b"somewhere else")),
    (Code.BAD_CID, "../../etc/passwd"),
    (Code.BAD_CID, "https://example.com/scene.blend"),
    (Code.BAD_CID, ""),
]


@pytest.mark.parametrize(("code", "cid"), REFUSALS)
async def test_an_asset_that_cannot_be_had_is_refused(bench: Bench, code: Code, cid: str) -> None:
    """fault_1, fault_6: refused with its code before any money moved, and no path is made of it."""
    (job,) = await bench.post_cid(cid)
    after = await run(bench, bench.begin(job))
    assert (after.stage, after.code) == (Stage.REFUSED, code)
    assert bench.shared.moves == []
    assert list((bench.folder / "scenes").iterdir()) == []


async def test_a_scene_that_is_too_large_is_refused(bench: Bench) -> None:
    """The size limit is the fetch's, so that no disk is filled first."""
    limits = replace(bench.parts.scene_limits, file_bytes=3)
    bench.parts = replace(bench.parts, scene_limits=limits)
    (job,) = await bench.post()
    after = await run(bench, bench.begin(job))
    assert (after.stage, after.code) == (Stage.REFUSED, Code.TOO_LARGE)


async def test_what_is_no_scene_never_meets_blender(bench: Bench) -> None:
    """fault_16: refused by our own eyes."""
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


async def test_a_store_that_is_away_changes_nothing(bench: Bench) -> None:
    """Raised for whoever waits; the attempt and the journal stay as they are."""
    (job,) = await bench.post()
    before = bench.begin(job)
    bench.store.fault = StoreUnavailable("The store is away.")
    with pytest.raises(StoreUnavailable):
        await pipeline.run(before, bench.parts)
    assert bench.attempt() == before


async def test_a_store_is_not_waited_for_when_the_job_is_gone(bench: Bench) -> None:
    """While the store is away another takes the job: it is lost, and not waited for for ever."""
    (job,) = await bench.post()
    bench.store.fault = StoreUnavailable("The store is away.")
    await bench.other.claim(job.id)
    after = await run(bench, bench.begin(job))
    assert after.stage is Stage.LOST


class _Slow(FakeStore):
    """Has nothing yet; what is `heard` of a scene has come, and more never does."""

    async def fetch(self, cid: str, target: Path, limit_bytes: int, on_progress: OnTransfer = unheard) -> int:
        target.with_name(f".veriframe-fetch-{cid}").write_bytes(b"half")
        if self.fault is None:
            await asyncio.Event().wait()
        raise StoreUnavailable("No gateway gives it now.")

    async def pins(self) -> Sequence[Pin]:
        if self.fault is not None:
            raise self.fault
        return []


def _slow(bench: Bench, fetch_seconds: float) -> Parts:
    return replace(bench.parts, store=_Slow(), policy=replace(bench.policy, fetch_seconds=fetch_seconds))


async def test_a_scene_that_never_comes_is_refused_in_time(bench: Bench) -> None:
    """fault_6: before any money moves, so that one job cannot keep a slot for as long as its maker likes."""
    (job,) = await bench.post()
    after = await pipeline.run(bench.begin(job), _slow(bench, fetch_seconds=0.05))
    assert (after.stage, after.code) == (Stage.REFUSED, Code.NOT_FOUND)
    assert "did not come within fetch_seconds (0.05)" in after.detail
    assert bench.shared.moves == []


async def test_a_source_that_is_away_is_waited_for_in_time(bench: Bench) -> None:
    """fault_6: as long as there is time, and not longer, where the store itself is well."""
    (job,) = await bench.post()
    slow = _slow(bench, fetch_seconds=5)
    slow.store.fetch = _no_gateway  # type: ignore[method-assign, assignment]
    with pytest.raises(StoreUnavailable):
        await pipeline.run(bench.begin(job), slow)
    late = replace(slow, clock=lambda: 6.0)
    after = await pipeline.run(bench.begin(job), late)
    assert (after.stage, after.code) == (Stage.REFUSED, Code.NOT_FOUND)
    assert "No gateway gives it now." in after.detail


async def test_a_store_that_is_away_itself_is_no_fault_of_the_scene(bench: Bench) -> None:
    """However long: other jobs would fare no better."""
    (job,) = await bench.post()
    slow = replace(_slow(bench, fetch_seconds=5), clock=lambda: 10_000.0)
    slow.store.fault = StoreUnavailable("The node is away.")  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable, match="The node is away"):
        await pipeline.run(bench.begin(job), slow)
    assert bench.attempt().stage is Stage.SEEN


async def _no_gateway(*_: object) -> int:
    raise StoreUnavailable("No gateway gives it now.")


async def test_a_store_that_is_away_before_the_result_is_waited_for(bench: Bench) -> None:
    """PROVED stays PROVED, with the picture on our disk, and goes on later."""
    attempt = await stopped_at(bench, Stage.PROVED)
    bench.store.fault = StoreUnavailable("The store is away.")
    with pytest.raises(StoreUnavailable):
        await pipeline.run(attempt, bench.parts)
    assert bench.attempt() == attempt
    bench.store.fault = None
    assert (await run(bench, attempt)).stage is Stage.SUBMITTED


@pytest.mark.parametrize("stage", [Stage.SEEN, *WAY[:-1]])
async def test_a_registry_that_is_away_changes_nothing(bench: Bench, stage: Stage) -> None:
    """fault_58: whatever comes next, the attempt stays where it was until the registry answers."""
    if stage is Stage.SEEN:
        (job,) = await bench.post()
        attempt = bench.begin(job)
    else:
        attempt = await stopped_at(bench, stage)
    bench.shared.faults += [RegistryUnavailable("The registry is away.")]
    with pytest.raises(RegistryUnavailable):
        await pipeline.run(attempt, bench.parts)
    assert (await run(bench, bench.attempt())).stage is Stage.SUBMITTED
    assert bench.shared.moves == EARNING_MOVES


async def test_another_who_was_faster(bench: Bench) -> None:
    """fault_64: lost before the claim, without a bond."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    await bench.other.claim(1)
    after = await run(bench, attempt)
    assert (after.stage, after.code) == (Stage.LOST, Code.LOST)
    assert bench.shared.wallets[ME] == WALLET


async def test_another_who_is_faster_between_look_and_claim(bench: Bench) -> None:
    """fault_65: the registry refuses ours; lost, and not rendered."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    claim = bench.registry.claim

    async def too_late(job_id: int) -> None:
        await bench.other.claim(job_id)
        await claim(job_id)

    bench.registry.claim = too_late  # type: ignore[method-assign]
    after = await run(bench, attempt)
    assert (after.stage, after.detail) == (Stage.LOST, "Another worker was faster.")
    assert bench.renderer.tasks == []


async def test_a_claim_that_the_registry_never_takes_is_refused(bench: Bench) -> None:
    """Open, and not for us: not tried again for ever."""
    attempt = await stopped_at(bench, Stage.CHECKED)

    async def barred(job_id: int) -> None:
        raise MoveRefused("BARRED", "The account is barred from this job.")

    bench.registry.claim = barred  # type: ignore[method-assign]
    after = await run(bench, attempt)
    assert after.stage is Stage.REFUSED
    assert "barred" in after.detail


async def test_money_that_is_gone_at_the_claim_loses_the_job_for_now(bench: Bench) -> None:
    """fault_68: LOST without a claim is tried again, once there is money."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    bench.shared.wallets[ME] = BOND - 1
    after = await run(bench, attempt)
    assert (after.stage, after.detail) == (Stage.LOST, "The account has no money for the bond now.")
    assert bench.shared.moves == []


async def test_credit_is_used_before_the_wallet(bench: Bench) -> None:
    """What was earned is the next bond: only what is missing is deposited."""
    bench.shared.credits[ME] += BOND - 3
    (job,) = await bench.post()
    await run(bench, bench.begin(job))
    assert bench.shared.moves == ["deposit 3", "claim", "submit_result"]


async def test_a_full_disk_is_waited_for_before_the_claim(bench: Bench) -> None:
    """fault_41: no bond is put up for what this machine cannot hold."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    bench.parts = replace(bench.parts, disk_free_bytes=2**62)
    with pytest.raises(HostUnavailable, match="Free some disk"):
        await pipeline.run(attempt, bench.parts)
    assert bench.attempt() == attempt
    assert bench.job().state is JobState.OPEN


@pytest.mark.parametrize("stage", [Stage.CLAIMED, Stage.RENDERED, Stage.PROVED, Stage.STORED])
async def test_a_lease_that_lapsed_ends_the_attempt(bench: Bench, stage: Stage) -> None:
    """fault_69: nothing is rendered, stored or submitted for a lease that is over."""
    attempt = await stopped_at(bench, stage)
    renders = len(bench.renderer.tasks)
    bench.shared.now += LEASE_SECONDS
    after = await run(bench, attempt)
    assert (after.stage, after.code) == (Stage.LOST, Code.LOST)
    assert len(bench.renderer.tasks) == renders
    assert len(bench.store.pinned) == (1 if stage is Stage.STORED else 0)
    assert "submit_result" not in bench.shared.moves


async def test_a_lapsed_claim_of_ours_is_no_claim(bench: Bench) -> None:
    """The claim was sent and not noted, and its lease is over: lost, and not taken for CLAIMED."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    bench.shared.credits[ME] += BOND
    await bench.registry.claim(1)
    bench.shared.now += DEADLINE_SECONDS
    assert (await run(bench, attempt)).stage is Stage.LOST
    assert Stage.CLAIMED not in bench.attempt().reached


async def test_a_job_that_the_registry_forgot_is_lost(bench: Bench) -> None:
    """fault_11: a job that is not there any more ends the attempt; it is no bug."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    del bench.shared.jobs[1]
    after = await run(bench, attempt)
    assert (after.stage, after.detail) == (Stage.LOST, "The registry does not know the job any more.")


async def test_a_crash_is_tried_once_more(bench: Bench) -> None:
    """fault_38: the second try starts from an empty folder and earns the pay."""
    bench.script.render_failures.append(crash())
    (job,) = await bench.post()
    assert (await run(bench, bench.begin(job))).stage is Stage.SUBMITTED
    assert len(bench.renderer.tasks) == 2
    assert bench.shared.moves == EARNING_MOVES


async def test_two_crashes_release_the_job(bench: Bench) -> None:
    """fault_38: FAILED, and then given back with the code, so that another may try."""
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


async def test_frames_that_are_not_what_was_asked_for_release_the_job(bench: Bench) -> None:
    """fault_43: nothing is stored, nothing submitted."""
    bench.script.prove_failures.append(VerificationFailed(Code.WRONG_SIZE, "It is too small."))
    (job,) = await bench.post()
    after = await run(bench, bench.begin(job))
    assert (after.stage, after.code) == (Stage.RELEASED, Code.WRONG_SIZE)
    assert [pin.name for pin in bench.store.pinned] == []


async def test_an_asset_that_vanished_after_the_claim_releases_the_job(bench: Bench) -> None:
    """Our copy is gone and the store has it no more: the claim is not left to lapse."""
    attempt = await stopped_at(bench, Stage.CLAIMED)
    bench.parts.workspace.scene(attempt.asset_cid).unlink()
    bench.store.files.clear()
    after = await run(bench, attempt)
    assert (after.stage, after.code) == (Stage.RELEASED, Code.NOT_FOUND)


@pytest.mark.parametrize("stage", [Stage.FETCHED, Stage.CLAIMED, Stage.RENDERED])
async def test_a_scene_that_vanished_is_fetched_again(bench: Bench, stage: Stage) -> None:
    """The disk was cleared by hand: no failure, one more fetch."""
    attempt = await stopped_at(bench, stage)
    bench.parts.workspace.scene(attempt.asset_cid).unlink()
    assert (await run(bench, attempt)).stage is Stage.SUBMITTED


async def test_fetching_keeps_the_budget(bench: Bench) -> None:
    """Scenes that nobody uses make room; the one that a job stands on does not."""
    bench.parts = replace(bench.parts, workspace=Workspace(bench.folder, 1))
    used, unused, new = [(await bench.post(scene=blend(block(name))))[0] for name in (b"A", b"B", b"C")]
    for job, stage in ((used, Stage.RENDERED), (unused, Stage.PAID), (new, Stage.SEEN)):
        if stage is not Stage.SEEN:
            path = bench.parts.workspace.scene(job.order.asset_cid)
            await bench.store.fetch(job.order.asset_cid, path, 10**6)
        bench.begin(job, stage)
    await run(bench, bench.attempt(3))
    exists = [bench.parts.workspace.scene(job.order.asset_cid).exists() for job in (used, unused, new)]
    assert exists == [True, False, True]


@pytest.mark.parametrize("stage", [Stage.RENDERED, Stage.PROVED])
async def test_frames_that_vanished_release_the_job(bench: Bench, stage: Stage) -> None:
    """What the journal says was rendered is not on the disk: given back, and not an error for ever."""
    attempt = await stopped_at(bench, stage)
    bench.parts.workspace.forget(1)
    after = await run(bench, attempt)
    assert (after.stage, after.code) == (Stage.RELEASED, Code.NO_OUTPUT)


async def test_a_link_in_place_of_the_frame_is_never_published(bench: Bench) -> None:
    """fault_42: what it leads to stays private."""
    attempt = await stopped_at(bench, Stage.PROVED)
    secret = bench.folder / "secret"
    secret.write_text("key")
    (picture,) = bench.parts.workspace.proved(1).iterdir()
    picture.unlink()
    picture.symlink_to(secret)
    after = await run(bench, attempt)
    assert (after.stage, after.code) == (Stage.RELEASED, Code.TAMPER)
    assert b"key" not in bench.store.files.values()


async def test_the_render_ends_before_the_lease(bench: Bench) -> None:
    """What is left of the lease is the limit, less ten seconds to hand in."""
    attempt = await stopped_at(bench, Stage.CLAIMED)
    bench.shared.now += LEASE_SECONDS - 110
    await run(bench, attempt)
    (task,) = bench.renderer.tasks
    assert (task.limits.loading_seconds, task.limits.frame_seconds) == (50, 50)
    assert task.limits.wall_seconds(1) == 100


async def test_a_long_lease_leaves_the_operators_limits(bench: Bench) -> None:
    """The limits are the settings' wherever the lease allows."""
    (job,) = await bench.post()
    await run(bench, bench.begin(job))
    (task,) = bench.renderer.tasks
    assert task.limits == bench.policy.limits


async def test_a_lease_without_time_for_a_render_is_given_back(bench: Bench) -> None:
    """Ten seconds are left: released for LEASE, at a fee, instead of losing the whole bond."""
    attempt = await stopped_at(bench, Stage.CLAIMED)
    bench.shared.now += LEASE_SECONDS - 10
    after = await run(bench, attempt)
    assert (after.stage, after.code) == (Stage.RELEASED, Code.LEASE)


async def test_no_second_try_without_time(bench: Bench) -> None:
    """After a crash the lease is looked at again."""
    (job,) = await bench.post()

    async def slow_crash(*_: object) -> None:
        bench.shared.now += LEASE_SECONDS - 5
        raise crash()

    bench.renderer.render = slow_crash  # type: ignore[assignment]
    after = await run(bench, bench.begin(job))
    assert (after.stage, after.code) == (Stage.RELEASED, Code.LEASE)


async def test_a_release_that_was_made_is_not_made_twice(bench: Bench) -> None:
    """fault_73: killed after the release and before its note."""
    bench.script.render_failures += [crash(), crash()]
    attempt = await stopped_at(bench, Stage.FAILED)
    await bench.registry.release(1, Code.CRASH)
    bench.shared.moves.clear()
    assert (await run(bench, attempt)).stage is Stage.RELEASED
    assert bench.shared.moves == []


async def test_a_failure_whose_lease_lapsed_is_lost(bench: Bench) -> None:
    """There is nothing to release any more."""
    bench.script.render_failures += [crash(), crash()]
    attempt = await stopped_at(bench, Stage.FAILED)
    bench.shared.now += LEASE_SECONDS
    assert (await run(bench, attempt)).stage is Stage.LOST


@pytest.mark.parametrize("move", ["submit_result", "release"])
async def test_a_move_that_is_refused_at_the_last_moment_is_a_loss(bench: Bench, move: str) -> None:
    """The lease ends between the look and the move."""
    stage = Stage.STORED
    if move == "release":
        bench.script.render_failures += [crash(), crash()]
        stage = Stage.FAILED
    attempt = await stopped_at(bench, stage)

    async def refused(*_: object) -> None:
        raise MoveRefused("NOT_CLAIMANT", "The lease is over.")

    setattr(bench.registry, move, refused)
    after = await run(bench, attempt)
    assert (after.stage, after.code) == (Stage.LOST, Code.LOST)
    assert "The lease is over." in after.detail


@pytest.mark.parametrize("stage", [Stage.PAID, Stage.REFUSED, Stage.RELEASED, Stage.LOST, Stage.REFUNDED])
async def test_ends_stay(bench: Bench, stage: Stage) -> None:
    """There is no step after an end."""
    (job,) = await bench.post()
    attempt = bench.begin(job, stage)
    assert await run(bench, attempt) == attempt
    assert bench.journal.moves == []


async def test_a_bug_keeps_the_stage(bench: Bench) -> None:
    """What is nobody's error is nobody's loss: the journal stays at the last stage."""
    bench.script.render_failures.append(KeyError("a bug"))
    (job,) = await bench.post()
    with pytest.raises(KeyError):
        await pipeline.run(bench.begin(job), bench.parts)
    assert bench.attempt().stage is Stage.CLAIMED


async def test_a_journal_that_cannot_be_written_stops_before_the_next_deed(bench: Bench) -> None:
    """fault_76: nothing goes on without a durable note; afterwards it goes on without a second move."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    move = bench.journal.move

    def full(before: Attempt, after: Attempt) -> None:
        raise HostUnavailable("The disk is full.")

    bench.journal.move = full  # type: ignore[method-assign]
    with pytest.raises(HostUnavailable):
        await pipeline.run(attempt, bench.parts)
    assert bench.renderer.tasks == []
    bench.journal.move = move  # type: ignore[method-assign]
    assert (await run(bench, attempt)).stage is Stage.SUBMITTED
    assert bench.shared.moves == EARNING_MOVES
