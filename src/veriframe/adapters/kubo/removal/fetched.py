"""Removes from a node what it has only because it was fetched through it, once the fetch is over.

A node keeps everything that it is asked for. Scenes of unknown creators would fill it, and a full node stops
a worker. So a fetch of content that the node lacks is noted in the node itself, by a pin
`veriframe-fetched:CID` of a tiny block: it survives a kill, and all workers on the node see it. Content that
was there before is not removed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256

import structlog

from veriframe.adapters.kubo.adding.upload import one_part
from veriframe.adapters.kubo.node.answers import Key, Pins
from veriframe.adapters.kubo.node.api import Answer, KuboApi, NodeRefused, Query
from veriframe.adapters.kubo.removal.removal import Removal
from veriframe.errors import JobRejected, StoreUnavailable
from veriframe.model.content.cid import Cid, Codec, parse_cid
from veriframe.model.quantities import format_span

log = structlog.get_logger()

NOTE_SECONDS = 10.0
"""For all requests before a fetch starts."""
REMOVAL_SECONDS = 600.0
"""For one attempt to remove a DAG."""
RETRY_SECONDS = 60.0
RETRY_MAX_SECONDS = 3600.0
"""The first and the longest wait between attempts of a removal that fails; doubled each time."""
SETTLE_SECONDS = 3.0
"""After an interrupted fetch: blocks that the node has requested may still arrive."""
MOST_PENDING = 10_000
CLOSE_SECONDS = 5.0

_NAME = "veriframe-fetched:"


class _Pinned(Answer):
    Name: str = ""


class _Listed(Answer):
    Keys: dict[str, object]


@dataclass(frozen=True, slots=True)
class Note:
    """The block in a node that records what was fetched: it holds its own pin's name."""

    cid: str
    name: str

    @classmethod
    def of(cls, fetched: Cid) -> Note:
        """Returns the note for one root."""
        name = f"{_NAME}{fetched}"
        return cls(str(Cid(Codec.RAW, sha256(name.encode()).digest())), name)


class Notes:
    """The notes in one node. Methods raise `StoreUnavailable`."""

    def __init__(self, api: KuboApi) -> None:
        self._api = api

    async def is_there(self, note: Note) -> bool:
        """Whether the note exists, whoever made it."""
        try:
            await self._api.call("pin/ls", {"arg": note.cid, "type": "direct"}, _Listed, NOTE_SECONDS)
        except NodeRefused:
            return False
        return True

    async def put(self, note: Note) -> None:
        """Adds the note. Does nothing if it exists."""
        put: Query = {"cid-codec": "raw", "mhtype": "sha2-256", "mhlen": -1, "pin": "false"}
        async with self._api.post(
            "block/put", put, NOTE_SECONDS, body=one_part(note.name.encode())
        ) as answer:
            answer.parse(await answer.body(), Key)
        pin: Query = {"arg": note.cid, "name": note.name, "recursive": "false", "offline": "true"}
        await self._api.call("pin/add", pin, Pins, NOTE_SECONDS)

    async def remove(self, note: Note) -> None:
        """Removes the note. Does nothing if it does not exist."""
        try:
            await self._api.call("pin/rm", {"arg": note.cid, "recursive": "false"}, Pins, NOTE_SECONDS)
        except NodeRefused as error:
            if "not pinned" not in error.message:
                raise
        async with self._api.post("block/rm", {"arg": note.cid, "force": "true"}, NOTE_SECONDS) as answer:
            await answer.body()

    async def roots(self) -> AsyncIterator[Cid]:
        """Yields the CIDs that the notes name."""
        query: Query = {"type": "direct", "names": "true", "name": _NAME, "stream": "true"}
        async with self._api.post("pin/ls", query, REMOVAL_SECONDS) as answer:
            async for pinned in answer.objects(_Pinned):
                # Another program's pin may have such a name.
                with suppress(JobRejected):
                    if pinned.Name.startswith(_NAME):
                        yield parse_cid(pinned.Name.removeprefix(_NAME))


@dataclass(slots=True)
class _PendingRemoval:
    """A removal to do, not before `due`, in monotonic seconds."""

    due: float
    attempts: int = 0

    def defer(self) -> None:
        """Defers the next attempt, after a failed one."""
        self.due = time.monotonic() + min(RETRY_SECONDS * 2**self.attempts, RETRY_MAX_SECONDS)
        self.attempts = min(self.attempts + 1, 10)


