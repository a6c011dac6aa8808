"""Tests of every journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.journal import FakeJournal

from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.errors import Code, JobRejected
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.failure import Failure
from veriframe.model.registry.job import Address
from veriframe.ports.journal import Journal

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"


@pytest.fixture(params=["fake", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    """An empty journal of each kind."""
    if request.param == "fake":
        yield FakeJournal()
        return
    sqlite = SqliteJournal(tmp_path / "journal.sqlite")
    yield sqlite
    sqlite.close()


def seen(job_id: int) -> Attempt:
    """A job's attempt at its first stage."""
    return Attempt(job_id=job_id, asset_cid=CID, reward_fri=10**18, reached={Stage.SEEN: 1_700_000_000.25})


def test_an_attempt_comes_back_as_it_was(journal: Journal) -> None:
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
        bond_fri=2**104 - 1,
        width=65_536,
        height=1,
        result_bytes=2**40,
        fees_fri=2**70,
        lost_fri=2**71,
    )
    assert journal.add(attempt)
    assert journal.get(2**64 - 1) == attempt


def test_a_job_has_one_attempt(journal: Journal) -> None:
    """fault_12: a job that is seen twice is added once, and its attempt is unchanged."""
    fetched = seen(1).to(Stage.FETCHED, at=2.0)
    assert journal.add(seen(1))
    journal.move(seen(1), fetched)
    assert not journal.add(seen(1))
    assert journal.attempts() == [fetched]


def test_an_unknown_job_has_no_attempt(journal: Journal) -> None:
    """None for a job that was never seen."""
    assert journal.get(1) is None


def test_a_move_replaces_the_attempt(journal: Journal) -> None:
    """A move stores all fields of the new attempt, and changes no other attempt."""
    journal.add(seen(1))
    journal.add(seen(2))
    refused = seen(1).ended_by(JobRejected(Code.NO_CAMERA, "The scene has no camera."), at=3.0)
    journal.move(seen(1), refused)
    assert journal.get(1) == refused
    assert journal.get(2) == seen(2)


def test_a_move_from_another_stage_is_a_bug(journal: Journal) -> None:
    """fault_73: compare-and-set. A move from a stage other than the journal's changes nothing."""
    journal.add(seen(1))
    fetched = seen(1).to(Stage.FETCHED, at=2.0)
    journal.move(seen(1), fetched)
    with pytest.raises(RuntimeError, match="job 1"):
        journal.move(seen(1), seen(1).to(Stage.LOST, at=3.0))
    assert journal.get(1) == fetched


def test_a_move_of_an_unknown_job_is_a_bug(journal: Journal) -> None:
    """A move never creates an attempt."""
    with pytest.raises(RuntimeError, match="job 1"):
        journal.move(seen(1), seen(1).to(Stage.FETCHED, at=2.0))
    assert journal.attempts() == []


def test_a_move_to_another_job_is_a_bug(journal: Journal) -> None:
    """One job's attempt never becomes another's."""
    journal.add(seen(1))
    with pytest.raises(ValueError, match="job 1 to job 2"):
        journal.move(seen(1), seen(2))
    assert journal.attempts() == [seen(1)]


def test_attempts_are_listed_oldest_first(journal: Journal) -> None:
    """Attempts are ordered by when they were added, not by id, and moves do not change the order."""
    for job_id in (10, 9, 100):
        journal.add(seen(job_id))
    journal.move(seen(10), seen(10).to(Stage.FETCHED, at=2.0))
    assert [attempt.job_id for attempt in journal.attempts()] == [10, 9, 100]


def test_only_what_has_no_end_is_unfinished(journal: Journal) -> None:
    """fault_73: a restart continues the attempts at stages that are not an end."""
    for job_id, stage in enumerate(Stage):
        journal.add(Attempt(job_id=job_id, asset_cid=CID, reward_fri=1, stage=stage))
    left = [attempt.stage for attempt in journal.unfinished()]
    assert left == [stage for stage in Stage if not stage.is_end]


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


def test_failures_come_back_as_they_were(journal: Journal) -> None:
    """fault_38: each one, for any creator, oldest first."""
    kept = [failure(at=1.5), failure("bafkreiother", at=2.5), failure(at=0.1 + 0.2, creator=3)]
    assert journal.failures() == []
    for one in kept:
        journal.note_failure(one)
    assert journal.failures() == kept


def test_failures_of_one_scene_or_of_all_are_forgotten(journal: Journal) -> None:
    """fault_85: others stay, and the number of deleted ones is returned."""
    for one in (failure(), failure("bafkreiother"), failure()):
        journal.note_failure(one)
    assert journal.forget_failures(CID) == 2
    assert journal.failures() == [failure("bafkreiother")]
    assert journal.forget_failures(CID) == 0
    assert journal.forget_failures() == 1
    assert journal.failures() == []
