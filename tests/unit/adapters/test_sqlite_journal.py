"""What the SQLite journal does beyond the port: versions, damage, locks, full disks."""

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
    """Where a journal with one attempt lies that nobody has open."""
    path = tmp_path / "home" / "journal.sqlite"
    with closing(SqliteJournal(path)) as journal:
        journal.add(SEEN)
        journal.note_failure(FAILURE)
    return path


def change(path: Path, statement: str) -> None:
    """Change a journal behind its back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def ask(path: Path, question: str) -> object:
    """One value out of a journal, by other means."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchone()[0]


@contextmanager
def full_disk(limit_bytes: int) -> Iterator[None]:
    """No file can grow beyond `limit_bytes`: a write fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_journal_opened_again_knows_all(path: Path) -> None:
    """fault_73: attempts and failures are there after the process has ended."""
    with closing(SqliteJournal(path)) as journal:
        assert journal.attempts() == [SEEN]
        assert journal.failures() == [FAILURE]


def test_a_move_is_on_the_disk_at_once(path: Path) -> None:
    """fault_73: commits go through to the disk, by a write-ahead log; another reader sees them at once."""
    with closing(SqliteJournal(path)) as journal:
        journal.move(SEEN, FETCHED)
        assert ask(path, "SELECT stage FROM attempts") == "FETCHED"
        assert journal._execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert journal._execute("PRAGMA synchronous").fetchone()[0] == 2


def test_only_the_owner_reads_the_journal(path: Path) -> None:
    """fault_79: the file and its log are the user's alone, also where somebody had opened it wider."""
    path.chmod(0o644)
    with closing(SqliteJournal(path)) as journal:
        journal.move(SEEN, FETCHED)
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"), 0o600)


def test_two_processes_cannot_both_move(path: Path) -> None:
    """fault_49: the second of two journals on one file finds that the stage is no longer there."""
    with closing(SqliteJournal(path)) as first, closing(SqliteJournal(path)) as second:
        first.move(SEEN, FETCHED)
        with pytest.raises(RuntimeError, match="another process"):
            second.move(SEEN, FETCHED)


def test_a_newer_journal_is_refused(path: Path) -> None:
    """fault_80: tables of a version to come are not touched."""
    change(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(SettingsError, match=f"has version {len(MIGRATIONS) + 1}.*newer VeriFrame"):
        SqliteJournal(path)


def test_an_older_journal_is_brought_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_80: a journal of the version before gets the new tables and keeps what it knows."""
    step = ("CREATE TABLE visits (seconds REAL)", "INSERT INTO visits VALUES (1.5)")
    monkeypatch.setattr(sqlite_journal, "KIND", replace(KIND, migrations=(*MIGRATIONS, step)))
    for _ in range(2):
        with closing(SqliteJournal(path)) as journal:
            assert journal.attempts() == [SEEN]
    assert ask(path, "PRAGMA user_version") == len(MIGRATIONS) + 1
    assert ask(path, "SELECT count(*) FROM visits") == 1


def test_a_journal_of_the_first_version_is_brought_up(tmp_path: Path) -> None:
    """fault_80: its attempts are there, whoever posted their jobs; counts of failures start anew."""
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
    """PROVED is VALIDATED now; when it was reached is kept, and so is what else was."""
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


def test_only_so_many_failures_are_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_83: a stranger's scenes fill no disk; the oldest go first."""
    monkeypatch.setattr(sqlite_journal, "MOST_FAILURES", 3)
    with closing(SqliteJournal(path)) as journal:
        for number in range(5):
            journal.note_failure(replace(FAILURE, at=float(number)))
        assert [one.at for one in journal.failures()] == [2.0, 3.0, 4.0]


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_80: half a migration is none; the older program still reads the journal."""
    step = ("CREATE TABLE visits (seconds REAL)", "INSERT INTO nowhere VALUES (1)")
    with monkeypatch.context() as patched:
        patched.setattr(sqlite_journal, "KIND", replace(KIND, migrations=(*MIGRATIONS, step)))
        with pytest.raises(HostUnavailable, match="no such table: nowhere"):
            SqliteJournal(path)
    assert ask(path, "SELECT count(*) FROM sqlite_master WHERE name = 'visits'") == 0
    with closing(SqliteJournal(path)) as journal:
        assert journal.attempts() == [SEEN]


def damage_page(path: Path) -> None:
    """Overwrite a page in the middle of the tables."""
    with path.open("r+b") as file:
        file.seek(4096 + 8)
        file.write(b"\xff" * 400)


def damage_start(path: Path) -> None:
    """Overwrite the header."""
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


def cut(path: Path) -> None:
    """Lose the second half."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def empty(path: Path) -> None:
    """Lose all but the name."""
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [damage_page, damage_start, cut, empty])
def test_a_damaged_journal_is_refused(path: Path, damage: object) -> None:
    """fault_76: a damaged journal stops the start with a remedy, and is left as it is."""
    assert callable(damage)
    damage(path)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match=r"is damaged \(.*\)\. Put a copy in its place"):
        SqliteJournal(path)
    assert path.read_bytes() == before


