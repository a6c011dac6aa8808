"""A journal's content, and direct access to its file."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.failure import Failure
from veriframe.model.registry.job import Address
from veriframe.model.rendering.frames import Frame, SpooledFrame

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
NEW = Attempt(job_id=1, asset_cid=CID, reward_fri=10**18, reached={Stage.SEEN: 1.0})
SEEN = replace(NEW, number=1)
FETCHED = SEEN.to(Stage.FETCHED, at=2.0)
FAILURE = Failure(
    asset_cid=CID, creator=Address(3), code=Code.CRASH, detail="It crashed.", conditions="c", at=2.0
)
FRAME = SpooledFrame(
    1, Frame(number=1, file="frame_0001.png", width=4, height=3, seconds=1.0, peak_memory_bytes=5)
)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteJournal]:
    """A journal, closed in the end."""
    journal = SqliteJournal(path)
    try:
        yield journal
    finally:
        await journal.close()


def change(path: Path, statement: str, *values: object) -> None:
    """Changes a journal directly."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, values)


def ask(path: Path, question: str) -> object:
    """Reads one value from a journal directly."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchone()[0]
