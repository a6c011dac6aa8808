"""The worker's attempts: all in memory, and each change in the journal before anything follows from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from veriframe.model.attempt.attempt import Attempt
from veriframe.ports.journal import Journal
from veriframe.threads import wait_uninterrupted
from veriframe.worker.listener import Listener

KEPT_SECONDS = 90 * 86400.0
"""How long attempts that have ended are kept one by one."""


class Attempts:
    """The table of our attempts, by job, and the only writer of their journal.

    Call `load` once before use. Methods that write raise `HostUnavailable`; if cancelled, they complete the
    write, here as in the journal, before they raise the cancellation.
    """

    def __init__(self, journal: Journal, listener: Listener) -> None:
        self._journal, self._listener = journal, listener
        self._latest: dict[int, Attempt] = {}
        self._live: dict[int, Attempt] = {}

    async def load(self, now: float) -> Sequence[Attempt]:
        """Reads the journal. Returns all its attempts, oldest first; a job may have several.

        Attempts that ended long before `now` (Unix seconds) are compacted first.
        """
        await self._journal.compact(now - KEPT_SECONDS)
        history = await self._journal.history()
        for attempt in history:
            self._keep(attempt)
            self._listener.on_attempt(attempt)
        return history

    def of(self, job_id: int) -> Attempt | None:
        """Returns the latest attempt at a job, or None."""
        return self._latest.get(job_id)

    def live(self) -> Sequence[Attempt]:
        """Returns the attempts whose stage is not an end."""
        return list(self._live.values())

    def claimed(self) -> Sequence[int]:
        """Returns the jobs under a lease, in order."""
        return sorted(attempt.job_id for attempt in self._live.values() if attempt.stage.holds_claim)

    async def start(self, attempt: Attempt) -> Attempt:
        """Adds a new attempt. Returns it with its number in the journal."""
        starting = asyncio.ensure_future(self._journal.start(attempt))
        try:
            return await wait_uninterrupted(starting)
        finally:
            if _has_succeeded(starting):
                self._keep(starting.result())
                self._listener.on_attempt(starting.result())

    async def record(self, before: Attempt, after: Attempt) -> Attempt:
        """Replaces `before` by `after`, and tells the listener. Returns `after`."""
        recording = asyncio.ensure_future(self._journal.record(before, after))
        try:
            await wait_uninterrupted(recording)
        finally:
            if _has_succeeded(recording):
                self._keep(after)
                if before.stage is after.stage:
                    self._listener.on_attempt(after)
                else:
                    self._listener.on_stage(before, after)
        return after

    def _keep(self, attempt: Attempt) -> None:
        self._latest[attempt.job_id] = attempt
        if attempt.stage.is_end:
            self._live.pop(attempt.job_id, None)
        else:
            self._live[attempt.job_id] = attempt


def _has_succeeded(work: asyncio.Future[Any]) -> bool:
    return work.done() and not work.cancelled() and work.exception() is None
