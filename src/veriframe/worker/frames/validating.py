"""Frames are validated while others render, several in one sandbox where they come faster."""

from __future__ import annotations

import asyncio

from veriframe.assets import Asset
from veriframe.model.attempt.lease import FRAMES_AT_ONCE
from veriframe.model.rendering.frames import Frame
from veriframe.worker.frames.spool import Spool


class Validating:
    """The frames of one render that are validated beside it."""

    def __init__(self, spool: Spool, asset: Asset, until: float) -> None:
        """`until` is the end by the monotonic clock."""
        self._spool, self._asset, self._until = spool, asset, until
        self._waiting: list[Frame] = []
        self._running: asyncio.Task[None] | None = None

    async def add(self, frame: Frame) -> None:
        """Takes in a kept frame. Waits if too many wait. Raises what the validation of another one did."""
        self._waiting.append(frame)
        if len(self._waiting) > FRAMES_AT_ONCE:
            await self.wait()
        if self._running is not None and self._running.done():
            await self.wait()
        if self._running is None:
            batch, self._waiting = self._waiting[:FRAMES_AT_ONCE], self._waiting[FRAMES_AT_ONCE:]
            self._running = asyncio.create_task(self._spool.validate_frames(batch, self._asset, self._until))

    async def wait(self) -> None:
        """Waits for those in a sandbox. The others are left to `Spool.validate`. Raises as that does."""
        if (running := self._running) is not None:
            await running
            self._running = None

    async def end(self) -> None:
        """Ends what is under way."""
        if (running := self._running) is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
