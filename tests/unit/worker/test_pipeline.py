"""The whole path of one job with fakes: every step, restarts, the registry's and other workers' moves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.bench import BOND, DEADLINE_SECONDS, LEASE_SECONDS, ME, WALLET, Bench, crash, result_pin
from tests.unit.worker.pipelines import EARNING_MOVES, STAGES, run, stopped_at

from veriframe.errors import (
    Code,
    HostUnavailable,
    MoveRefused,
    RegistryUnavailable,
    StoreUnavailable,
)
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import JobState
from veriframe.worker import pipeline


class Killed(Exception):
    """Not one of our errors, so that nothing handles it."""


async def test_the_whole_path(bench: Bench) -> None:
    """From SEEN to SUBMITTED: every stage noted and reported once, one bond, one claim, one result."""
    (job,) = await bench.post()
    after = await run(bench, bench.begin(job))
    assert bench.told == STAGES
    assert [attempt.stage for attempt in bench.journal.moves] == STAGES
    assert bench.shared.moves == EARNING_MOVES
    assert bench.job().state is JobState.SUBMITTED
    assert bench.store.files[bench.job().result_cid][:8] == b"\x89PNG\r\n\x1a\n"
    assert after.result_cid == bench.job().result_cid
    assert bench.store.pinned[-1].name == result_pin(ME, 1)
    assert list(after.reached)[1:] == STAGES


@pytest.mark.parametrize("stage", STAGES)
async def test_a_restart_continues(bench: Bench, stage: Stage) -> None:
    """fault_73: killed right after any stage, it ends the same, with no move made twice."""
    await run(bench, await stopped_at(bench, stage))
    assert bench.attempt().stage is Stage.SUBMITTED
    assert bench.shared.moves == EARNING_MOVES
    assert len(bench.renderer.tasks) == 1


@pytest.mark.parametrize("stage", STAGES)
async def test_a_kill_between_an_effect_and_its_note_is_recovered(bench: Bench, stage: Stage) -> None:
    """fault_73: the effect is done and the journal does not know it; nothing happens twice outside."""
    (job,) = await bench.post()
    move = bench.journal.record

    async def die(before: Attempt, after: Attempt) -> None:
        if after.stage is stage:
            raise Killed
        await move(before, after)

    bench.journal.record = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        await pipeline.run(bench.begin(job), bench.context)
    bench.journal.record = move  # type: ignore[method-assign]
    await run(bench, bench.attempt())
    assert bench.attempt().stage is Stage.SUBMITTED
    assert bench.shared.moves == EARNING_MOVES
    assert len([pin for pin in bench.store.pinned if pin.name == result_pin(ME, 1)]) <= 2


async def test_an_unavailable_store_before_the_result_is_waited_for(bench: Bench) -> None:
    """VALIDATED stays VALIDATED, with the picture on our disk, and continues later."""
    attempt = await stopped_at(bench, Stage.VALIDATED)
    bench.store.fault = StoreUnavailable("The store is away.")
    with pytest.raises(StoreUnavailable):
        await pipeline.run(attempt, bench.context)
    assert bench.attempt() == attempt
    bench.store.fault = None
    assert (await run(bench, attempt)).stage is Stage.SUBMITTED


@pytest.mark.parametrize("stage", [Stage.SEEN, *STAGES[:-1]])
async def test_an_unavailable_registry_changes_nothing(bench: Bench, stage: Stage) -> None:
    """fault_58: at any step, the attempt stays where it was until the registry answers."""
    if stage is Stage.SEEN:
        (job,) = await bench.post()
        attempt = bench.begin(job)
    else:
        attempt = await stopped_at(bench, stage)
    bench.shared.faults += [RegistryUnavailable("The registry is away.")]
    with pytest.raises(RegistryUnavailable):
        await pipeline.run(attempt, bench.context)
    assert (await run(bench, bench.attempt())).stage is Stage.SUBMITTED
    assert bench.shared.moves == EARNING_MOVES


async def test_another_worker_was_faster(bench: Bench) -> None:
    """fault_64: lost before the claim, without a bond."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    await bench.other.claim(1)
    after = await run(bench, attempt)
    assert (after.stage, after.code) == (Stage.LOST, Code.LOST)
    assert bench.shared.wallets[ME] == WALLET


async def test_another_worker_is_faster_between_poll_and_claim(bench: Bench) -> None:
    """fault_65: the registry refuses our claim; it is lost, and not rendered."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    claim = bench.registry.claim

    async def too_late(job_id: int) -> int:
        await bench.other.claim(job_id)
        return await claim(job_id)

    bench.registry.claim = too_late  # type: ignore[method-assign]
    after = await run(bench, attempt)
    assert (after.stage, after.detail) == (Stage.LOST, "Another worker was faster.")
    assert bench.renderer.tasks == []


async def test_a_claim_that_the_registry_never_accepts_is_refused(bench: Bench) -> None:
    """Open, but not for us: it is not tried again for ever."""
    attempt = await stopped_at(bench, Stage.CHECKED)

    async def barred(job_id: int) -> int:
        raise MoveRefused("BARRED", "The account is barred from this job.")

    bench.registry.claim = barred  # type: ignore[method-assign]
    after = await run(bench, attempt)
    assert after.stage is Stage.REFUSED
    assert "barred" in after.detail


async def test_without_money_at_the_claim_the_job_is_lost_for_now(bench: Bench) -> None:
    """fault_68: LOST without a claim is tried again once there is money."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    bench.shared.wallets[ME] = BOND - 1
    after = await run(bench, attempt)
    assert (after.stage, after.detail) == (Stage.LOST, "The account cannot pay the bond now.")
    assert bench.shared.moves == []


