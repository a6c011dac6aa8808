"""Replicas: second nodes and services that keep a copy of what this node has, confirmed before a CID is used.

Content that only one node has is lost with that node, and content that nobody else can read is worth nothing
to the creator who paid for it. Both problems are found here, while something can still be done. A replica
that is unavailable never affects what the node has: it is waited for, for a limited time, and then reported
in the log.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from veriframe.adapters.kubo.fetching.fetcher import BlockSource
from veriframe.adapters.kubo.replicas.replica import Replica, ReplicaRefused
from veriframe.adapters.kubo.replicas.retrieval import read_back
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import StoreUnavailable, VeriFrameError
from veriframe.model.content.cid import parse_cid
from veriframe.model.quantities import format_span
from veriframe.ports.store import (
    ContentStore,
    Fetched,
    FetchLimits,
    OnTransfer,
    Pin,
    StoreCheck,
    StoreRoom,
    ignore_transfer,
)

log = structlog.get_logger()

PAUSE_SECONDS = 1.0
PAUSE_MAX_SECONDS = 10.0
CALL_SECONDS = 10.0
"""For quick or unimportant calls: a release, a check."""

MOST_PENDING_RELEASES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationPolicy:
    """How long replicas may take, in seconds, and whether `add` fails without them."""

    seconds: float = 30.0
    required: bool = False


class ReplicatedStore(ContentStore):
    """`node` with its `replicas`, and `witnesses`, through which additions must be readable."""

    def __init__(
        self,
        node: KuboStore,
        replicas: Sequence[Replica],
        witnesses: Sequence[BlockSource],
        spread: ReplicationPolicy,
    ) -> None:
        self.node = node
        self._replicas, self._witnesses, self._spread = tuple(replicas), tuple(witnesses), spread
        self._away = set[str]()
        self._pending = list[tuple[Replica, Pin]]()

    async def close(self) -> None:
        """Closes the connections to the node and to its replicas."""
        for replica in self._replicas:
            await replica.close()
        await self.node.close()

    async def add(self, source: Path, pin_name: str, on_progress: OnTransfer = ignore_transfer) -> str:
        """Adds to the node; then replicas keep a copy, and it is read back from the witnesses.

        Raises `StoreUnavailable` if one of them fails or is late and copies are required.
        """
        cid = await self.node.add(source, pin_name, on_progress)
        pin = Pin(cid=cid, name=pin_name)
        await self._spread_copies(pin, lambda replica: replica.keep(pin, source))
        return cid

    async def _spread_copies(self, pin: Pin, keep: Callable[[Replica], Awaitable[object]]) -> None:
        cid = pin.cid
        works: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            (replica.name, partial(keep, replica)) for replica in self._replicas
        ]
        works += [(_named(witness), _reading(witness, cid)) for witness in self._witnesses]
        outcomes = await asyncio.gather(*(self._in_time(name, pin, work) for name, work in works))
        reasons = [reason for reason in outcomes if reason]
        if reasons and self._spread.required:
            raise StoreUnavailable(
                f"{cid} is on the IPFS node, but not on all replicas, as replica_required demands: "
                f"{' '.join(reasons)}"
            )

    async def fetch(
        self,
        cid: str,
        target: Path,
        limits: FetchLimits,
        on_progress: OnTransfer = ignore_transfer,
        path: str = "",
    ) -> Fetched:
        """As the node does."""
        return await self.node.fetch(cid, target, limits, on_progress, path)

    async def read(self, cid: str, path: str, offset: int, length: int) -> bytes:
        """As the node does."""
        return await self.node.read(cid, path, offset, length)

    async def with_file(self, folder_cid: str, name: str, content: bytes, pin_name: str) -> str:
        """Changes the folder on the node; then replicas keep a copy, as after `add`."""
        cid = await self.node.with_file(folder_cid, name, content, pin_name)
        pin = Pin(cid=cid, name=pin_name)
        await self._spread_copies(pin, lambda replica: replica.change(pin, folder_cid, name, content))
        return cid

    async def pin(self, pin: Pin) -> None:
        """Pins on the node and on the replicas; failures of replicas are logged."""
        await self.node.pin(pin)
        works = [(replica.name, partial(replica.keep, pin, None)) for replica in self._replicas]
        await asyncio.gather(*(self._in_time(name, pin, work) for name, work in works))

    async def unpin(self, pin: Pin) -> None:
        """Unpins on the node; an unavailable replica is asked again with a later `unpin` of this process."""
        await self.node.unpin(pin)
        self._pending = [
            *self._pending[-MOST_PENDING_RELEASES:],
            *((replica, pin) for replica in self._replicas),
        ]
        pending, self._pending = self._pending, []
        failed = await asyncio.gather(*(_release(*one) for one in pending))
        # Only now: another `unpin` may have added releases meanwhile.
        self._pending += filter(None, failed)

    async def pins(self, prefix: str = "") -> Sequence[Pin]:
        """Returns the node's own pins."""
        return await self.node.pins(prefix)

    async def ready(self) -> None:
        """Asks the node only."""
        await self.node.ready()

    async def room(self) -> StoreRoom:
        """Returns the node's room; if all copies are required, the least of all."""
        room = await self.node.room()
        for replica in self._replicas if self._spread.required else ():
            other = await replica.room()
            if other.free_bytes is not None and other.free_bytes < _at_least(room.free_bytes):
                room = replace(room, free_bytes=other.free_bytes, remedy=f"At {replica.name}: {other.remedy}")
        return room

    async def tidy(self) -> None:
        """Tidies the node; nothing is fetched through replicas."""
        await self.node.tidy()

    def checks(self) -> Sequence[StoreCheck]:
        """Asks the replicas, and what the node asks."""
        is_required = self._spread.required
        ours = [StoreCheck(name="copies", tell=self._reach)] if self._replicas else []
        return [replace(check, is_required=is_required) for check in (*ours, *self.node.checks())]

    async def _reach(self) -> Mapping[str, str]:
        """Asks each replica whether it would serve. Returns, by name, why it would not, or an empty text."""
        reasons = await asyncio.gather(*(_reason(replica) for replica in self._replicas))
        return dict(zip((replica.name for replica in self._replicas), reasons, strict=True))

    async def _in_time(self, name: str, pin: Pin, work: Callable[[], Awaitable[object]]) -> str:
        """Returns why a replica failed, or an empty text. One that failed before gets one attempt."""
        started, reason, pause = time.monotonic(), "", PAUSE_SECONDS
        try:
            async with asyncio.timeout(self._spread.seconds):
                while True:
                    try:
                        await work()
                    except VeriFrameError as error:
                        reason = str(error)
                        if name in self._away or isinstance(error, ReplicaRefused):
                            break
                    else:
                        self._away.discard(name)
                        seconds = round(time.monotonic() - started, 3)
                        log.info("copy_confirmed", where=name, cid=pin.cid, pin=pin.name, seconds=seconds)
                        return ""
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, PAUSE_MAX_SECONDS)
        except TimeoutError:
            reason = reason or f"{name} did not finish within {format_span(self._spread.seconds)}."
        self._away.add(name)
        log.warning("copy_missing", where=name, cid=pin.cid, pin=pin.name, reason=reason)
        return reason


def _at_least(free_bytes: int | None) -> float:
    return math.inf if free_bytes is None else free_bytes


def _reading(witness: BlockSource, cid: str) -> Callable[[], Awaitable[object]]:
    return lambda: read_back(parse_cid(cid), witness)


def _named(witness: BlockSource) -> str:
    return type(witness).__name__.lower()


async def _reason(replica: Replica) -> str:
    try:
        async with asyncio.timeout(CALL_SECONDS):
            await replica.check()
    except VeriFrameError as error:
        return str(error)
    except TimeoutError:
        return f"It did not answer within {format_span(CALL_SECONDS)}."
    return ""


async def _release(replica: Replica, pin: Pin) -> tuple[Replica, Pin] | None:
    """Releases a pin. Returns what is still pending, or None."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            await replica.release(pin)
    except (VeriFrameError, TimeoutError) as error:
        reason = str(error) or f"no answer within {format_span(CALL_SECONDS)}"
        log.warning("copy_not_released", where=replica.name, cid=pin.cid, pin=pin.name, reason=reason)
        return replica, pin
    return None
