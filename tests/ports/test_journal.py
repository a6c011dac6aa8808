"""Tests of every journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.journal import FakeJournal

from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.errors import Code, HostUnavailable, JobRejected
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.failure import Failure
from veriframe.model.attempt.stakes import CreatorTotals
from veriframe.model.registry.job import NOBODY, Address
from veriframe.model.rendering.frames import Frame, ImageFormat, RenderTask, SpooledFrame, ValidatedFrame
from veriframe.ports.journal import Journal

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
ENDS = [stage for stage in Stage if stage.is_end]


@pytest.fixture(params=["fake", "sqlite"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    """An empty journal of each kind."""
    opened = FakeJournal() if request.param == "fake" else SqliteJournal(tmp_path / "journal.sqlite")
    yield opened
    await opened.close()


def seen(job_id: int) -> Attempt:
    """A job's attempt at its first stage, not stored."""
    return Attempt(job_id=job_id, asset_cid=CID, reward_fri=10**18, reached={Stage.SEEN: 1_700_000_000.25})


def ended(job_id: int, stage: Stage, at: float, creator: int = 7, **amounts: int) -> Attempt:
    """An attempt that has ended, not stored."""
    attempt = Attempt(job_id=job_id, asset_cid=CID, reward_fri=1000, creator=Address(creator), **amounts)  # type: ignore[arg-type]
    return replace(attempt, stage=stage, reached={Stage.SEEN: 0.0, stage: at})


async def test_an_attempt_comes_back_as_it_was(journal: Journal) -> None:
    """All fields are stored, including numbers larger than 64 bits and text in any script."""
    attempt = Attempt(
        job_id=2**64 - 1,
        asset_cid=CID,
        reward_fri=2**256 - 1,
        stage=Stage.FAILED,
        result_cid="bafkresult",
        code=Code.CRASH,
        detail="Blender “crashed”\n\0; DROP TABLE attempts; 雪",
        reached={Stage.SEEN: 0.1 + 0.2, Stage.CLAIMED: 1_700_000_000.123456},
        creator=Address(2**251),
        order_id=2**64 - 1,
        part=3,
        bond_fri=2**104 - 1,
        task=RenderTask(frames=(1, 5, 3), format=ImageFormat.EXR, size=(65_536, 1)),
        result_bytes=2**40,
        fees_fri=2**70,
        lost_fri=2**71,
    )
    stored = await journal.start(attempt)
    assert stored == replace(attempt, number=stored.number)
    assert stored.number > 0
    assert await journal.live() == await journal.history() == [stored]
    assert (stored.width, stored.height) == (65_536, 1)


async def test_a_job_has_one_live_attempt(journal: Journal) -> None:
    """fault_12: a second start of the same job is a bug, and leaves the first attempt unchanged."""
    first = await journal.start(seen(1))
    for again in (seen(1), first):
        with pytest.raises(RuntimeError, match="job 1"):
            await journal.start(again)
    assert await journal.history() == [first]


@pytest.mark.parametrize("end", ENDS)
async def test_a_job_may_be_tried_again(journal: Journal, end: Stage) -> None:
    """Each try is an attempt of its own, and both are kept."""
    first = await journal.start(ended(1, end, at=2.0))
    second = await journal.start(seen(1))
    assert second.number > first.number
    assert await journal.history() == [first, second]
    assert await journal.live() == [second]


async def test_a_move_replaces_the_attempt(journal: Journal) -> None:
    """A move stores all fields of the new attempt, and changes no other attempt."""
    one, two = await journal.start(seen(1)), await journal.start(seen(2))
    refused = one.ended_by(JobRejected(Code.NO_CAMERA, "The scene has no camera."), at=3.0)
    await journal.record(one, refused)
    assert await journal.history() == [refused, two]
    assert await journal.live() == [two]


async def test_an_attempt_may_change_at_one_stage(journal: Journal) -> None:
    """The task, the fees and the reached times change without a new stage."""
    stored = await journal.start(seen(1))
    await journal.record(stored, after := replace(stored, task=RenderTask(size=(4, 3)), fees_fri=5))
    assert await journal.live() == [after]


