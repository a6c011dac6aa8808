"""Blenders that are started ahead: each waits in its own clean sandbox for one scene."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from veriframe.adapters.blender.session import BlenderSession
from veriframe.errors import HostUnavailable
from veriframe.threads import wait_for_end

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpareLimits:
    """How many are kept, and the most memory that each may hold."""

    most: int
    memory_bytes: int = 2**30


class Spares:
    """Keeps some sessions ready. Whoever takes one closes it; another is then started in the background."""

    def __init__(self, make: Callable[[], BlenderSession], limits: SpareLimits) -> None:
        """Starts nothing."""
        self._make, self._most, self._most_bytes = make, limits.most, limits.memory_bytes
        self._waiting: deque[BlenderSession] = deque()
        self._filling: asyncio.Task[None] | None = None

    def fill(self) -> None:
        """Starts in the background what is missing."""
        if len(self._waiting) < self._most and (self._filling is None or self._filling.done()):
            # In no job's context: its log lines belong to none.
            self._filling = asyncio.create_task(self._fill(), context=contextvars.Context())

    async def take(self, scene: Path) -> BlenderSession | None:
        """Returns a session that has the scene; None if none is ready or the scene would have to be copied.

        Raises `HostUnavailable`.
        """
        session = await self._take()
        try:
            if session is None or await session.give(scene):
                taken, session = session, None
                return taken
            self._waiting.appendleft(session)
            session = None
        finally:
            if session is not None:
                await session.close()
            self.fill()
        return None

    async def _take(self) -> BlenderSession | None:
        while self._waiting:
            session = self._waiting.popleft()
            if not session.is_over:
                return session
            await session.close()
        return None

    async def close(self) -> None:
        """Ends them all, and starts no more."""
        self._most = 0
        if self._filling is not None:
            self._filling.cancel()
            await wait_for_end(self._filling)
        while self._waiting:
            await self._waiting.popleft().close()

    async def _fill(self) -> None:
        while len(self._waiting) < self._most:
            session, is_kept = self._make(), False
            try:
                is_kept = await self._is_fit(session)
            finally:
                if not is_kept:
                    await session.close()
            if not is_kept:
                return
            self._waiting.append(session)

    async def _is_fit(self, session: BlenderSession) -> bool:
        try:
            await session.start()
            memory_bytes = await session.wait_until_ready()
        except HostUnavailable as error:
            log.warning("spare_not_started", reason=str(error))
            return False
        if memory_bytes is not None and memory_bytes <= self._most_bytes:
            log.debug("spare_ready", memory_bytes=memory_bytes)
            return True
        # Another one would be the same.
        log.warning("spare_not_kept", memory_bytes=memory_bytes, spare_bytes=self._most_bytes)
        self._most = 0
        return False
