"""Unavailable scenes are skipped for a while, and creators of wasted jobs come last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from tests.fakes.bench import Bench
from tests.unit.worker.clock import ManualClock

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.content.cid import Cid, Codec
from veriframe.model.registry.job import NOBODY, Address
from veriframe.worker.intake import backoff as module
from veriframe.worker.intake.backoff import LOST_RACES, SLOW_SECONDS, Backoffs
from veriframe.worker.settlement.settling import clean_up

CREATOR, OTHER = Address(7), Address(8)


def ended(stage: Stage, code: Code | None = None, *reached: Stage, creator: Address = CREATOR) -> Attempt:
    """An attempt at its end, a second after the stages that it reached."""
    return Attempt(
        job_id=1,
        asset_cid="b",
        reward_fri=1,
        creator=creator,
        stage=stage,
        code=code,
        reached=dict.fromkeys((Stage.SEEN, *reached), 1.0),
    )


ABSENT = ended(Stage.REFUSED, Code.NOT_FOUND)


def test_an_unavailable_scene_is_skipped_longer_each_time() -> None:
    """fault_6, fault_14: a minute, then two, up to an hour; its creator comes last for as long."""
    clock = ManualClock()
    backoffs = Backoffs(clock)
    for rest in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        backoffs.note(ABSENT)
        clock.seconds += rest - 1
        assert (backoffs.is_skipped(ABSENT.asset_cid), backoffs.comes_last(CREATOR)) == (True, True)
        assert (backoffs.is_skipped("another"), backoffs.comes_last(OTHER)) == (False, False)
        clock.seconds += 1
        assert (backoffs.is_skipped(ABSENT.asset_cid), backoffs.comes_last(CREATOR)) == (False, False)


def test_thousands_of_failures_are_an_hour_each() -> None:
    """fault_14: any number is capped."""
    clock = ManualClock()
    backoffs = Backoffs(clock)
    for _ in range(3000):
        backoffs.note(ABSENT)
    assert backoffs.comes_last(CREATOR)
    clock.seconds += 3600
    assert not backoffs.comes_last(CREATOR)


def test_a_scene_that_arrived_is_no_longer_skipped() -> None:
    """Later failures say nothing about its availability; its creator still comes last."""
    backoffs = Backoffs(ManualClock())
    backoffs.note(ABSENT)
    assert backoffs.is_skipped(ABSENT.asset_cid)
    backoffs.note(ended(Stage.REFUSED, Code.NO_CAMERA, Stage.FETCHED))
    assert (backoffs.is_skipped(ABSENT.asset_cid), backoffs.comes_last(CREATOR)) == (False, True)


def test_a_submission_clears_a_creator() -> None:
    """Whatever happened before."""
    backoffs = Backoffs(ManualClock())
    backoffs.note(ABSENT)
    backoffs.note(ended(Stage.SUBMITTED))
    assert (backoffs.is_skipped(ABSENT.asset_cid), backoffs.comes_last(CREATOR)) == (False, False)


@pytest.mark.parametrize(
    "attempt",
    [ended(Stage.REFUSED, Code.RESOLUTION, Stage.FETCHED), ended(Stage.RELEASED, Code.TIMEOUT)],
    ids=["refused", "released"],
)
def test_a_creator_of_a_wasted_scene_comes_last(attempt: Attempt) -> None:
    """fault_83: after wasted inspections and renders others go first. The scene is not skipped for it."""
    backoffs = Backoffs(ManualClock())
    backoffs.note(attempt)
    assert (backoffs.is_skipped(attempt.asset_cid), backoffs.comes_last(CREATOR)) == (False, True)


@pytest.mark.parametrize("code", [Code.STOPPED, Code.UPLOAD, Code.DISK, Code.SANDBOX])
def test_other_failures_are_not_blamed_on_the_creator(code: Code) -> None:
    """Failures of time, of the store and of this machine."""
    backoffs = Backoffs(ManualClock())
    backoffs.note(ended(Stage.RELEASED, code))
    assert not backoffs.comes_last(CREATOR)


def test_a_scene_that_gave_way_counts_as_absent() -> None:
    """fault_88: nothing of it arrived, and others needed its place; it is tried again later."""
    backoffs = Backoffs(ManualClock())
    backoffs.note(ended(Stage.LOST, Code.NOT_FOUND))
    assert (backoffs.is_skipped(ABSENT.asset_cid), backoffs.comes_last(CREATOR)) == (True, True)


@pytest.mark.parametrize("reached", [(Stage.FETCHED,), (Stage.FETCHED, Stage.CHECKED)])
def test_jobs_gone_right_before_the_claim_count_from_the_third(reached: Sequence[Stage]) -> None:
    """fault_100: single lost races are normal, also those during an inspection.

    A submission in between clears the count.
    """
    backoffs = Backoffs(ManualClock())
    gone = ended(Stage.LOST, Code.CANCELLED, *reached)
    for _ in range(LOST_RACES - 1):
        backoffs.note(gone)
    assert not backoffs.comes_last(CREATOR)
    backoffs.note(ended(Stage.SUBMITTED))
    for _ in range(LOST_RACES - 1):
        backoffs.note(gone)
    assert not backoffs.comes_last(CREATOR)
    backoffs.note(gone)
    assert backoffs.comes_last(CREATOR)


def test_a_race_that_another_worker_won_is_not_blamed_on_the_creator() -> None:
    """fault_100: a creator does not come last because other workers claim the jobs right before us."""
    backoffs = Backoffs(ManualClock())
    for _ in range(10 * LOST_RACES):
        backoffs.note(ended(Stage.LOST, Code.LOST, Stage.FETCHED, Stage.CHECKED))
    assert not backoffs.comes_last(CREATOR)


def test_a_scene_whose_job_ends_before_it_arrives_counts_as_absent() -> None:
    """fault_88: a deadline or a cancellation right before fetch_seconds are over does not avoid it."""
    backoffs = Backoffs(ManualClock())
    gone = ended(Stage.LOST, Code.LOST)
    backoffs.note(replace(gone, reached={Stage.SEEN: 1.0, Stage.LOST: 1.0 + SLOW_SECONDS}))
    assert not backoffs.is_skipped(gone.asset_cid)
    backoffs.note(replace(gone, reached={Stage.SEEN: 1.0, Stage.LOST: 1.1 + SLOW_SECONDS}))
    assert (backoffs.is_skipped(gone.asset_cid), backoffs.comes_last(CREATOR)) == (True, True)


def test_nobody_is_not_a_creator() -> None:
    """Attempts of older versions have no creator: they do not all share one record."""
    backoffs = Backoffs(ManualClock())
    backoffs.note(replace(ABSENT, creator=NOBODY))
    assert not backoffs.comes_last(NOBODY)


def test_a_limited_number_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_14: a flood of absent assets takes no memory."""
    monkeypatch.setattr(module, "MOST_REMEMBERED", 3)
    backoffs = Backoffs(ManualClock())
    for number in range(5):
        backoffs.note(replace(ABSENT, asset_cid=f"cid {number}", creator=NOBODY))
    assert [backoffs.is_skipped(f"cid {number}") for number in range(5)] == [False, False, True, True, True]


