"""Notes about a foreign registry survive their process, all of it or nothing."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.adapters.starknet.foreign.test_job import CLAIM, FACTS, TAKEN

from veriframe.adapters.starknet.foreign import move_records
from veriframe.adapters.starknet.foreign.move_records import MoveRecords
from veriframe.errors import HostUnavailable, SettingsError
from veriframe.model.registry.job import Address
from veriframe.model.registry.ledger import AMOUNT_MAX_FRI

REGISTRY, ACCOUNT = 0xA11CE, 2**251


def opened(folder: Path) -> MoveRecords:
    """The notes in a new process."""
    return MoveRecords(folder, REGISTRY, ACCOUNT)


def test_a_note_survives_its_process(tmp_path: Path) -> None:
    """All fields, with amounts beyond common JSON integers; only its owner may read it."""
    notes = opened(tmp_path / "home")
    big = replace(TAKEN, facts=replace(FACTS, creator=Address(2**251), reward_fri=AMOUNT_MAX_FRI))
    notes.put(7, CLAIM, first_id=1)
    notes.put(8, big, first_id=1)
    again = opened(tmp_path / "home")
    assert dict(again.jobs) == {7: CLAIM, 8: big}
    assert again.first_id == 1
    assert stat.S_IMODE(again.path.stat().st_mode) == 0o600
    again.drop(7)
    again.drop(99)
    assert list(opened(tmp_path / "home").jobs) == [8]
    assert [path.name for path in again.path.parent.iterdir()] == [again.path.name]


def test_nothing_is_made_before_the_first_note(tmp_path: Path) -> None:
    """A command that only reads creates no file."""
    assert dict(opened(tmp_path).jobs) == {}
    assert list(tmp_path.iterdir()) == []


def test_each_registry_and_account_has_its_own(tmp_path: Path) -> None:
    """Another account's notes are in another file."""
    opened(tmp_path).put(7, CLAIM, first_id=1)
    assert dict(MoveRecords(tmp_path, REGISTRY, 5).jobs) == {}
    assert dict(MoveRecords(tmp_path, 5, ACCOUNT).jobs) == {}


def test_a_note_about_another_job_does_not_count(tmp_path: Path) -> None:
    """fault_11: after a reorganisation, or on a new chain, an id may belong to another job."""
    notes = opened(tmp_path)
    notes.put(7, CLAIM, first_id=1)
    assert notes.get(7, FACTS) == CLAIM
    assert notes.get(7, replace(FACTS, asset_cid="bafk")) is None
    assert notes.get(7, replace(FACTS, creator=Address(9))) is None
    assert notes.get(8, FACTS) is None


def test_a_note_that_is_dropped_leaves_the_first_id(tmp_path: Path) -> None:
    """The registry's ids keep their meaning, even if its job 0 is deleted. A large id is stored, too."""
    notes = opened(tmp_path)
    notes.put(2**64 - 1, CLAIM, first_id=0)
    notes.drop(2**64 - 1)
    assert (opened(tmp_path).first_id, dict(opened(tmp_path).jobs)) == (0, {})


def test_submissions_in_doubt(tmp_path: Path) -> None:
    """After a reorganisation they are unconfirmed, also for the next process; what ended stays so."""
    notes = opened(tmp_path)
    ended = replace(TAKEN, is_submitted=True, has_ended=True)
    notes.put(7, replace(TAKEN, is_submitted=True), first_id=1)
    notes.put(8, ended, first_id=1)
    notes.doubt()
    doubtful = {7: replace(TAKEN, is_submitted=False), 8: ended}
    assert dict(notes.jobs) == dict(opened(tmp_path).jobs) == doubtful


def broken_note(path: Path) -> None:
    """A field of a note misses."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE moves SET note = replace(note, 'reward_fri', 'reward')")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(b"\xff" + path.read_bytes()),
        broken_note,
    ],
    ids=["empty", "cut off", "no database", "a field misses"],
)
def test_damaged_notes_are_reported_and_stay(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    """fault_76: the error names the file; they are not replaced."""
    notes = opened(tmp_path)
    notes.put(7, CLAIM, first_id=1)
    damage(notes.path)
    harmed = notes.path.read_bytes()
    with pytest.raises(SettingsError, match="claims-a11ce-8"):
        opened(tmp_path)
    assert notes.path.read_bytes() == harmed


def test_a_failed_write_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_41: the old note stays, in the file and in memory, while another program holds the file."""
    monkeypatch.setattr(move_records, "KIND", replace(move_records.KIND, busy_seconds=0.0))
    notes = opened(tmp_path)
    notes.put(7, CLAIM, first_id=1)
    with closing(sqlite3.connect(notes.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(HostUnavailable):
            notes.put(7, TAKEN, first_id=1)
    assert dict(notes.jobs) == dict(opened(tmp_path).jobs) == {7: CLAIM}
    assert [path.name for path in tmp_path.iterdir()] == [notes.path.name]


def test_old_notes_on_submitted_jobs_are_dropped_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file stays small; a claim is never dropped."""
    monkeypatch.setattr(move_records, "NOTES_MOST", 20)
    notes = opened(tmp_path)
    notes.put(1, CLAIM, first_id=1)
    for job_id in range(2, 25):
        notes.put(job_id, TAKEN, first_id=1)
    assert list(notes.jobs) == list(opened(tmp_path).jobs) == [1, *range(6, 25)]
