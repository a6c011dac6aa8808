"""Rows of the journal: invalid ones, and how they are found and folded."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.unit.adapters.sqlite_journal.journals import (
    FAILURE,
    FRAME,
    NEW,
    SEEN,
    ask,
    change,
    opened,
)

from veriframe.adapters.sqlite_journal import journal as module
from veriframe.adapters.sqlite_journal.schema import LIVE
from veriframe.errors import HostUnavailable
from veriframe.model.attempt.attempt import Stage
from veriframe.model.registry.job import Address
from veriframe.model.rendering.frames import RenderTask


async def test_the_number_of_failures_is_limited(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_83: untrusted scenes cannot fill the disk; the oldest failures are deleted first."""
    monkeypatch.setattr(module, "MOST_FAILURES", 3)
    async with opened(path) as journal:
        for number in range(5):
            await journal.note_failure(replace(FAILURE, at=float(number)))
        assert [one.at for one in await journal.failures()] == [2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("stage", "DONE"),
        ("job_id", "y"),
        ("content", "{"),
        ("content", "[]"),
        ("content", "{}"),
        ("content", b"\xff"),
        ("content", 5),
    ],
)
async def test_an_invalid_row_is_set_aside(path: Path, column: str, value: object) -> None:
    """fault_76: it stops no other claim, and its job can be taken up again from the registry."""
    async with opened(path) as journal:
        other = await journal.start(replace(NEW, job_id=2))
    change(path, f"UPDATE attempts SET {column} = ? WHERE number = 1", value)
    with capture_logs() as logs:
        async with opened(path) as journal:
            assert await journal.live() == [other]
            assert await journal.history() == [other]
            again = await journal.start(NEW)
            assert await journal.live() == [other, again]
            assert await journal.frames(again) == []
            await journal.compact(0.0)
    (warning,) = logs
    assert warning["event"] == "journal_row_set_aside"
    assert (warning["table"], warning["number"]) == ("attempts", 1)
    assert ask(path, "SELECT content FROM set_aside") == warning["row"]
    assert ask(path, "SELECT count(*) FROM frames") == 0


@pytest.mark.parametrize(
    "statement", ["UPDATE frames SET content = '{}'", "UPDATE failures SET code = 'NONE'"]
)
async def test_invalid_frames_and_failures_are_set_aside(path: Path, statement: str) -> None:
    """fault_76: the frame is rendered again, the scene tried again."""
    change(path, statement)
    async with opened(path) as journal:
        frames, failures = await journal.frames(SEEN), await journal.failures()
        assert (frames, failures) in (([], [FAILURE]), ([FRAME], []))
        assert await journal.live() == [SEEN]
    assert ask(path, "SELECT count(*) FROM set_aside") == 1


async def test_fields_of_a_later_version_are_ignored(path: Path) -> None:
    """And a task without the newer fields is complete."""
    change(
        path,
        """UPDATE attempts SET content = json_set(content, '$.later', 1, '$.task', json('{"later": 2}'))""",
    )
    async with opened(path) as journal:
        assert await journal.live() == [replace(SEEN, task=RenderTask())]


async def test_only_what_is_rendered_is_stored_of_a_task(path: Path) -> None:
    """The operator's limits and the lease may be others after a restart; that of a frame is its creator's."""
    async with opened(path) as journal:
        await journal.record(SEEN, replace(SEEN, task=RenderTask(size=(4, 3))))
    stored = json.loads(str(ask(path, "SELECT content FROM attempts")))["task"]
    assert {"frames": [1], "format": "PNG", "size": [4, 3]}.items() <= stored.items()
    rendered = {"frames", "format", "size", "percent", "samples", "region", "overrides"}
    asked = {"has_proof", "has_thumbnail", "is_denoised_later", "frame_seconds", "stop_early"}
    assert set(stored) <= rendered | asked


async def test_live_attempts_are_found_by_an_index(path: Path) -> None:
    """Thousands of ended attempts are not read for the few live ones."""
    statements: list[str] = []
    async with opened(path) as journal:
        journal._connection.executemany(
            "INSERT INTO attempts (job_id, stage, content) VALUES (?, 'PAID', '{}')",
            [(number,) for number in range(2000)],
        )
        journal._connection.set_trace_callback(statements.append)
        assert await journal.live() == [SEEN]
        journal._connection.set_trace_callback(None)
    (select,) = statements
    with closing(sqlite3.connect(path)) as connection:
        steps = [step[3] for step in connection.execute(f"EXPLAIN QUERY PLAN {select}")]
    assert [step for step in steps if "attempts" in step] == ["SCAN attempts USING INDEX live_attempts"]


async def test_the_index_knows_all_ends() -> None:
    """The condition of the index is that of the stages."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE stages (stage)")
        connection.executemany("INSERT INTO stages VALUES (?)", [(stage.value,) for stage in Stage])
        live = {stage for (stage,) in connection.execute(f"SELECT stage FROM stages WHERE {LIVE}")}
    assert live == {stage.value for stage in Stage if not stage.is_end}


async def test_a_failed_compaction_changes_nothing(path: Path) -> None:
    """fault_76: totals and attempts change together or not at all."""
    change(path, "CREATE TRIGGER full BEFORE INSERT ON creator_totals BEGIN SELECT RAISE(FAIL, 'full'); END")
    paid = replace(NEW, job_id=2, creator=Address(3), stage=Stage.PAID, reached={Stage.PAID: 1.0})
    async with opened(path) as journal:
        kept = [SEEN, await journal.start(paid)]
        with pytest.raises(HostUnavailable):
            await journal.compact(2.0)
        assert await journal.history() == kept
        assert await journal.creator_totals() == {}
