"""Programs that flood the worker with lines: the run ends, and the worker's event loop is not blocked."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import structlog
from tests.integration.sandbox_runs import BUILDERS, LIMITS, Received, run_shell
from tests.integration.test_renderer_hostile import FINISHED, FRAME, PICTURE, Victim, send

from veriframe.adapters.blender import reports
from veriframe.adapters.blender.sandbox.run import Ending
from veriframe.errors import Code

pytestmark = pytest.mark.alone

NEWLINES = r"head -c 64M /dev/zero | tr '\0' '\n'"
PROGRESS = (
    '{"kind": "progress", "phase": "rendering", "frame": 1, "done": 0, "total": 1, '
    '"fraction": null, "seconds": 1.0, "memory_bytes": 1}'
)
MOST_STALL_SECONDS = 0.15
"""The loop's own processor time without a break. One chunk takes milliseconds; a whole pipe took 0.7 s."""

MOST_WORK_SECONDS = 2.0
"""The loop's own processor time until a flood of log has ended; with the byte limit alone it was 7 s."""


@dataclass
class Stall:
    """The loop's longest work without a break, and all its work, in seconds of processor time."""

    seconds: float = 0.0
    in_all: float = 0.0


@asynccontextmanager
async def watched_loop() -> AsyncIterator[Stall]:
    """Measures the loop in processor time, so that other load on the machine does not count.

    Objects of earlier tests do not count either: a full collection of all of them takes 0.2 s.
    """
    longest = Stall()
    gc.collect()
    gc.freeze()

    async def watch() -> None:
        started = at = time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            before, at = at, time.thread_time()
            longest.seconds, longest.in_all = max(longest.seconds, at - before), at - started

    task = asyncio.create_task(watch())
    try:
        yield longest
    finally:
        task.cancel()
        gc.unfreeze()


@pytest.mark.parametrize("builder", ["strict", "landlock-watcher"])
async def test_newlines_on_the_report_pipe_end_the_run(builder: str) -> None:
    """fault_95: 64 MiB of them kept the loop busy for the whole wall-clock limit."""
    received = Received()
    limits = replace(LIMITS, report_lines=20_000)
    async with watched_loop() as stall:
        end = await run_shell(
            BUILDERS[builder](), f"{NEWLINES} >&$REPORT_FD; sleep 60", received=received, limits=limits
        )
    assert end.ending is Ending.REPORT_LIMIT
    assert len(received.reports) == limits.report_lines
    assert end.seconds < limits.wall_seconds / 2
    assert stall.seconds < MOST_STALL_SECONDS


@pytest.mark.parametrize("builder", ["strict", "landlock-watcher"])
@pytest.mark.parametrize("flood", [NEWLINES, "yes a"])
async def test_newlines_on_the_log_pipe_end_the_run(builder: str, flood: str) -> None:
    """fault_95: lines are counted, not only bytes; empty ones too."""
    received = Received()
    async with watched_loop() as stall:
        end = await run_shell(BUILDERS[builder](), f"{flood}; sleep 60", received=received)
    assert end.ending is Ending.LOG_LIMIT
    assert len(received.lines) <= LIMITS.log_lines
    assert end.seconds < LIMITS.wall_seconds / 2
    assert stall.seconds < MOST_STALL_SECONDS
    assert stall.in_all < MOST_WORK_SECONDS


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    """A renderer with a shell as its Blender."""
    return Victim(tmp_path)


@pytest.mark.parametrize(
    "flood",
    [
        NEWLINES,
        "yes '[[[['",
        """yes '{"kind": "normalised", "changed": ["a"]}'""",
        """yes '{"kind": "finished"}'""",
        """yes '{"kind": "inspection", "x": 1}'""",
    ],
)
async def test_invalid_reports_end_a_render_at_once(victim: Victim, flood: str) -> None:
    """fault_95: after a hundred of them, before any other limit."""
    async with watched_loop() as stall:
        started = time.monotonic()
        flood += " >&$REPORT_FD; sleep 60"
        assert await victim.code(flood, frame_seconds=60) == Code.LOG_FLOOD
        seconds = time.monotonic() - started
    assert seconds < 8
    assert stall.seconds < MOST_STALL_SECONDS


async def test_events_from_inside_are_few_log_lines(victim: Victim) -> None:
    """fault_95: 638 000 `normalised` events made 84 MB of log; now a run gets one line."""
    flood = """yes '{"kind": "normalised", "changed": ["a"]}' | head -n 638000 >&$REPORT_FD"""
    with structlog.testing.capture_logs() as logged:
        await victim.code(f"{flood}; sleep 60")
    assert [event["event"] for event in logged].count("scene_normalised") == 1
    assert len(logged) < 10


async def test_endless_frames_and_progress_are_limited(victim: Victim) -> None:
    """fault_95: valid reports are limited too."""
    async with watched_loop() as stall:
        flood = f"yes '{PROGRESS}' >&$REPORT_FD"
        assert await victim.code(flood, frame_seconds=60) == Code.LOG_FLOOD
    assert len(victim.received) < reports.MAX_EVENTS + 1000
    assert stall.seconds < MOST_STALL_SECONDS


async def test_a_long_normal_render_is_no_flood(victim: Victim) -> None:
    """Six progress reports a second, for almost an hour. The limit grows with the time."""
    hour = f"yes '{PROGRESS}' | head -n {reports.MAX_EVENTS - 10} >&$REPORT_FD"
    await victim.render(f"{hour}; {PICTURE}; {send(FRAME, FINISHED)}", frame_seconds=3600)
    assert len(victim.received) == reports.MAX_EVENTS - 10