async def test_unavailable_scenes_block_no_slot(bench: Bench) -> None:
    """fault_6, fault_14: one creator's best paid jobs have no scenes; others are served meanwhile."""
    unavailable = [str(Cid(Codec.RAW, bytes([number]) * 32)) for number in range(3)]
    for asset_cid in unavailable:
        await bench.post_cid(asset_cid, jobs=50, reward_fri=900)
    last = (await bench.post(reward_fri=800))[0]
    (job_id,) = await bench.other.create_order(last.order.asset_cid, replace(last.terms, reward_fri=5), 1)
    tried, fetch = list[str](), bench.store.fetch

    async def counted(cid: str, *arguments: object) -> object:
        tried.append(cid)
        return await fetch(cid, *arguments)  # type: ignore[arg-type]

    bench.store.fetch = counted  # type: ignore[method-assign, assignment]
    assert await bench.service().run(once=True)
    submitted = {moved.job_id for moved in bench.journal.moves if moved.stage is Stage.SUBMITTED}
    assert sorted(submitted) == sorted([job_id, last.id])
    # Skipped scenes are left out; jobs that only come last are still served.
    assert sorted(cid for cid in tried if cid in unavailable) == sorted(unavailable)


@pytest.mark.parametrize("others", [1, 2])
async def test_a_partial_scene_is_removed_with_its_last_attempt(bench: Bench, others: int) -> None:
    """fault_46: not while another attempt would resume it."""
    first, *waiting = await bench.post(jobs=others)
    refused = replace(bench.begin(first), stage=Stage.REFUSED)
    bench.amend(refused)
    for job in waiting:
        bench.begin(job)
    half = bench.folder / "scenes" / f".veriframe-fetch-{refused.asset_cid}"
    half.write_bytes(b"half")
    await clean_up(refused, bench.context)
    assert half.exists() == (others > 1)
