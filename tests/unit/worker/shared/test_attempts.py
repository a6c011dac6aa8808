"""The table of attempts: what it shows is what the journal has, whatever is cancelled."""

from __future__ import annotations

import asyncio

import pytest
from tests.fakes.journal import FakeJournal

from veriframe.errors import HostUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.worker.listener import Listener
from veriframe.worker.shared.attempts import KEPT_SECONDS, Attempts

SEEN = Attempt(job_id=7, asset_cid="b", reward_fri=1, reached={Stage.SEEN: 1.0})


class SlowJournal(FakeJournal):
    """Writes when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def start(self, attempt: Attempt) -> Attempt:
        """Waits first."""
        await self.go.wait()
        return await super().start(attempt)

    async def record(self, before: Attempt, after: Attempt) -> None:
        """Waits first."""
        await self.go.wait()
        await super().record(before, after)


class Stages(Listener):
    """Notes the stages."""

    def __init__(self) -> None:
        self.reached: list[Stage] = []

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Notes one."""
        self.reached.append(after.stage)


async def test_a_stage_is_told_after_it_is_recorded() -> None:
    """Each once; fees alone are no stage."""
    journal, told = FakeJournal(), Stages()
    attempts = Attempts(journal, told)
    seen = await attempts.start(SEEN)
    fetched = await attempts.record(seen, seen.to(Stage.FETCHED, at=2.0))
    dearer = await attempts.record(fetched, fetched.paying(5))
    assert told.reached == [Stage.FETCHED]
    assert attempts.of(7) == dearer == journal.by_job[7]
    assert list(attempts.live()) == [dearer]
    await attempts.record(dearer, dearer.to(Stage.REFUSED, at=3.0))
    assert (list(attempts.live()), told.reached[-1]) == ([], Stage.REFUSED)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_write_is_completed(times: int) -> None:
    """However often it is cancelled: table and journal agree, and the listener was told."""
    journal, told = SlowJournal(), Stages()
    attempts = Attempts(journal, told)
    starting = asyncio.create_task(attempts.start(SEEN))
    await cancelled(starting, times, journal)
    seen = attempts.of(7)
    assert seen is not None
    assert seen == journal.by_job[7]
    journal.go.clear()
    recording = asyncio.create_task(attempts.record(seen, seen.to(Stage.FETCHED, at=2.0)))
    await cancelled(recording, times, journal)
    assert attempts.of(7) == journal.by_job[7]
    assert told.reached == [Stage.FETCHED]


async def cancelled(task: asyncio.Task[Attempt], times: int, journal: SlowJournal) -> None:
    """Cancels a write before it is made, then lets it be made."""
    for _ in range(times):
        await asyncio.sleep(0.001)
        task.cancel()
    await asyncio.sleep(0.001)
    assert not task.done()
    journal.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_write_that_fails_changes_nothing() -> None:
    """fault_76: the disk is full."""
    journal, told = FakeJournal(), Stages()
    attempts = Attempts(journal, told)
    seen = await attempts.start(SEEN)
    journal.fault = HostUnavailable("The disk is full.")
    with pytest.raises(HostUnavailable):
        await attempts.record(seen, seen.to(Stage.FETCHED, at=2.0))
    assert (attempts.of(7), told.reached) == (seen, [])


async def test_old_attempts_are_compacted_at_the_start() -> None:
    """Those that ended long ago; live ones stay, however old."""
    journal = FakeJournal()
    for job_id, stage in ((1, Stage.SUBMITTED), (2, Stage.PAID)):
        journal.put(Attempt(job_id=job_id, asset_cid="b", reward_fri=1, stage=stage, reached={stage: 5.0}))
    attempts = Attempts(journal, Stages())
    assert [attempt.job_id for attempt in await attempts.load(5.0 + KEPT_SECONDS)] == [1, 2]
    attempts = Attempts(journal, Stages())
    assert [attempt.job_id for attempt in await attempts.load(6.0 + KEPT_SECONDS)] == [1]
    assert attempts.of(2) is None