async def test_a_move_from_another_stage_is_a_bug(journal: Journal) -> None:
    """fault_73: compare-and-set. A move from a stage other than the journal's changes nothing."""
    stored = await journal.start(seen(1))
    fetched = stored.to(Stage.FETCHED, at=2.0)
    await journal.record(stored, fetched)
    with pytest.raises(RuntimeError, match="job 1"):
        await journal.record(stored, stored.to(Stage.LOST, at=3.0))
    assert await journal.history() == [fetched]


async def test_a_move_of_an_unknown_attempt_is_a_bug(journal: Journal) -> None:
    """A move never creates an attempt."""
    with pytest.raises(RuntimeError, match="job 1"):
        await journal.record(seen(1), seen(1).to(Stage.FETCHED, at=2.0))
    assert await journal.history() == []


async def test_a_move_to_another_job_is_a_bug(journal: Journal) -> None:
    """One job's attempt never becomes another's."""
    stored = await journal.start(seen(1))
    for other in (replace(stored, job_id=2), replace(stored, number=stored.number + 1)):
        with pytest.raises(ValueError, match="job 1"):
            await journal.record(stored, other)
    assert await journal.history() == [stored]


@pytest.mark.parametrize("end", ENDS)
async def test_an_attempt_is_revived(journal: Journal, end: Stage) -> None:
    """The registry wins: an attempt that has ended may go on."""
    over = await journal.start(ended(1, end, at=2.0))
    await journal.record(over, claimed := replace(over, stage=Stage.CLAIMED))
    assert await journal.live() == [claimed]


async def test_no_attempt_is_revived_beside_a_live_one(journal: Journal) -> None:
    """A job has one live attempt, in whichever way it came to be."""
    over = await journal.start(ended(1, Stage.LOST, at=2.0))
    live = await journal.start(seen(1))
    with pytest.raises(RuntimeError, match="job 1"):
        await journal.record(over, replace(over, stage=Stage.CLAIMED))
    assert await journal.history() == [over, live]


async def test_attempts_are_listed_oldest_first(journal: Journal) -> None:
    """Attempts are ordered by when they were started, not by id, and moves do not change the order."""
    stored = [await journal.start(seen(job_id)) for job_id in (10, 9, 100)]
    await journal.record(stored[0], stored[0].to(Stage.FETCHED, at=2.0))
    assert [attempt.job_id for attempt in await journal.history()] == [10, 9, 100]
    assert [attempt.job_id for attempt in await journal.live()] == [10, 9, 100]


async def test_only_what_has_no_end_is_live(journal: Journal) -> None:
    """fault_73: a restart continues the attempts at stages that are not an end."""
    for job_id, stage in enumerate(Stage):
        await journal.start(Attempt(job_id=job_id, asset_cid=CID, reward_fri=1, stage=stage))
    left = [attempt.stage for attempt in await journal.live()]
    assert left == [stage for stage in Stage if not stage.is_end]


async def test_old_attempts_become_totals_of_their_creators(journal: Journal) -> None:
    """What they paid and cost stays; live ones, later ones and totals of other creators are unchanged."""
    live = await journal.start(replace(seen(1), creator=Address(7), fees_fri=1))
    for attempt in (
        ended(2, Stage.PAID, at=1.0, fees_fri=30),
        ended(3, Stage.RELEASED, at=2.0, fees_fri=4, lost_fri=2**70),
        ended(4, Stage.PAID, at=3.0, creator=2**251),
        ended(5, Stage.REFUSED, at=4.0, creator=9),
        ended(6, Stage.PAID, at=4.5, creator=NOBODY),
    ):
        await journal.start(attempt)
    late = await journal.start(ended(2, Stage.LOST, at=5.0, fees_fri=8))
    assert await journal.creator_totals() == {}
    assert await journal.compact(5.0) == 5
    assert await journal.history() == [live, late]
    totals = {Address(7): CreatorTotals(970, 2**70 + 4), Address(2**251): CreatorTotals(1000, 0)}
    assert await journal.creator_totals() == totals
    assert await journal.compact(5.0) == 0
    assert await journal.compact(6.0) == 1
    assert await journal.creator_totals() == {**totals, Address(7): CreatorTotals(970, 2**70 + 12)}


