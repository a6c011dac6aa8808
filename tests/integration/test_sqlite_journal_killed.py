"""A worker's journal after kill -9."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.model.attempt.attempt import Stage

MOVE_FOR_EVER = """
import asyncio, itertools, sys
from pathlib import Path
from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.model.attempt.attempt import Attempt, Stage

STAGES = (Stage.FETCHED, Stage.CHECKED, Stage.CLAIMED, Stage.RENDERED, Stage.VALIDATED, Stage.STORED)

async def move_for_ever():
    journal = SqliteJournal(Path(sys.argv[1]))
    for job_id in itertools.count(1):
        attempt = Attempt(job_id=job_id, asset_cid="bafk", reward_fri=1, reached={Stage.SEEN: 0.0})
        attempt = await journal.start(attempt)
        for stage in STAGES:
            after = attempt.to(stage, at=float(job_id))
            await journal.record(attempt, after)
            print(job_id, stage.value, flush=True)
            attempt = after

asyncio.run(move_for_ever())
"""
"""Moves one job after the other through its stages; prints each stage after `record` returned."""

ORDER = [stage.value for stage in Stage]


async def stages(path: Path) -> dict[int, str]:
    """The stages of all attempts, by job."""
    journal = SqliteJournal(path)
    try:
        return {attempt.job_id: attempt.stage.value for attempt in await journal.history()}
    finally:
        await journal.close()


@pytest.mark.parametrize("lines_before", [1, 20, 55])
def test_every_reported_move_is_in_the_journal(tmp_path: Path, lines_before: int) -> None:
    """fault_73: after a kill at any moment, the journal opens and has every move that returned."""
    process = subprocess.Popen(
        [sys.executable, "-c", MOVE_FOR_EVER, str(tmp_path / "journal.sqlite")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(lines_before)]
    process.kill()
    lines += process.communicate(timeout=60)[0].splitlines()
    assert process.returncode == -9
    reported = {int(job_id): stage for job_id, stage in (line.split() for line in lines)}
    kept = asyncio.run(stages(tmp_path / "journal.sqlite"))
    # The last move may have been made without its line; all others are exactly as printed.
    last = max(reported)
    assert {job: kept[job] for job in reported if job != last} == {
        job: reported[job] for job in reported if job != last
    }
    assert ORDER.index(kept[last]) - ORDER.index(reported[last]) in (0, 1)
    assert set(kept) - set(reported) <= {last + 1}
