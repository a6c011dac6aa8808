"""The worker's journal in one SQLite file."""

from veriframe.adapters.sqlite_journal.journal import SqliteJournal

__all__ = ["SqliteJournal"]
