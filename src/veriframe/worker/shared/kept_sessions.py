"""Scenes that stay open after a chunk, for the next chunk of the same asset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from veriframe.ports.renderer import RenderSession

KEPT_SECONDS = 30.0
"""How long one waits for the next chunk to appear; as long again while one is under way."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenedSession:
    """A session of one asset, and what ends it."""

    asset_cid: str
    session: RenderSession
    opened: AsyncExitStack


class KeptSessions:
    """Idle sessions, frozen, the oldest first. Each is given to a job of its own asset only."""

    def __init__(self, is_wanted: Callable[[str], bool]) -> None:
        """`is_wanted` says whether a job of this asset still has to be rendered."""
        self._is_wanted = is_wanted
        self._rendering = 0
        self._kept: dict[OpenedSession, asyncio.Task[None]] = {}

    @property
    def assets(self) -> Collection[str]:
        """The CIDs of the assets that are open."""
        return {one.asset_cid for one in self._kept if not one.session.is_over}

    def put(self, one: OpenedSession) -> None:
        """Keeps a session until it is taken, or not wanted any more."""
        self._kept[one] = asyncio.create_task(self._end_unwanted(one))

    async def take(self, asset_cid: str) -> OpenedSession | None:
        """Returns a session of this asset, which its caller ends; None if there is none."""
        for one in [one for one in self._kept if one.asset_cid == asset_cid]:
            if (waiting := self._kept.pop(one, None)) is None:
                continue
            waiting.cancel()
            if not one.session.is_over:
                return one
            await one.opened.aclose()
        return None

    @asynccontextmanager
    async def beside(self, capacity: int) -> AsyncIterator[None]:
        """While one more session renders: the oldest kept ones end where all were more than `capacity`."""
        self._rendering += 1
        try:
            await self._end_beyond(capacity - self._rendering)
            yield
        finally:
            self._rendering -= 1

    async def close(self) -> None:
        """Ends all."""
        await self._end_beyond(0)

    async def _end_beyond(self, most: int) -> None:
        while len(self._kept) > max(0, most):
            await self._end(next(iter(self._kept)))

    async def _end(self, one: OpenedSession) -> None:
        if (waiting := self._kept.pop(one, None)) is not None:
            waiting.cancel()
            await one.opened.aclose()

    async def _end_unwanted(self, one: OpenedSession) -> None:
        while True:
            await asyncio.sleep(KEPT_SECONDS)
            if one.session.is_over or not self._is_wanted(one.asset_cid):
                break
        # From here on nobody else ends it.
        if self._kept.pop(one, None) is not None:
            await one.opened.aclose()