class FetchedBlocks:
    """The removals of one store. None of them makes a fetch fail. `pins_made` counts pins made meanwhile."""

    def __init__(self, api: KuboApi) -> None:
        self._api, self._notes = api, Notes(api)
        self.pins_made = 0
        self._removal = Removal(api, lambda: self.pins_made)
        self._under_way = Counter[Cid]()
        self._pending = dict[Cid, _PendingRemoval]()
        self._is_listing_due = False
        self._is_pausing = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def fetching(self, cid: Cid) -> AsyncIterator[None]:
        """Wraps a fetch: after the last one of a CID, removes what the fetch added to the node."""
        self._under_way[cid] += 1
        try:
            await self._begin(cid)
            yield
        except BaseException:
            if cid in self._pending:
                self._schedule(cid, SETTLE_SECONDS)
            raise
        finally:
            self._under_way[cid] -= 1
            if not self._under_way[cid]:
                del self._under_way[cid]
                self._start()

    def tidy(self) -> None:
        """Removes what the node's notes name: leftovers of killed fetches and removals."""
        self._is_listing_due = True
        self._start()

    async def close(self) -> None:
        """Waits a moment for the current removal. Unfinished removals stay noted."""
        if self._task is not None and not self._task.done():
            if not self._is_pausing:
                await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _begin(self, cid: Cid) -> None:
        """Schedules and notes the removal if the node lacks the content, or has it from such a fetch."""
        note = Note.of(cid)
        try:
            async with asyncio.timeout(NOTE_SECONDS):
                is_there = await self._has(cid)
                if is_there and not await self._notes.is_there(note):
                    return
                self._schedule(cid)
                if not is_there:
                    await self._notes.put(note)
        except (StoreUnavailable, TimeoutError) as error:
            log.info("fetch_not_noted", cid=str(cid), reason=str(error))

    async def _has(self, cid: Cid) -> bool:
        try:
            await self._api.call("block/stat", {"arg": str(cid), "offline": "true"}, Key, NOTE_SECONDS)
        except NodeRefused as error:
            if error.is_absence:
                return False
            raise
        return True

    def _schedule(self, cid: Cid, seconds: float = 0.0) -> None:
        if len(self._pending) < MOST_PENDING:
            self._pending[cid] = _PendingRemoval(time.monotonic() + seconds)

    def _start(self) -> None:
        if self._task is not None and not self._task.done():
            self._wake.set()
        elif self._pending or self._is_listing_due:
            self._wake = asyncio.Event()
            self._task = asyncio.create_task(self._remove_all())

    async def _remove_all(self) -> None:
        """Removes until only content that is being fetched is left."""
        while True:
            self._wake.clear()
            if self._is_listing_due:
                await self._list()
            for cid in self._free():
                if self._pending[cid].due <= time.monotonic() and not self._under_way[cid]:
                    await self._remove(cid)
            if not self._is_listing_due and not self._free():
                return
            self._is_pausing = True
            due = min((self._pending[cid].due for cid in self._free()), default=math.inf) - time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(RETRY_SECONDS, max(due, 0.0))):
                    await self._wake.wait()
            self._is_pausing = False

    def _free(self) -> list[Cid]:
        return [cid for cid in self._pending if not self._under_way[cid]]

    async def _list(self) -> None:
        try:
            async for cid in self._notes.roots():
                self._schedule(cid, SETTLE_SECONDS)
        except StoreUnavailable as error:
            log.info("fetched_not_listed", reason=str(error))
        else:
            self._is_listing_due = False

    async def _remove(self, cid: Cid) -> None:
        # A fetch that starts meanwhile schedules it again.
        removal = self._pending.pop(cid)
        try:
            async with asyncio.timeout(REMOVAL_SECONDS):
                # The root arrives first, and is removed last.
                if await self._has(cid):
                    await self._removal.run(cid)
                if not self._under_way[cid]:
                    await self._notes.remove(Note.of(cid))
                return
        except (StoreUnavailable, TimeoutError) as error:
            reason = str(error) or f"The node needs more than {format_span(REMOVAL_SECONDS)}."
            if isinstance(error, TimeoutError):
                # Much of it is removed by now.
                removal.attempts = 0
        log.warning("fetched_not_removed", cid=str(cid), reason=reason)
        removal.defer()
        self._pending.setdefault(cid, removal)
