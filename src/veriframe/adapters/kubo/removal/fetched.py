"""What a node has only because it was fetched through it: removed again, once the fetch is over.

A node keeps all that it is asked for. Strangers' scenes would fill it, and a full node stops a worker. So a
fetch of what the node does not have is noted in the node itself, by a pin `veriframe-fetched:CID` of a tiny
block: it outlives a kill, and all workers on the node see it. What was there before is left alone.
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
from veriframe.adapters.kubo.node.api import Answer, KuboApi, NodeRefused, Query
from veriframe.adapters.kubo.removal.removal import Removal
from veriframe.errors import JobRejected, StoreUnavailable
from veriframe.model.content.cid import Cid, Codec, parse_cid

log = structlog.get_logger()

NOTE_SECONDS = 10.0
"""For all that is asked before a fetch begins."""
REMOVAL_SECONDS = 600.0
"""For one DAG, in one go."""
RETRY_SECONDS = 60.0
RETRY_MAX_SECONDS = 3600.0
"""Between tries of a removal that fails: from one to the other, doubled each time."""
SETTLE_SECONDS = 3.0
"""After a fetch that was cut off: blocks that the node has asked for may still come in."""
OWED_AT_MOST = 10_000
CLOSE_SECONDS = 5.0

_NAME = "veriframe-fetched:"


class _Key(Answer):
    Key: str


class _Pins(Answer):
    Pins: list[str]


class _Pinned(Answer):
    Name: str = ""


class _Listed(Answer):
    Keys: dict[str, object]


@dataclass(frozen=True, slots=True)
class Note:
    """The block in a node that says what was fetched: it holds its own pin's name."""

    cid: str
    name: str

    @classmethod
    def of(cls, fetched: Cid) -> Note:
        """The note for one root."""
        name = f"{_NAME}{fetched}"
        return cls(str(Cid(Codec.RAW, sha256(name.encode()).digest())), name)


class Notes:
    """The notes in one node. Methods raise `StoreUnavailable`."""

    def __init__(self, api: KuboApi) -> None:
        self._api = api

    async def is_there(self, note: Note) -> bool:
        """Whether it was put, by whomever."""
        try:
            await self._api.call("pin/ls", {"arg": note.cid, "type": "direct"}, _Listed, NOTE_SECONDS)
        except NodeRefused:
            return False
        return True

    async def put(self, note: Note) -> None:
        """Keep it. Again is no error."""
        put: Query = {"cid-codec": "raw", "mhtype": "sha2-256", "mhlen": -1, "pin": "false"}
        async with self._api.post(
            "block/put", put, NOTE_SECONDS, body=one_part(note.name.encode())
        ) as answer:
            answer.parse(await answer.body(), _Key)
        pin: Query = {"arg": note.cid, "name": note.name, "recursive": "false", "offline": "true"}
        await self._api.call("pin/add", pin, _Pins, NOTE_SECONDS)

    async def remove(self, note: Note) -> None:
        """Keep it no longer. Where it is not there, that is no error."""
        try:
            await self._api.call("pin/rm", {"arg": note.cid, "recursive": "false"}, _Pins, NOTE_SECONDS)
        except NodeRefused as error:
            if "not pinned" not in error.message:
                raise
        async with self._api.post("block/rm", {"arg": note.cid, "force": "true"}, NOTE_SECONDS) as answer:
            await answer.body()

    async def roots(self) -> AsyncIterator[Cid]:
        """What the notes name."""
        query: Query = {"type": "direct", "names": "true", "name": _NAME, "stream": "true"}
        async with self._api.post("pin/ls", query, REMOVAL_SECONDS) as answer:
            async for pinned in answer.objects(_Pinned):
                # Another program's pin may bear such a name.
                with suppress(JobRejected):
                    if pinned.Name.startswith(_NAME):
                        yield parse_cid(pinned.Name.removeprefix(_NAME))


@dataclass(slots=True)
class _Debt:
    """A removal that is owed, not to be tried before `due`, in monotonic seconds."""

    due: float
    tries: int = 0

    def put_off(self) -> None:
        """After a try that failed."""
        self.due = time.monotonic() + min(RETRY_SECONDS * 2**self.tries, RETRY_MAX_SECONDS)
        self.tries = min(self.tries + 1, 10)


