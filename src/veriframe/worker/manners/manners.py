"""When the worker keeps out of the way: outside its hours, and while others need the processors.

Then it claims nothing, and its renders are paused, each for as long as its lease allows.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import structlog

from veriframe.model.attempt.work_hours import WorkHours
from veriframe.ports.renderer import RenderSession

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""Between two looks at the clock and at other programs."""

QUIET_SECONDS = 60.0
"""How long other programs must be quiet before the work goes on."""

SHORTEST_PAUSE_SECONDS = 30.0
"""A lease that leaves less than this is not worth a pause."""

MARGIN_SECONDS = 5.0
"""A paused render goes on this long before it must."""


def local_minute() -> int:
    """Returns the minute of the day, in the machine's own time."""
    now = datetime.now().astimezone()
    return 60 * now.hour + now.minute


@dataclass(slots=True)
class Rendering:
    """A render under way. `until` is its end by the monotonic clock, as the lease has it.

    `needed_seconds` is the most that it may still work since `since`, which pauses move. `next_until` gives
    when it should end for the sake of a claim that waits for it.
    """

    job_id: int
    session: RenderSession
    until: float
    needed_seconds: float
    since: float
    next_until: Callable[[], float] = lambda: math.inf
    paused_at: float | None = None

    def needs(self, seconds: float, now: float) -> None:
        """Notes how long it may still work from now on."""
        self.needed_seconds, self.since = seconds, now

    def slack_seconds(self, now: float) -> float:
        """How long it may still be paused. Infinite without a lease."""
        worked = (now if self.paused_at is None else self.paused_at) - self.since
        until = min(self.until, self.next_until())
        return until - now - max(0.0, self.needed_seconds - worked) - MARGIN_SECONDS


class Manners:
    """The operator's manners. Without settings, the work never pauses.

    `others` returns the share of all processors that other programs use, 0 … 1. `minute` is the minute of the
    day. `on_wait` hears of a job whose render is paused, and why; an empty text: it goes on.
    """

    def __init__(
        self,
        hours: WorkHours | None = None,
        most_busy: float | None = None,
        *,
        others: Callable[[], float] = lambda: 0.0,
        minute: Callable[[], int] = local_minute,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hours, self._most_busy = hours, most_busy
        self._others, self._minute, self._monotonic = others, minute, monotonic
        self._busy_until = -math.inf
        self._objection = ""
        self._renders: list[Rendering] = []
        self.on_wait: Callable[[int, str], None] = lambda job_id, what: None

    @property
    def objection(self) -> str:
        """Why nothing may be claimed now, as a sentence; empty if it may."""
        return self._objection or self._outside_hours()

    @property
    def matters(self) -> bool:
        """Whether the work may pause at all."""
        return self._hours is not None or self._most_busy is not None

    async def keep(self) -> None:
        """Looks again and again, until cancelled; then every render goes on."""
        try:
            while self.matters:
                await self.look()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for render in self._renders:
                await self._resume(render, "the worker stops")

    async def look(self) -> None:
        """Looks once at the clock and at other programs, and pauses renders or lets them go on."""
        objection = self._outside_hours() or await self._too_busy()
        if bool(objection) != bool(self._objection):
            if objection:
                log.info("work_paused", reason=objection)
            else:
                log.info("work_resumed")
        self._objection = objection
        for render in list(self._renders):
            slack = render.slack_seconds(self._monotonic())
            if render.paused_at is None and objection and slack > SHORTEST_PAUSE_SECONDS:
                await self._pause(render, objection)
            elif render.paused_at is not None and not (objection and slack > 0):
                await self._resume(render, "its lease leaves no more time" if objection else "")

    @contextmanager
    def rendering(
        self,
        job_id: int,
        session: RenderSession,
        until: float,
        needed_seconds: float,
        *,
        next_until: Callable[[], float] = lambda: math.inf,
    ) -> Iterator[Rendering]:
        """While one render is under way, it may be paused."""
        render = Rendering(job_id, session, until, needed_seconds, self._monotonic(), next_until)
        self._renders.append(render)
        try:
            yield render
        finally:
            self._renders.remove(render)
            if render.paused_at is not None:
                self.on_wait(job_id, "")

    def _outside_hours(self) -> str:
        if self._hours is None or self._hours.include(minute := self._minute()):
            return ""
        return f"The work hours are over; the next begin at {self._hours.next_start(minute)}."

    async def _too_busy(self) -> str:
        if self._most_busy is None:
            return ""
        share, now = await asyncio.to_thread(self._others), self._monotonic()
        if share > self._most_busy:
            self._busy_until = now + QUIET_SECONDS
        if now >= self._busy_until:
            return ""
        return "Other programs need the processors (pause_when_busy)."

    async def _pause(self, render: Rendering, reason: str) -> None:
        render.paused_at = self._monotonic()
        log.info("render_paused", job_id=render.job_id, reason=reason)
        self.on_wait(render.job_id, "the machine")
        await render.session.pause()

    async def _resume(self, render: Rendering, reason: str) -> None:
        if render.paused_at is None:
            return
        paused_seconds = self._monotonic() - render.paused_at
        render.since, render.paused_at = render.since + paused_seconds, None
        await render.session.resume()
        because = {"reason": reason} if reason else {}
        log.info("render_resumed", job_id=render.job_id, paused_seconds=round(paused_seconds, 1), **because)
        self.on_wait(render.job_id, "")
