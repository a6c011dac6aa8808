"""Scenes that cannot be had rest for a while, and creators who cost time for nothing come last."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.bench import Bench
from tests.unit.worker.clock import Hand

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.content.cid import Cid, Codec
from veriframe.model.registry.job import NOBODY, Address
from veriframe.worker.intake import backoff as module
from veriframe.worker.intake.backoff import LOST_RACES, SLOW_SECONDS, Backoffs
from veriframe.worker.settlement.watch import clean_up

MAKER, OTHER = Address(7), Address(8)


def ended(stage: Stage, code: Code | None = None, *reached: Stage, creator: Address = MAKER) -> Attempt:
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


def test_what_could_not_be_had_rests_longer_each_time() -> None:
    """fault_6, fault_14: a minute, then two, an hour at most; its maker comes last as long."""
    clock = Hand()
    backoffs = Backoffs(clock)
    for rest in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        backoffs.note(ABSENT)
        clock.seconds += rest - 1
        assert (backoffs.is_skipped(ABSENT.asset_cid), backoffs.comes_last(MAKER)) == (True, True)
        assert (backoffs.is_skipped("another"), backoffs.comes_last(OTHER)) == (False, False)
        clock.seconds += 1
        assert (backoffs.is_skipped(ABSENT.asset_cid), backoffs.comes_last(MAKER)) == (False, False)


def test_failures_without_end_are_an_hour_each() -> None:
    """fault_14: thousands of them are no more than many."""
    clock = Hand()
    backoffs = Backoffs(clock)
    for _ in range(3000):
        backoffs.note(ABSENT)
    assert backoffs.comes_last(MAKER)
    clock.seconds += 3600
    assert not backoffs.comes_last(MAKER)


def test_a_scene_that_came_ends_its_rest() -> None:
    """What else becomes of it says nothing about where it was; its maker still comes last."""
    backoffs = Backoffs(Hand())
    backoffs.note(ABSENT)
    assert backoffs.is_skipped(ABSENT.asset_cid)
    backoffs.note(ended(Stage.REFUSED, Code.NO_CAMERA, Stage.FETCHED))
    assert (backoffs.is_skipped(ABSENT.asset_cid), backoffs.comes_last(MAKER)) == (False, True)


def test_a_result_handed_in_forgives_a_creator() -> None:
    """Whatever was before."""
    backoffs = Backoffs(Hand())
    backoffs.note(ABSENT)
    backoffs.note(ended(Stage.SUBMITTED))
    assert (backoffs.is_skipped(ABSENT.asset_cid), backoffs.comes_last(MAKER)) == (False, False)


@pytest.mark.parametrize(
    "attempt",
    [ended(Stage.REFUSED, Code.RESOLUTION, Stage.FETCHED), ended(Stage.RELEASED, Code.TIMEOUT)],
    ids=["refused", "released"],
)
def test_whose_scene_comes_to_nothing_comes_last(attempt: Attempt) -> None:
    """fault_83: after inspections and renders in vain others go first. The scene does not rest for it."""
    backoffs = Backoffs(Hand())
    backoffs.note(attempt)
    assert (backoffs.is_skipped(attempt.asset_cid), backoffs.comes_last(MAKER)) == (False, True)


@pytest.mark.parametrize("code", [Code.STOPPED, Code.UPLOAD, Code.DISK, Code.SANDBOX])
def test_what_is_no_fault_of_the_scene_is_not_its_creators(code: Code) -> None:
    """Time, the store and this machine."""
    backoffs = Backoffs(Hand())
    backoffs.note(ended(Stage.RELEASED, code))
    assert not backoffs.comes_last(MAKER)


def test_a_scene_that_drips_in_and_is_refused_counts_as_absent() -> None:
    """fault_88: it kept others waiting for as long as one that never comes; one that came at once did not."""
    backoffs = Backoffs(Hand())
    slow = {Stage.SEEN: 1.0, Stage.FETCHED: 1.0 + SLOW_SECONDS}
    refused = ended(Stage.REFUSED, Code.NOT_BLEND)
    backoffs.note(replace(refused, reached=slow))
    assert not backoffs.is_skipped(refused.asset_cid)
    backoffs.note(replace(refused, reached={**slow, Stage.FETCHED: 1.1 + SLOW_SECONDS}))
    assert backoffs.is_skipped(refused.asset_cid)


def test_jobs_that_are_gone_right_before_the_claim_count_from_the_third() -> None:
    """fault_100: a race may be lost now and then. A result in between clears the count."""
    backoffs = Backoffs(Hand())
    gone = ended(Stage.LOST, Code.CANCELLED, Stage.FETCHED, Stage.CHECKED)
    for _ in range(LOST_RACES - 1):
        backoffs.note(gone)
    assert not backoffs.comes_last(MAKER)
    backoffs.note(ended(Stage.SUBMITTED))
    for _ in range(LOST_RACES - 1):
        backoffs.note(gone)
    assert not backoffs.comes_last(MAKER)
    backoffs.note(gone)
    assert backoffs.comes_last(MAKER)


def test_a_race_that_another_worker_won_is_not_the_creators() -> None:
    """fault_100: however often rivals claim her jobs right before us, an artist does not come last for it."""
    backoffs = Backoffs(Hand())
    for _ in range(10 * LOST_RACES):
        backoffs.note(ended(Stage.LOST, Code.LOST, Stage.FETCHED, Stage.CHECKED))
    assert not backoffs.comes_last(MAKER)


def test_a_scene_whose_job_is_over_before_it_came_counts_as_absent() -> None:
    """fault_88: a deadline, or a cancelling, right before the time for fetching is over, is no way out."""
    backoffs = Backoffs(Hand())
    gone = ended(Stage.LOST, Code.LOST)
    backoffs.note(replace(gone, reached={Stage.SEEN: 1.0, Stage.LOST: 1.0 + SLOW_SECONDS}))
    assert not backoffs.is_skipped(gone.asset_cid)
    backoffs.note(replace(gone, reached={Stage.SEEN: 1.0, Stage.LOST: 1.1 + SLOW_SECONDS}))
    assert (backoffs.is_skipped(gone.asset_cid), backoffs.comes_last(MAKER)) == (True, True)


def test_nobody_is_not_a_creator() -> None:
    """Of attempts from before creators were noted: they do not all share one record."""
    backoffs = Backoffs(Hand())
    backoffs.note(replace(ABSENT, creator=NOBODY))
    assert not backoffs.comes_last(NOBODY)


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_14: a flood of absent assets takes no memory."""
    monkeypatch.setattr(module, "MOST_REMEMBERED", 3)
    backoffs = Backoffs(Hand())
    for number in range(5):
        backoffs.note(replace(ABSENT, asset_cid=f"cid {number}", creator=NOBODY))
    assert [backoffs.is_skipped(f"cid {number}") for number in range(5)] == [False, False, True, True, True]


