"""Tests of the SQLite journal beyond the port: versions, damage, locks, full disks."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from veriframe.adapters import sqlite_journal
from veriframe.adapters.sqlite_journal import KIND, MIGRATIONS, SqliteJournal
from veriframe.errors import Code, HostUnavailable, SettingsError
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.failure import Failure
from veriframe.model.registry.job import Address
from veriframe.sqlite_file import open_file

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
SEEN = Attempt(job_id=1, asset_cid=CID, reward_fri=10**18, reached={Stage.SEEN: 1.0})
FETCHED = SEEN.to(Stage.FETCHED, at=2.0)
FAILURE = Failure(
    asset_cid=CID, creator=Address(3), code=Code.CRASH, detail="It crashed.", conditions="c", at=2.0
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a closed journal with one attempt."""
    path = tmp_path / "home" / "journal.sqlite"
    with closing(SqliteJournal(path)) as journal:
        journal.add(SEEN)
        journal.note_failure(FAILURE)
    return path


def change(path: Path, statement: str) -> None:
    """Changes a journal directly."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def ask(path: Path, question: str) -> object:
    """Reads one value from a journal directly."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchone()[0]


@contextmanager
def full_disk(limit_bytes: int) -> Iterator[None]:
    """Limits the size of files: a write beyond `limit_bytes` fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_journal_survives_reopening(path: Path) -> None:
    """fault_73: attempts and failures exist after the process has ended."""
    with closing(SqliteJournal(path)) as journal:
        assert journal.attempts() == [SEEN]
        assert journal.failures() == [FAILURE]


def test_a_move_is_on_the_disk_at_once(path: Path) -> None:
    """fault_73: commits are synced, with a write-ahead log; another reader sees them at once."""
    with closing(SqliteJournal(path)) as journal:
        journal.move(SEEN, FETCHED)
        assert ask(path, "SELECT stage FROM attempts") == "FETCHED"
        assert journal._execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert journal._execute("PRAGMA synchronous").fetchone()[0] == 2


def test_only_the_owner_reads_the_journal(path: Path) -> None:
    """fault_79: the file and its log are private, even if their mode was changed."""
    path.chmod(0o644)
    with closing(SqliteJournal(path)) as journal:
        journal.move(SEEN, FETCHED)
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"), 0o600)


def test_two_processes_cannot_both_move(path: Path) -> None:
    """fault_49: the second of two journals on one file finds that the stage has changed."""
    with closing(SqliteJournal(path)) as first, closing(SqliteJournal(path)) as second:
        first.move(SEEN, FETCHED)
        with pytest.raises(RuntimeError, match="another process"):
            second.move(SEEN, FETCHED)


def test_a_newer_journal_is_refused(path: Path) -> None:
    """fault_80: tables of a newer version are not changed."""
    change(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(SettingsError, match=f"has version {len(MIGRATIONS) + 1}.*newer VeriFrame"):
        SqliteJournal(path)


def test_an_older_journal_is_migrated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_80: a journal of the previous version gets the new tables and keeps its content."""
    step = ("CREATE TABLE visits (seconds REAL)", "INSERT INTO visits VALUES (1.5)")
    monkeypatch.setattr(sqlite_journal, "KIND", replace(KIND, migrations=(*MIGRATIONS, step)))
    for _ in range(2):
        with closing(SqliteJournal(path)) as journal:
            assert journal.attempts() == [SEEN]
    assert ask(path, "PRAGMA user_version") == len(MIGRATIONS) + 1
    assert ask(path, "SELECT count(*) FROM visits") == 1


def test_a_journal_of_the_first_version_is_migrated(tmp_path: Path) -> None:
    """fault_80: it keeps its attempts, without creators; failures start empty."""
    path = tmp_path / "journal.sqlite"
    first = replace(KIND, migrations=MIGRATIONS[:1])
    with closing(open_file(path, first)) as connection:
        connection.execute(
            "INSERT INTO attempts (job_id, asset_cid, reward_fri, stage, result_cid, detail, reached)"
            " VALUES (?, ?, ?, ?, '', '', ?)",
            ("1", CID, str(10**18), "SEEN", '{"SEEN": 1.0}'),
        )
        connection.execute("INSERT INTO poison VALUES (?, 'CRASH', 2)", (CID,))
    with closing(SqliteJournal(path)) as journal:
        assert journal.attempts() == [SEEN]
        assert journal.failures() == []


def test_a_journal_of_the_second_version_has_its_stages_renamed(tmp_path: Path) -> None:
    """PROVED becomes VALIDATED; the time at which it was reached and all other fields stay."""
    path = tmp_path / "journal.sqlite"
    second = replace(KIND, migrations=MIGRATIONS[:2])
    with closing(open_file(path, second)) as connection:
        connection.execute(
            "INSERT INTO attempts (job_id, asset_cid, reward_fri, stage, result_cid, detail, reached)"
            " VALUES (?, ?, ?, ?, '', 'PROVED', ?)",
            ("1", CID, str(10**18), "PROVED", '{"RENDERED": 1.0, "PROVED": 2.0}'),
        )
    with closing(SqliteJournal(path)) as journal:
        (attempt,) = journal.unfinished()
    assert attempt.stage is Stage.VALIDATED
    assert attempt.reached == {Stage.RENDERED: 1.0, Stage.VALIDATED: 2.0}
    assert attempt.detail == "PROVED"


