"""Follows one worker: keeps its overview, has it shown, and writes it for `veriframe status`.

Nothing here can stop or slow the worker: what fails is logged once, and left out from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from veriframe.cli.worker.views import View
from veriframe.model.registry.job import Address, format_address
from veriframe.ports.renderer import RendererFacts
from veriframe.worker.context import WorkerContext
from veriframe.worker.listener import Harmless
from veriframe.worker.overview import status_file
from veriframe.worker.overview.observer import Observer
from veriframe.worker.overview.overview import Happening, Overview, Who, at_rest

SHOWN_SECONDS = 0.5
"""Between two pictures of the screen."""

WRITTEN_SECONDS, AT_REST_SECONDS = 1.0, 30.0
"""Between two writes of the status file, while something changes and while nothing does."""


class Watching:
    """One worker's overview, its view and its status file."""

    def __init__(self, who: Who, view: View, file: Path) -> None:
        self.observer = Observer(who, on_event=self._tell)
        self._view, self._file = view, file
        self._listener, self._shown = Harmless(self.observer), Harmless(self.observer)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._written_at = -AT_REST_SECONDS

    def on_log(self, level: str, event: Mapping[str, Any]) -> None:
        """Takes in a line of the log, in any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._hear, level, event)

    def listen(self, parts: WorkerContext) -> None:
        """Hears all that this worker does from now on."""
        self.observer.busy_percent = lambda: parts.lanes.busy_percent
        parts.listener.add(self._listener)

    def introduce(self, facts: RendererFacts, address: Address, slots: int) -> None:
        """Takes in what is known once Blender and its sandbox are ready."""
        self.observer.introduce(
            replace(
                self.observer.who,
                address=format_address(address),
                blender=f"{facts.version_text} ({facts.program})",
                sandbox=facts.sandbox_level,
                slots=slots,
            )
        )

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Shows and writes the overview during the block, and once more at its end."""
        self._loop = asyncio.get_running_loop()
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            last = at_rest(self.observer.overview())
            self._shown.run(lambda: self._view.end(last))
            await self._write(last)
            self._loop = None

    async def _follow(self) -> None:
        while True:
            self._show()
            now = asyncio.get_running_loop().time()
            pause = WRITTEN_SECONDS if self.observer.has_changed else AT_REST_SECONDS
            if now - self._written_at >= pause:
                self._written_at, self.observer.has_changed = now, False
                await self._write(self.observer.overview())
            await asyncio.sleep(SHOWN_SECONDS)

    def _hear(self, level: str, event: Mapping[str, Any]) -> None:
        self._listener.run(lambda: self.observer.on_log(level, event))

    def _tell(self, happening: Happening) -> None:
        self._shown.run(lambda: self._view.tell(happening))

    def _show(self) -> None:
        self._shown.run(lambda: self._view.show(self.observer.overview()))

    async def _write(self, overview: Overview) -> None:
        with suppress(OSError):  # a full disk: the next write may succeed
            await asyncio.to_thread(status_file.write, self._file, overview)