async def test_scenes_that_are_nowhere_keep_no_slot_from_others(bench: Bench) -> None:
    """fault_6, fault_14: the best paid jobs of one creator, without scenes; another's goes second."""
    nowhere = [str(Cid(Codec.RAW, bytes([number]) * 32)) for number in range(3)]
    for asset_cid in nowhere:
        await bench.post_cid(asset_cid, jobs=50, reward_fri=900)
    last = (await bench.post(reward_fri=800))[0]
    (job_id,) = await bench.other.create_order(last.order.asset_cid, replace(last.terms, reward_fri=5), 1)
    tried, fetch = list[str](), bench.store.fetch

    async def counted(cid: str, *arguments: object) -> int:
        tried.append(cid)
        return await fetch(cid, *arguments)  # type: ignore[arg-type]

    bench.store.fetch = counted  # type: ignore[method-assign, assignment]
    assert await bench.service().run(once=True)
    handed_in = [moved.job_id for moved in bench.journal.moves if moved.stage is Stage.SUBMITTED]
    assert (tried[0] in nowhere, handed_in) == (True, [job_id, last.id])
    # What rests is left; what only comes last is served all the same.
    assert sorted(cid for cid in tried if cid in nowhere) == sorted(nowhere)


@pytest.mark.parametrize("others", [1, 2])
async def test_half_a_scene_goes_with_the_last_who_waits_for_it(bench: Bench, others: int) -> None:
    """fault_46: not while another attempt would go on with it."""
    first, *waiting = await bench.post(jobs=others)
    ended_one = replace(bench.begin(first), stage=Stage.REFUSED)
    bench.journal.by_job[first.id] = ended_one
    for job in waiting:
        bench.begin(job)
    half = bench.folder / "scenes" / f".veriframe-fetch-{ended_one.asset_cid}"
    half.write_bytes(b"half")
    await clean_up(ended_one, bench.context)
    assert half.exists() == (others > 1)