class FetchedBlocks:
    """One for each store. Nothing here raises into a fetch. `pins_made` counts the pins made meanwhile."""

    def __init__(self, api: KuboApi) -> None:
        self._api, self._notes = api, Notes(api)
        self.pins_made = 0
        self._removal = Removal(api, lambda: self.pins_made)
        self._under_way = Counter[Cid]()
        self._owed = dict[Cid, _Debt]()
        self._is_listing_due = False
        self._is_pausing = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def fetching(self, cid: Cid) -> AsyncIterator[None]:
        """For the time of a fetch. After the last one of a CID, what it brought to the node is removed."""
        self._under_way[cid] += 1
        try:
            await self._begin(cid)
            yield
        except BaseException:
            if cid in self._owed:
                self._owe(cid, SETTLE_SECONDS)
            raise
        finally:
            self._under_way[cid] -= 1
            if not self._under_way[cid]:
                del self._under_way[cid]
                self._start()

    def tidy(self) -> None:
        """Remove what is noted in the node: fetches that were killed, and removals that were."""
        self._is_listing_due = True
        self._start()

    async def close(self) -> None:
        """Give what is under way a moment. What is not done stays noted."""
        if self._task is not None and not self._task.done():
            if not self._is_pausing:
                await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _begin(self, cid: Cid) -> None:
        """Owe its removal if the node lacks it, or has it from such a fetch. Noted before anything comes."""
        note = Note.of(cid)
        try:
            async with asyncio.timeout(NOTE_SECONDS):
                is_there = await self._has(cid)
                if is_there and not await self._notes.is_there(note):
                    return
                self._owe(cid)
                if not is_there:
                    await self._notes.put(note)
        except (StoreUnavailable, TimeoutError) as error:
            log.info("fetch_not_noted", cid=str(cid), reason=str(error))

    async def _has(self, cid: Cid) -> bool:
        try:
            await self._api.call("block/stat", {"arg": str(cid), "offline": "true"}, _Key, NOTE_SECONDS)
        except NodeRefused as error:
            if error.is_absence:
                return False
            raise
        return True

    def _owe(self, cid: Cid, seconds: float = 0.0) -> None:
        if len(self._owed) < OWED_AT_MOST:
            self._owed[cid] = _Debt(time.monotonic() + seconds)

    def _start(self) -> None:
        if self._task is not None and not self._task.done():
            self._wake.set()
        elif self._owed or self._is_listing_due:
            self._wake = asyncio.Event()
            self._task = asyncio.create_task(self._remove_all())

    async def _remove_all(self) -> None:
        """Until nothing is owed but what is being fetched."""
        while True:
            self._wake.clear()
            if self._is_listing_due:
                await self._list()
            for cid in self._free():
                if self._owed[cid].due <= time.monotonic() and not self._under_way[cid]:
                    await self._remove(cid)
            if not self._is_listing_due and not self._free():
                return
            self._is_pausing = True
            due = min((self._owed[cid].due for cid in self._free()), default=math.inf) - time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(RETRY_SECONDS, max(due, 0.0))):
                    await self._wake.wait()
            self._is_pausing = False

    def _free(self) -> list[Cid]:
        return [cid for cid in self._owed if not self._under_way[cid]]

    async def _list(self) -> None:
        try:
            async for cid in self._notes.roots():
                self._owe(cid, SETTLE_SECONDS)
        except StoreUnavailable as error:
            log.info("fetched_not_listed", reason=str(error))
        else:
            self._is_listing_due = False

    async def _remove(self, cid: Cid) -> None:
        # A fetch that begins meanwhile owes it anew.
        debt = self._owed.pop(cid)
        try:
            async with asyncio.timeout(REMOVAL_SECONDS):
                # The root comes first, and goes last.
                if await self._has(cid):
                    await self._removal.run(cid)
                if not self._under_way[cid]:
                    await self._notes.remove(Note.of(cid))
                return
        except (StoreUnavailable, TimeoutError) as error:
            reason = str(error) or f"The node needs more than {REMOVAL_SECONDS:g} seconds."
            if isinstance(error, TimeoutError):
                # Much of it is gone by now.
                debt.tries = 0
        log.warning("fetched_not_removed", cid=str(cid), reason=reason)
        debt.put_off()
        self._owed.setdefault(cid, debt)