async def test_numbers_of_compacted_attempts_are_not_used_again(journal: Journal) -> None:
    """A number names one attempt for ever: files of its frames may still be there."""
    first = await journal.start(ended(1, Stage.LOST, at=1.0))
    await journal.compact(2.0)
    assert (await journal.start(seen(1))).number > first.number


def spooled(number: int, is_validated: bool = True) -> SpooledFrame:
    """A frame, rendered or also validated."""
    name = f"frame_{number}.png"
    frame = Frame(number=number, file=name, width=4, height=3, seconds=0.1 + 0.2, peak_memory_bytes=2**40)
    if not is_validated:
        return SpooledFrame(number, frame)
    return SpooledFrame(
        number,
        frame,
        ValidatedFrame(
            number=number,
            file=name,
            width=4,
            height=3,
            channels=4,
            bit_depth=8,
            pixel_digest="ab",
            channel_names="R,G,B,A",
            is_black=False,
            size_bytes=99,
        ),
    )


async def test_frames_are_kept_by_attempt_and_number(journal: Journal) -> None:
    """In order of their numbers; a second note of a number replaces the first."""
    one, two = await journal.start(seen(1)), await journal.start(seen(2))
    for attempt, frame in ((one, spooled(20)), (one, spooled(3, is_validated=False)), (two, spooled(3))):
        await journal.note_frame(attempt, frame)
    assert await journal.frames(one) == [spooled(3, is_validated=False), spooled(20)]
    await journal.note_frame(one, spooled(3))
    assert await journal.frames(one) == [spooled(3), spooled(20)]
    await journal.forget_frames(one)
    assert await journal.frames(one) == []
    assert await journal.frames(two) == [spooled(3)]


async def test_frames_go_with_their_attempt(journal: Journal) -> None:
    """Compaction deletes the frames of the attempts that it deletes, and no others."""
    old, live = await journal.start(ended(1, Stage.PAID, at=1.0)), await journal.start(seen(2))
    for attempt in (old, live):
        await journal.note_frame(attempt, spooled(1))
    await journal.compact(2.0)
    assert await journal.frames(old) == []
    assert await journal.frames(live) == [spooled(1)]


async def test_a_journal_belongs_to_the_first_registry(journal: Journal) -> None:
    """The first identity stays."""
    assert await journal.belongs_to("one") == "one"
    assert await journal.belongs_to("two") == "one"


def failure(asset_cid: str = CID, at: float = 1.5, creator: int = 2**251) -> Failure:
    """A scene that crashed."""
    return Failure(
        asset_cid=asset_cid,
        creator=Address(creator),
        code=Code.CRASH,
        detail="Blender crashed “here”.",
        conditions="some limits",
        at=at,
    )


async def test_failures_come_back_as_they_were(journal: Journal) -> None:
    """fault_38: each one, for any creator, oldest first."""
    kept = [failure(at=1.5), failure("bafkreiother", at=2.5), failure(at=0.1 + 0.2, creator=3)]
    assert await journal.failures() == []
    for one in kept:
        await journal.note_failure(one)
    assert await journal.failures() == kept


async def test_failures_of_one_scene_or_of_all_are_forgotten(journal: Journal) -> None:
    """fault_85: others stay, and the number of deleted ones is returned."""
    for one in (failure(), failure("bafkreiother"), failure()):
        await journal.note_failure(one)
    assert await journal.forget_failures(CID) == 2
    assert await journal.failures() == [failure("bafkreiother")]
    assert await journal.forget_failures(CID) == 0
    assert await journal.forget_failures() == 1
    assert await journal.failures() == []


async def test_a_closed_journal_refuses_calls(journal: Journal) -> None:
    """fault_76: nothing is accepted that would not be stored. A second close is harmless."""
    stored = await journal.start(seen(1))
    await journal.close()
    await journal.close()
    with pytest.raises(HostUnavailable):
        await journal.record(stored, stored.to(Stage.FETCHED, at=2.0))
    with pytest.raises(HostUnavailable):
        await journal.live()
