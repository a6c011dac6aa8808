"""The contact sheets of an order's chunks, fetched beside everything else: a slow one holds nothing up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from veriframe.causes import cause_of
from veriframe.creator.orders.arriving import require_free
from veriframe.creator.orders.results import ChunkResults, preview_bytes
from veriframe.creator.orders.values import Chunk, OrderStatus
from veriframe.errors import JobError, Unavailable
from veriframe.model.quantities import format_span
from veriframe.ports.store import ContentStore
from veriframe.retry import end

FINISH_SECONDS = 120
"""How long all that are left are waited for at the end."""

WAIT_SECONDS, BYTES_PER_SECOND = 60.0, 16_000
"""How long one is waited for, besides its bytes at this speed: a worker may send it drop by drop."""


@dataclass(slots=True, kw_only=True)
class Previews:
    """Fetches contact sheets into `folder`, one after the other, and passes a line about each to `say`.

    None of them is decoded. A context manager, which ends the one that is under way.
    """

    store: ContentStore
    folder: Path
    disk_free_bytes: int
    say: Callable[[str], None]
    _known: set[int] = field(default_factory=set)
    _wanted: asyncio.Queue[Chunk] = field(default_factory=asyncio.Queue)
    _work: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._work = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._work is not None
        await end([self._work])

    def see(self, status: OrderStatus) -> None:
        """Take a poll of the order: what is new is fetched."""
        for chunk in status.chunks if status.bundles else ():
            if chunk.has_result and chunk.job.id not in self._known:
                self._known.add(chunk.job.id)
                self._wanted.put_nowait(chunk)

    async def finish(self) -> None:
        """Wait for all that were seen, but not for long: the order is over."""
        assert self._work is not None
        joining = asyncio.create_task(self._wanted.join())
        waited = asyncio.wait(
            {joining, self._work}, timeout=FINISH_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if not (await waited)[0]:
            self.say(f"no more previews: they did not come in {format_span(FINISH_SECONDS)}")
        await end([joining])
        if self._work.done():
            await self._work

    async def _run(self) -> None:
        while True:
            chunk = await self._wanted.get()
            self.say(await self._fetch(chunk))
            self._wanted.task_done()

    async def _fetch(self, chunk: Chunk) -> str:
        """Fetch one. Returns a line about it."""
        target, most_bytes = self.folder / f"job-{chunk.job.id}.jpg", preview_bytes(chunk)
        seconds = WAIT_SECONDS + most_bytes / BYTES_PER_SECOND
        try:
            require_free(self.folder, most_bytes, self.disk_free_bytes)
            async with asyncio.timeout(seconds):
                await ChunkResults(store=self.store).preview(chunk, target)
        except TimeoutError:
            return f"job {chunk.job.id}: no preview: it did not come in {format_span(round(seconds))}"
        except (JobError, Unavailable) as error:
            return f"job {chunk.job.id}: no preview: {error}"
        except OSError as error:
            return f"job {chunk.job.id}: no preview: {self.folder} cannot be used: {cause_of(error)}"
        return f"job {chunk.job.id}: {target}"
