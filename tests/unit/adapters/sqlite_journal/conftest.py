"""A closed journal."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.adapters.sqlite_journal.journals import (
    FAILURE,
    FRAME,
    NEW,
    SEEN,
    opened,
)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """The path of a closed journal with one attempt, its frame and a failure."""
    path = tmp_path / "home" / "journal.sqlite"
    async with opened(path) as journal:
        assert await journal.start(NEW) == SEEN
        await journal.note_frame(SEEN, FRAME)
        await journal.note_failure(FAILURE)
    return path