async def test_credit_is_used_before_the_wallet(bench: Bench) -> None:
    """Earnings pay for the next bond: only what is missing is deposited."""
    bench.shared.credits[ME] += BOND - 3
    (job,) = await bench.post()
    await run(bench, bench.begin(job))
    assert bench.shared.moves == ["deposit 3", "claim", "submit_result"]


async def test_a_full_disk_is_waited_for_before_the_claim(bench: Bench) -> None:
    """fault_41: no bond is put up for what this machine cannot store."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    bench.context = replace(bench.context, disk_free_bytes=2**62)
    with pytest.raises(HostUnavailable, match="Free some disk"):
        await pipeline.run(attempt, bench.context)
    assert bench.attempt() == attempt
    assert bench.job().state is JobState.OPEN


@pytest.mark.parametrize("stage", [Stage.CLAIMED, Stage.RENDERED, Stage.VALIDATED, Stage.STORED])
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


async def test_a_lapsed_claim_of_ours_does_not_count(bench: Bench) -> None:
    """The claim was sent and not noted, and its lease is over: it is lost, not CLAIMED."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    bench.shared.credits[ME] += BOND
    await bench.registry.claim(1)
    bench.shared.now += DEADLINE_SECONDS
    assert (await run(bench, attempt)).stage is Stage.LOST
    assert Stage.CLAIMED not in bench.attempt().reached


async def test_a_job_that_the_registry_forgot_is_lost(bench: Bench) -> None:
    """fault_11: a job that no longer exists ends the attempt; it is not a bug."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    del bench.shared.jobs[1]
    after = await run(bench, attempt)
    assert (after.stage, after.detail) == (Stage.LOST, "The registry no longer knows the job.")


async def test_a_release_that_was_made_is_not_made_twice(bench: Bench) -> None:
    """fault_73: killed after the release and before its note."""
    bench.script.render_failures += [crash(), crash()]
    attempt = await stopped_at(bench, Stage.FAILED)
    await bench.registry.release(1, Code.CRASH)
    bench.shared.moves.clear()
    assert (await run(bench, attempt)).stage is Stage.RELEASED
    assert bench.shared.moves == []


async def test_a_failure_whose_lease_lapsed_is_lost(bench: Bench) -> None:
    """There is nothing left to release."""
    bench.script.render_failures += [crash(), crash()]
    attempt = await stopped_at(bench, Stage.FAILED)
    bench.shared.now += LEASE_SECONDS
    assert (await run(bench, attempt)).stage is Stage.LOST


@pytest.mark.parametrize("move", ["submit_result", "release"])
async def test_a_move_that_is_refused_at_the_last_moment_is_a_loss(bench: Bench, move: str) -> None:
    """The lease ends between the poll and the move."""
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
async def test_ends_are_final(bench: Bench, stage: Stage) -> None:
    """There is no step after an end."""
    (job,) = await bench.post()
    attempt = bench.begin(job, stage)
    assert await run(bench, attempt) == attempt
    assert bench.journal.moves == []


async def test_a_bug_keeps_the_stage(bench: Bench) -> None:
    """An unexpected error costs nothing: the journal stays at the last stage."""
    bench.script.render_failures.append(KeyError("a bug"))
    (job,) = await bench.post()
    with pytest.raises(KeyError):
        await pipeline.run(bench.begin(job), bench.context)
    assert bench.attempt().stage is Stage.CLAIMED


async def test_a_journal_that_cannot_be_written_stops_before_the_next_step(bench: Bench) -> None:
    """fault_76: nothing continues without a durable note; afterwards it continues without a second move."""
    attempt = await stopped_at(bench, Stage.CHECKED)
    move = bench.journal.record

    async def full(before: Attempt, after: Attempt) -> None:
        raise HostUnavailable("The disk is full.")

    bench.journal.record = full  # type: ignore[method-assign]
    with pytest.raises(HostUnavailable):
        await pipeline.run(attempt, bench.context)
    assert bench.renderer.tasks == []
    bench.journal.record = move  # type: ignore[method-assign]
    assert (await run(bench, attempt)).stage is Stage.SUBMITTED
    assert bench.shared.moves == EARNING_MOVES


async def test_a_claim_has_the_end_of_its_lease(bench: Bench) -> None:
    """Not later than the registry's own, also after a restart; a submission has none until it is read."""
    attempt = await stopped_at(bench, Stage.CLAIMED)
    assert attempt.due_at == bench.job().lease_end
    assert (await run(bench, attempt)).due_at == 0
