"""What jobs of one scene share: its fetch, its inspection, and what the inspection found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from veriframe.model.bundle.inspected import InspectedAsset
from veriframe.worker.shared.throughput import Throughput

T = TypeVar("T")

MOST_KNOWN = 10_000
"""The most scenes whose inspections are remembered."""


class SharedWork(Generic[T]):
    """Work that is done once for all callers with the same key at the same time.

    The first does it, the others get its outcome. If the first is cancelled, another one takes over.
    """

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Future[T]] = {}

    async def run(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """Returns the outcome of `work` for this key, or raises its error."""
        while (running := self._running.get(key)) is not None:
            await asyncio.wait([running])
            if not running.cancelled():
                return running.result()
        mine: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._running[key] = mine
        try:
            outcome = await work()
        except Exception as error:
            mine.set_exception(error)
            mine.exception()  # retrieved, so that asyncio does not warn if nobody else waits
            raise
        else:
            mine.set_result(outcome)
            return outcome
        finally:
            del self._running[key]
            mine.cancel()


class Scenes:
    """The scenes of one worker, by CID."""

    def __init__(self) -> None:
        self.fetching = SharedWork[Path]()
        self.inspecting = SharedWork[InspectedAsset]()
        self._known: dict[str, InspectedAsset] = {}
        self._awaited: list[Throughput] = []
        self.opened = 0
        """How many inspected scenes stay open until their turn."""
        self.are_too_large = False
        """Whether the scenes in use exceed the disk's budget: no more are fetched ahead."""

    @contextmanager
    def awaited(self, throughput: Throughput) -> Iterator[None]:
        """Counts a job as one whose scene is on its way."""
        self._awaited.append(throughput)
        try:
            yield
        finally:
            self._awaited.remove(throughput)

    @property
    def silent(self) -> int:
        """How many jobs wait for a scene of which nothing arrives."""
        return sum(one.is_silent for one in self._awaited)

    @property
    def arriving_bytes(self) -> int:
        """How much of the scenes that are not complete yet is on the disk."""
        return sum(one.done_bytes for one in self._awaited)

    def give_way(self) -> None:
        """Ends the fetch of which nothing has arrived for the longest time, if there is one."""
        silent = [one for one in self._awaited if one.is_silent]
        if silent:
            max(silent, key=lambda one: one.silent_seconds).give_way()

    def known(self, asset_cid: str) -> InspectedAsset | None:
        """Returns what was found in this asset, if it was inspected before."""
        return self._known.get(asset_cid)

    def remember(self, asset_cid: str, found: InspectedAsset) -> None:
        """Remembers the outcome of an inspection. The oldest is forgotten."""
        self._known.pop(asset_cid, None)
        self._known[asset_cid] = found
        while len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