def test_a_row_that_makes_no_sense_is_damage_too(path: Path) -> None:
    """fault_76: what the database takes for sound, but no worker wrote, is not acted on."""
    for column, value in (("stage", "'DONE'"), ("reached", "'[]'"), ("reward_fri", "'x'"), ("job_id", "'y'")):
        change(path, f"UPDATE attempts SET {column} = {value}")
        with closing(SqliteJournal(path)) as journal, pytest.raises(HostUnavailable, match="cannot be read"):
            journal.attempts()


def test_a_lost_journal_is_not_begun_anew_beside_its_log(path: Path) -> None:
    """fault_76: a log without its journal tells that a journal was lost."""
    path.rename(path.with_name("journal.sqlite-wal"))
    with pytest.raises(SettingsError, match=r"is gone, but its log journal\.sqlite-wal exists"):
        SqliteJournal(path)
    assert not path.exists()


def test_another_database_is_refused(tmp_path: Path) -> None:
    """fault_78: a SQLite file of another program is not made a journal."""
    change(tmp_path / "other.sqlite", "CREATE TABLE accounts (name)")
    with pytest.raises(SettingsError, match="is not a journal of VeriFrame"):
        SqliteJournal(tmp_path / "other.sqlite")
    assert ask(tmp_path / "other.sqlite", "SELECT count(*) FROM sqlite_master") == 1


def test_a_locked_journal_is_waited_for_only_shortly(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_76: while another program holds the journal nothing is claimed to be written."""
    monkeypatch.setattr(sqlite_journal, "KIND", replace(KIND, busy_seconds=0.05))
    with closing(SqliteJournal(path)) as journal:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(HostUnavailable, match="database is locked"):
                journal.move(SEEN, FETCHED)
        assert journal.get(1) == SEEN
        journal.move(SEEN, FETCHED)


def test_a_full_disk_is_told_and_nothing_is_half_written(path: Path) -> None:
    """fault_76: where the log cannot grow the move fails, and the journal is as before."""
    with closing(SqliteJournal(path)) as journal:
        with full_disk(4096), pytest.raises(HostUnavailable, match="Check that its disk has space"):
            journal.move(SEEN, FETCHED)
        assert journal.get(1) == SEEN
        journal.move(SEEN, FETCHED)
        assert journal.get(1) == FETCHED


def test_no_journal_is_begun_on_a_full_disk(tmp_path: Path) -> None:
    """fault_76: a journal that cannot be made is not left half made."""
    with full_disk(4096), pytest.raises(HostUnavailable):
        SqliteJournal(tmp_path / "journal.sqlite")
    assert list(tmp_path.iterdir()) == []
    SqliteJournal(tmp_path / "journal.sqlite").close()


def test_a_closed_journal_takes_nothing(path: Path) -> None:
    """fault_76: after the end nothing is taken that would not be kept."""
    journal = SqliteJournal(path)
    journal.close()
    with pytest.raises(HostUnavailable):
        journal.move(SEEN, FETCHED)


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    """fault_78: a path that cannot be a journal is said to be so."""
    (tmp_path / "file").touch()
    with pytest.raises(HostUnavailable, match=r"journal\.sqlite cannot be used now"):
        SqliteJournal(tmp_path / "file" / "journal.sqlite")
