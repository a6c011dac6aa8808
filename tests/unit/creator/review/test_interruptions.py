"""A review that is killed, or hears no reply, neither verifies nor disputes twice."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.registry import FakeRegistry
from tests.unit.creator.review.reviewed import ONLY, Reviewed, state
from tests.unit.creator.stage import ARTIST
from tests.waiting import until

from veriframe.creator.review.values import Happened
from veriframe.errors import MoveRefused, RegistryUnavailable, VeriFrameError
from veriframe.model.registry.job import JobState
from veriframe.model.verification.findings import Conclusion


async def test_a_lost_report_is_made_again(reviewed: Reviewed) -> None:
    """A dispute needs it."""
    await reviewed.delivered(0)
    reviewed.says.of = {1: Conclusion.WRONG}
    await reviewed.done(ONLY)
    for file in reviewed.reports.folder.iterdir():
        file.unlink()
    await reviewed.done()
    assert (reviewed.says.asked, state(reviewed, 1)) == ([1, 1], JobState.DISPUTED)


async def test_what_was_undecided_is_verified_again_by_the_next_run(reviewed: Reviewed) -> None:
    """fault_355: that run may have more memory, or the right Blender. In one run it stays undecided."""
    await reviewed.delivered(0)
    reviewed.says.of = {1: Conclusion.UNDECIDED}
    review = await reviewed.done(ONLY)
    async with reviewed.running(review):
        await reviewed.see(review)
        await review.finish()
    assert (reviewed.says.asked, state(reviewed, 1)) == ([1], JobState.SUBMITTED)
    reviewed.says.of = {1: Conclusion.WRONG}
    await reviewed.done()
    assert (reviewed.says.asked, state(reviewed, 1)) == ([1, 1], JobState.DISPUTED)


class Killed(FakeRegistry):
    """Ends the process in the middle of a dispute: before the move is sent, or after."""

    is_sent = False

    async def dispute_result(self, job_id: int, evidence_cid: str) -> None:
        """Wait for the end."""
        if self.is_sent:
            await super().dispute_result(job_id, evidence_cid)
        self.shared.moves.append("killed")
        await asyncio.Event().wait()


@pytest.mark.parametrize("is_sent", [False, True])
async def test_a_kill_between_publishing_and_disputing(reviewed: Reviewed, is_sent: bool) -> None:
    """fault_313: the next run disputes with the same report, once, and verifies nothing again."""
    await reviewed.delivered(0)
    reviewed.says.of = {1: Conclusion.WRONG}
    registry = Killed(ARTIST, reviewed.shared)
    registry.is_sent = is_sent
    review = reviewed.review(registry=registry)
    await reviewed.see(review)
    async with reviewed.running(review):
        await until(lambda: "killed" in reviewed.shared.moves)
    published = [pin for pin in reviewed.store.pinned if "evidence" in pin.name]
    await reviewed.done()
    assert (reviewed.says.asked, state(reviewed, 1)) == ([1], JobState.DISPUTED)
    assert len(reviewed.moves("dispute_result")) == 1
    assert [pin for pin in reviewed.store.pinned if "evidence" in pin.name] == published != []


class LostReply(FakeRegistry):
    """Makes the dispute, and loses the reply; or another run's dispute arrives just before."""

    error: VeriFrameError = RegistryUnavailable("The registry does not answer.")

    async def dispute_result(self, job_id: int, evidence_cid: str) -> None:
        """Make it, and answer otherwise."""
        await super().dispute_result(job_id, evidence_cid)
        raise self.error


@pytest.mark.parametrize("is_refused", [False, True])
async def test_a_dispute_whose_reply_was_lost_keeps_its_evidence(
    reviewed: Reviewed, is_refused: bool
) -> None:
    """fault_314: it is found made, and the evidence stays pinned."""
    await reviewed.delivered(0)
    reviewed.says.of = {1: Conclusion.WRONG}
    registry = LostReply(ARTIST, reviewed.shared)
    if is_refused:
        registry.error = MoveRefused("NOT_SUBMITTED", "Job 1 is DISPUTED.")
    review = await reviewed.done(registry=registry)
    expected = [] if is_refused else [Happened.PUT_OFF]
    assert reviewed.happened()[2:] == [*expected, Happened.DISPUTED]
    assert len([pin for pin in reviewed.store.pinned if "evidence" in pin.name]) == 1
    assert review.is_done