def test_the_number_of_failures_is_limited(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_83: untrusted scenes cannot fill the disk; the oldest failures are deleted first."""
    monkeypatch.setattr(sqlite_journal, "MOST_FAILURES", 3)
    with closing(SqliteJournal(path)) as journal:
        for number in range(5):
            journal.note_failure(replace(FAILURE, at=float(number)))
        assert [one.at for one in journal.failures()] == [2.0, 3.0, 4.0]


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_80: a failed migration is rolled back; the older program can still read the journal."""
    step = ("CREATE TABLE visits (seconds REAL)", "INSERT INTO nowhere VALUES (1)")
    with monkeypatch.context() as patched:
        patched.setattr(sqlite_journal, "KIND", replace(KIND, migrations=(*MIGRATIONS, step)))
        with pytest.raises(HostUnavailable, match="no such table: nowhere"):
            SqliteJournal(path)
    assert ask(path, "SELECT count(*) FROM sqlite_master WHERE name = 'visits'") == 0
    with closing(SqliteJournal(path)) as journal:
        assert journal.attempts() == [SEEN]


def damage_page(path: Path) -> None:
    """Overwrites a page in the middle of the tables."""
    with path.open("r+b") as file:
        file.seek(4096 + 8)
        file.write(b"\xff" * 400)


def damage_start(path: Path) -> None:
    """Overwrites the header."""
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


def cut(path: Path) -> None:
    """Truncates the file to its first half."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def empty(path: Path) -> None:
    """Truncates the file to nothing."""
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [damage_page, damage_start, cut, empty])
def test_a_damaged_journal_is_refused(path: Path, damage: object) -> None:
    """fault_76: a damaged journal prevents the start with a remedy, and is unchanged."""
    assert callable(damage)
    damage(path)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match=r"is damaged \(.*\)\. Put a copy in its place"):
        SqliteJournal(path)
    assert path.read_bytes() == before


def test_an_invalid_row_is_damage(path: Path) -> None:
    """fault_76: a row that is valid for the database, but that no worker wrote, is not used."""
    for column, value in (("stage", "'DONE'"), ("reached", "'[]'"), ("reward_fri", "'x'"), ("job_id", "'y'")):
        change(path, f"UPDATE attempts SET {column} = {value}")
        with closing(SqliteJournal(path)) as journal, pytest.raises(HostUnavailable, match="cannot be read"):
            journal.attempts()


def test_a_lost_journal_is_not_replaced_beside_its_log(path: Path) -> None:
    """fault_76: a log without its journal shows that a journal was lost."""
    path.rename(path.with_name("journal.sqlite-wal"))
    with pytest.raises(SettingsError, match=r"is gone, but its log journal\.sqlite-wal exists"):
        SqliteJournal(path)
    assert not path.exists()


def test_another_database_is_refused(tmp_path: Path) -> None:
    """fault_78: another program's SQLite file is not turned into a journal."""
    change(tmp_path / "other.sqlite", "CREATE TABLE accounts (name)")
    with pytest.raises(SettingsError, match="is not a journal of VeriFrame"):
        SqliteJournal(tmp_path / "other.sqlite")
    assert ask(tmp_path / "other.sqlite", "SELECT count(*) FROM sqlite_master") == 1


def test_a_locked_journal_is_waited_for_only_shortly(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_76: while another program locks the journal, writes fail."""
    monkeypatch.setattr(sqlite_journal, "KIND", replace(KIND, busy_seconds=0.05))
    with closing(SqliteJournal(path)) as journal:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(HostUnavailable, match="database is locked"):
                journal.move(SEEN, FETCHED)
        assert journal.get(1) == SEEN
        journal.move(SEEN, FETCHED)


def test_a_full_disk_is_reported_and_nothing_is_half_written(path: Path) -> None:
    """fault_76: if the log cannot grow, the move fails and the journal is unchanged."""
    with closing(SqliteJournal(path)) as journal:
        with full_disk(4096), pytest.raises(HostUnavailable, match="Check that its disk has space"):
            journal.move(SEEN, FETCHED)
        assert journal.get(1) == SEEN
        journal.move(SEEN, FETCHED)
        assert journal.get(1) == FETCHED


def test_no_journal_is_created_on_a_full_disk(tmp_path: Path) -> None:
    """fault_76: a journal that cannot be created is not left half-written."""
    with full_disk(4096), pytest.raises(HostUnavailable):
        SqliteJournal(tmp_path / "journal.sqlite")
    assert list(tmp_path.iterdir()) == []
    SqliteJournal(tmp_path / "journal.sqlite").close()


def test_a_closed_journal_refuses_calls(path: Path) -> None:
    """fault_76: nothing is accepted that would not be stored."""
    journal = SqliteJournal(path)
    journal.close()
    with pytest.raises(HostUnavailable):
        journal.move(SEEN, FETCHED)


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    """fault_78: the error names a path that cannot be a journal."""
    (tmp_path / "file").touch()
    with pytest.raises(HostUnavailable, match=r"journal\.sqlite cannot be used now"):
        SqliteJournal(tmp_path / "file" / "journal.sqlite")
