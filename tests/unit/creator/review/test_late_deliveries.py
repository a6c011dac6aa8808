"""The review of an order whose workers deliver slowly, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.unit.creator.review.reviewed import ALL, JUDGED, SECONDS, Reviewed, state
from tests.waiting import turns, until

from veriframe.creator.review.examinations import MOST_AT_ONCE
from veriframe.creator.review.time_left import is_half_over
from veriframe.creator.review.values import Happened
from veriframe.model.registry.job import Job, JobState
from veriframe.model.verification.findings import Conclusion


async def test_a_slow_delivery_holds_up_no_other_workers(reviewed: Reviewed) -> None:
    """fault_343: three workers hold their results back; all others are verified and paid meanwhile."""
    gate = await reviewed.delivered_by_many("1-8", 1, 2, 4)
    review = reviewed.review()
    await reviewed.see(review)
    async with reviewed.running(review):
        await until(lambda: reviewed.happened().count(Happened.PAID) == 5)
        assert not review.is_done
        assert reviewed.says.rests == 0
        gate.set()
        await until(lambda: reviewed.happened().count(Happened.PAID) == 8)
        await until(lambda: reviewed.says.rests > 0)
    assert sorted(reviewed.says.asked) == [*range(1, 9)]


async def test_only_so_many_results_are_examined_at_once(reviewed: Reviewed) -> None:
    """Each holds memory. They end with the review."""
    await reviewed.delivered_by_many("1-8", *range(1, 9))
    review = reviewed.review()
    await reviewed.see(review)
    async with reviewed.running(review):
        await until(lambda: len(reviewed.says.asked) == MOST_AT_ONCE)
        await turns()
        assert reviewed.says.asked == [1, 2, 3, 4]
    assert len(asyncio.all_tasks()) == 1


async def test_a_review_that_ends_during_the_verification_is_told(reviewed: Reviewed) -> None:
    """fault_316: the verification stops, and the next result is verified."""
    await reviewed.delivered(0, 1)
    gate = asyncio.Event()

    async def hang(job: Job) -> None:
        if job.id == 1:
            await gate.wait()

    reviewed.says.meanwhile = hang
    review = reviewed.review()
    await reviewed.see(review)
    async with reviewed.running(review):
        await until(lambda: reviewed.says.asked == [1])
        reviewed.shared.now = reviewed.shared.jobs[1].review_end
        await reviewed.see(review)
        await until(lambda: Happened.PAID in reviewed.happened(2))
    assert reviewed.happened(1) == [Happened.BEGUN, Happened.LATE]


async def test_what_is_withheld_is_asked_for_until_half_of_the_review(reviewed: Reviewed) -> None:
    """fault_317: an arbiter may find what a creator did not at first; then the bond would be lost."""
    await reviewed.delivered(0, 1)
    reviewed.says.of = {1: Conclusion.WITHHELD, 2: Conclusion.WITHHELD}
    review = reviewed.review(replace(ALL, retry_seconds=0.0005))
    await reviewed.see(review)
    async with reviewed.running(review):
        await until(lambda: len(reviewed.says.asked) > 4)
        assert (state(reviewed, 1), state(reviewed, 2)) == (JobState.SUBMITTED, JobState.SUBMITTED)
        assert reviewed.happened().count(Happened.ASKED_AGAIN) == 2
        reviewed.says.of[2] = Conclusion.EXACT
        await until(lambda: Happened.PAID in reviewed.happened(2))
        reviewed.shared.now += JUDGED.terms(0).review_seconds // 2
        await reviewed.see(review)
        await until(lambda: Happened.DISPUTED in reviewed.happened(1))
    assert is_half_over((await reviewed.status(1)).chunks[0])


async def test_what_is_withheld_is_disputed_once_half_of_the_review_is_over(reviewed: Reviewed) -> None:
    """fault_345: at once, by the last answer: to ask again might outlast the review, and pay for nothing."""
    await reviewed.delivered(0)
    reviewed.says.of = {1: Conclusion.WITHHELD}
    review = reviewed.review(replace(ALL, retry_seconds=1_000.0))
    await reviewed.see(review)
    async with reviewed.running(review), asyncio.timeout(SECONDS):
        await until(lambda: Happened.ASKED_AGAIN in reviewed.happened())
        reviewed.says.meanwhile = hang
        end = reviewed.shared.jobs[1].review_end
        reviewed.shared.now = end - JUDGED.terms(0).review_seconds // 2
        review = reviewed.review(replace(ALL, retry_seconds=1_000.0))
    reviewed.says.asked.clear()
    await reviewed.see(review)
    async with reviewed.running(review):
        # Another run has to ask for itself, as long as there is time.
        await until(lambda: reviewed.says.asked == [1])
        await turns()
        assert state(reviewed, 1) is JobState.SUBMITTED
        reviewed.shared.now = end - JUDGED.terms(0).review_seconds // 10
        await reviewed.see(review)
        await until(lambda: Happened.DISPUTED in reviewed.happened(1))
        assert review.is_done


async def test_the_pause_before_half_of_a_short_review_ends_in_time(reviewed: Reviewed) -> None:
    """fault_345: however long the usual pauses are; an examination waits for a quarter of what is left."""
    offer = replace(JUDGED, review_seconds=600)
    await reviewed.delivered(0, offer=offer)
    reviewed.says.of = {1: Conclusion.WITHHELD}
    reviewed.shared.now = reviewed.shared.jobs[1].review_end - 301
    review = reviewed.review(replace(ALL, retry_seconds=1_000.0))
    await reviewed.see(review)
    async with reviewed.running(review), asyncio.timeout(SECONDS):
        await until(lambda: Happened.ASKED_AGAIN in reviewed.happened())
        reviewed.shared.now += 1
        await reviewed.see(review)
        await until(lambda: Happened.DISPUTED in reviewed.happened(1))
    assert reviewed.says.late_seconds[0] == pytest.approx(301 / 4)


async def test_a_first_ask_near_the_end_is_no_reason_to_dispute(reviewed: Reviewed) -> None:
    """fault_361: a watch that begins late waits for seconds only; an arbiter would find what it did not."""
    offer = replace(JUDGED, review_seconds=86_400)
    await reviewed.delivered(0, offer=offer)
    reviewed.says.of = {1: Conclusion.WITHHELD}
    reviewed.shared.now = reviewed.shared.jobs[1].review_end - 140
    gate = asyncio.Event()

    async def hang_at_the_fourth(job: Job) -> None:
        if reviewed.says.asked.count(job.id) == 4:
            await gate.wait()

    reviewed.says.meanwhile = hang_at_the_fourth
    review = reviewed.review(replace(ALL, retry_seconds=0.0005))
    await reviewed.see(review)
    async with reviewed.running(review), asyncio.timeout(SECONDS):
        await until(lambda: reviewed.says.asked.count(1) == 4)
        await turns()
        assert reviewed.says.late_seconds[0] == 35
        assert state(reviewed, 1) is JobState.SUBMITTED
        assert not reviewed.notes.read_conclusions(), "the next run must ask for itself"
        gate.set()
        # Four times 35 s are long enough.
        await until(lambda: Happened.DISPUTED in reviewed.happened(1))
    assert reviewed.says.asked.count(1) == 4


async def hang(_job: Job) -> None:
    """An examination that never ends."""
    await asyncio.Event().wait()


async def test_what_was_withheld_waits_for_what_nobody_has_examined(reviewed: Reviewed) -> None:
    """fault_343: although its review ends first. Once half of it is over, it is urgent again."""
    await reviewed.delivered(0)
    reviewed.says.of = {1: Conclusion.WITHHELD}
    review = reviewed.review(replace(ALL, retry_seconds=0.0005))
    await reviewed.see(review)
    await reviewed.until_told(review, Happened.ASKED_AGAIN)
    await reviewed.deliver_parts(1, 1, 2)
    reviewed.says.asked.clear()
    await reviewed.see(review)
    async with reviewed.running(review):
        await until(lambda: Happened.PAID in reviewed.happened(3))
        assert [one for one in reviewed.says.asked if one != 1] == [2, 3]
        assert 1 not in reviewed.says.asked[:2]
