"""The review of an order: which result is verified when, and what follows from the conclusions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.creator.review.reviewed import ALL, ONLY, Reviewed, state
from tests.unit.creator.stage import ARTIST, STRK, WORKER
from tests.waiting import turns, until

from veriframe.creator.review.values import Happened
from veriframe.errors import Code as ErrorCode
from veriframe.errors import RegistryUnavailable, RenderFailed, StoreUnavailable
from veriframe.model.registry.job import Job, JobState, Verdict
from veriframe.model.registry.offer import Offer
from veriframe.model.verification.findings import Conclusion


async def test_the_most_urgent_review_is_first_and_a_workers_one_at_a_time(reviewed: Reviewed) -> None:
    """By the ends of the reviews, whatever the jobs' numbers: together they would share the worker's line."""
    await reviewed.delivered(2, 0, 1)
    under_way = 0

    async def work(_job: Job) -> None:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        await turns()
        under_way -= 1

    reviewed.says.meanwhile = work
    await reviewed.done()
    assert reviewed.says.asked == [3, 1, 2]
    assert reviewed.says.rests > 0


async def test_a_result_waits_for_the_block_after_it(reviewed: Reviewed) -> None:
    """A later one whose block is there goes before it."""
    await reviewed.delivered(0)
    await reviewed.deliver((await reviewed.status(1)).chunks[1])
    review = reviewed.review(ONLY)
    await reviewed.see(review)
    async with reviewed.running(review):
        await until(lambda: Happened.PAYABLE in reviewed.happened(1))
        assert reviewed.says.asked == [1]
        assert not review.is_done
        reviewed.shared.block += 1
        await until(lambda: Happened.PAYABLE in reviewed.happened(2))
    assert reviewed.says.asked == [1, 2]


@pytest.mark.parametrize("conclusion", [Conclusion.EXACT, Conclusion.EQUAL])
async def test_what_is_right_is_paid_at_once(reviewed: Reviewed, conclusion: Conclusion) -> None:
    """Only with --accept; without it a person is told that it may be paid."""
    await reviewed.delivered(0)
    reviewed.says.of = {1: conclusion}
    await reviewed.done(replace(ALL, accept=False))
    assert (state(reviewed, 1), reviewed.happened()[-1]) == (JobState.SUBMITTED, Happened.PAYABLE)
    before = reviewed.means_fri(WORKER)
    await reviewed.done()
    assert (state(reviewed, 1), reviewed.happened()) == (JobState.PAID, [Happened.PAID])
    assert reviewed.means_fri(WORKER) - before == STRK + STRK // 10
    assert reviewed.says.asked == [1]


async def test_what_is_wrong_is_disputed_with_the_report(reviewed: Reviewed) -> None:
    """The report is published, pinned, and named as evidence."""
    await reviewed.delivered(0)
    reviewed.says.of = {1: Conclusion.WRONG}
    await reviewed.done()
    (move,) = reviewed.moves("dispute_result")
    cid = move.split(" ")[1]
    assert reviewed.store.files[cid] == b'{"job": 1}\n'
    assert [pin.name.rpartition("-")[2] for pin in reviewed.store.pinned if pin.cid == cid] == ["1"]
    assert (state(reviewed, 1), reviewed.happened()) == (
        JobState.DISPUTED,
        [Happened.BEGUN, Happened.CONCLUDED, Happened.DISPUTED],
    )
    await reviewed.resolve(1, Verdict.CREATOR)
    await reviewed.creator.cancel(2)
    await reviewed.creator.cancel(3)
    await reviewed.orders.release(await reviewed.status(1))
    assert all(pin.cid != cid for pin in reviewed.store.pinned)


async def test_without_leave_nothing_is_disputed(reviewed: Reviewed) -> None:
    """The report lies in the home, for the command that is told."""
    await reviewed.delivered(0)
    reviewed.says.of = {1: Conclusion.WRONG}
    await reviewed.done(ONLY)
    told = reviewed.told[-1]
    assert told.what is Happened.DISPUTABLE
    assert told.report is not None
    assert told.report.read_bytes() == b'{"job": 1}\n'
    assert told.chunk.job.review_end > told.chunk.now
    assert state(reviewed, 1) is JobState.SUBMITTED


async def test_without_an_arbiter_nothing_can_be_disputed(reviewed: Reviewed) -> None:
    """That is told, and no bond is asked for."""
    await reviewed.delivered(0, offer=Offer(reward_fri=STRK))
    reviewed.says.of = {1: Conclusion.WRONG}
    review = await reviewed.done()
    assert reviewed.happened()[-1] is Happened.NO_ARBITER
    assert (state(reviewed, 1), reviewed.moves("dispute_result")) == (JobState.SUBMITTED, [])
    assert await review.bonds_missing() == ""


async def test_what_is_undecided_is_left_to_a_person(reviewed: Reviewed) -> None:
    """fault_310: neither paid nor disputed, with the reason; the conclusion stays."""
    await reviewed.delivered(0)
    reviewed.says.of = {1: Conclusion.UNDECIDED}
    await reviewed.done()
    assert (reviewed.told[-1].what, reviewed.told[-1].reason) == (
        Happened.UNDECIDED,
        "Frame 1: it is undecided.",
    )
    assert state(reviewed, 1) is JobState.SUBMITTED
    (chunk, *_) = (await reviewed.status(1)).chunks
    assert chunk.verified is not None
    assert chunk.verified.conclusion is Conclusion.UNDECIDED


async def test_an_outage_is_told_once_and_tried_again(reviewed: Reviewed) -> None:
    """fault_311: of the verification, and of a move; other results go on meanwhile."""
    await reviewed.delivered(0, 1)
    reviewed.says.of = {1: StoreUnavailable("The content store does not answer.")}
    review = reviewed.review()
    await reviewed.see(review)
    async with reviewed.running(review):
        await until(lambda: Happened.PAID in reviewed.happened(2))
        await until(lambda: len(reviewed.says.asked) > 4)
        assert reviewed.happened(1) == [Happened.BEGUN, Happened.PUT_OFF]
        reviewed.says.of = {}
        reviewed.shared.faults = [RegistryUnavailable("The registry does not answer.")]
        await until(lambda: Happened.PAID in reviewed.happened(1))
    assert state(reviewed, 1) is JobState.PAID


async def test_a_hostile_result_keeps_no_other_from_being_verified(reviewed: Reviewed) -> None:
    """fault_312: an error of the verification is UNDECIDED in this run, and is not noted."""
    await reviewed.delivered(0, 1, 2)
    reviewed.says.of = {1: ZeroDivisionError(), 2: RenderFailed(ErrorCode.CRASH, "Blender crashed.")}
    await reviewed.done()
    assert reviewed.happened(1)[-1] is reviewed.happened(2)[-1] is Happened.UNDECIDED
    assert reviewed.told[-1].chunk.job.id == 3
    assert set(reviewed.notes.read_conclusions()) == {(3, reviewed.shared.jobs[3].result_cid)}


async def test_a_restart_verifies_nothing_again(reviewed: Reviewed) -> None:
    """What was noted is acted on, unless it is verified in another way now."""
    await reviewed.delivered(0, 1)
    reviewed.says.of = {2: Conclusion.WRONG}
    await reviewed.done(ONLY)
    await reviewed.done()
    assert reviewed.says.asked == [1, 2]
    assert (state(reviewed, 1), state(reviewed, 2)) == (JobState.PAID, JobState.DISPUTED)
    await reviewed.deliver_parts(1, 2)
    await reviewed.done(ONLY)
    await reviewed.done(replace(ONLY, how="tiles=64"))
    assert reviewed.says.asked == [1, 2, 3, 3]


async def test_a_missing_bond_is_told_at_the_start_and_waited_for(reviewed: Reviewed) -> None:
    """fault_315: with the remedy; once the money is there, the result is disputed."""
    await reviewed.delivered(0)
    reviewed.says.of = {1: Conclusion.WRONG}
    review = reviewed.review()
    await reviewed.see(review)
    assert await review.bonds_missing() == ""
    reviewed.shared.wallets[ARTIST] = STRK // 4
    missing = await review.bonds_missing()
    assert "lacks 0.05 STRK for 3 dispute bonds of 0.3 STRK" in missing
    assert "Send it more." in missing
    reviewed.shared.wallets[ARTIST] = 0
    async with reviewed.running(review):
        await until(lambda: Happened.REFUSED in reviewed.happened())
        assert review.is_done
        assert "lacks 0.1 STRK for the dispute bond" in reviewed.told[-1].reason
        reviewed.shared.wallets[ARTIST] = STRK
        await until(lambda: Happened.DISPUTED in reviewed.happened())
    assert reviewed.happened().count(Happened.REFUSED) == 1
    assert reviewed.says.asked == [1]


async def test_a_move_that_is_refused_ends_it(reviewed: Reviewed) -> None:
    """A person has disputed it meanwhile."""
    await reviewed.delivered(0)
    review = reviewed.review()
    await reviewed.see(review)
    await reviewed.creator.dispute(1)
    async with reviewed.running(review):
        await until(lambda: Happened.REFUSED in reviewed.happened())
    assert "DISPUTED" in reviewed.told[-1].reason
