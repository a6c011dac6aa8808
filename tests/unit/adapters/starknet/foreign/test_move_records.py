"""Notes about a foreign registry survive their process, all of it or nothing."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.adapters.starknet.foreign.test_job import CLAIM, FACTS, TAKEN

from veriframe.adapters.starknet.foreign import move_records
from veriframe.adapters.starknet.foreign.move_records import NOTES_MOST, MoveRecords
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
    """A file copied to another's place is refused."""
    opened(tmp_path).put(7, CLAIM, first_id=1)
    other = MoveRecords(tmp_path, REGISTRY, 5)
    assert dict(other.jobs) == {}
    other.path.write_bytes(opened(tmp_path).path.read_bytes())
    with pytest.raises(SettingsError, match="another registry or account"):
        MoveRecords(tmp_path, REGISTRY, 5)


def test_a_note_about_another_job_does_not_count(tmp_path: Path) -> None:
    """fault_11: after a reorganisation, or on a new chain, an id may belong to another job."""
    notes = opened(tmp_path)
    notes.put(7, CLAIM, first_id=1)
    assert notes.get(7, FACTS) == CLAIM
    assert notes.get(7, replace(FACTS, asset_cid="bafk")) is None
    assert notes.get(7, replace(FACTS, creator=Address(9))) is None
    assert notes.get(8, FACTS) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text[: len(text) // 2],
        lambda text: b"\xff" + text,
        lambda text: b"[]",
        lambda text: text.replace(b'"version": 1', b'"version": 2').replace(b'"version":1', b'"version":2'),
        lambda text: text.replace(b"reward_fri", b"reward"),
        lambda text: b" " * (move_records.FILE_MAX_BYTES + 1),
    ],
    ids=["empty", "cut off", "no text", "another JSON", "a newer version", "a field misses", "huge"],
)
def test_damaged_notes_are_reported_and_stay(tmp_path: Path, damage: object) -> None:
    """fault_76: one line with the file and the remedy; they are not replaced."""
    notes = opened(tmp_path)
    notes.put(7, CLAIM, first_id=1)
    assert callable(damage)
    harmed = damage(notes.path.read_bytes())
    notes.path.write_bytes(harmed)
    with pytest.raises(SettingsError, match=r"claims-a11ce-8.*damaged"):
        opened(tmp_path)
    assert notes.path.read_bytes() == harmed


def test_a_failed_write_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_41: on a full disk the old note stays, in the file and in memory."""
    notes = opened(tmp_path)
    notes.put(7, CLAIM, first_id=1)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(HostUnavailable, match="No space left"):
            notes.put(7, TAKEN, first_id=1)
    assert dict(notes.jobs) == dict(opened(tmp_path).jobs) == {7: CLAIM}
    assert [path.name for path in tmp_path.iterdir()] == [notes.path.name]


def test_a_note_is_on_the_disk_before_it_replaces_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_73: written, synced, renamed, and the folder synced."""
    happened: list[str] = []
    replaces, syncs = Path.replace, os.fsync

    def note_sync(descriptor: int) -> None:
        happened.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        syncs(descriptor)

    def note_replace(path: Path, target: Path) -> Path:
        happened.append("replace")
        return replaces(path, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    opened(tmp_path).put(7, CLAIM, first_id=1)
    assert happened == ["file", "replace", "folder"]


def test_old_notes_on_submitted_jobs_are_dropped_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file stays small; a claim is never dropped."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    notes = opened(tmp_path)
    notes.put(1, CLAIM, first_id=1)
    for job_id in range(2, NOTES_MOST + 5):
        notes.put(job_id, TAKEN, first_id=1)
    assert len(notes.jobs) == NOTES_MOST
    assert list(notes.jobs)[:2] == [1, 6]
    assert json.loads(notes.path.read_text())["first_id"] == 1
