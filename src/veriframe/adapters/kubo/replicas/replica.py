"""Others that keep what this node has, and give it back: asked before a CID is handed on.

Content that one node alone has is lost with that node; and content that nobody else can read is worth nothing
to whoever paid for it. Both are found out here, while something can still be done. A replica that is away
never loses what the node has: it is waited for, a while, and then said in the log.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import structlog

from veriframe.adapters.kubo.blocks.dag import BlockSource
from veriframe.adapters.kubo.fetching.delivery import KuboBlocks
from veriframe.adapters.kubo.node.address import parse_address
from veriframe.adapters.kubo.node.api import KuboApi
from veriframe.adapters.kubo.replicas.retrieval import read_back
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import StoreUnavailable, VeriFrameError
from veriframe.model.content.cid import parse_cid
from veriframe.model.content.folder import FolderLimits
from veriframe.ports.store import ContentStore, OnTransfer, Pin, StoreRoom, ignore_transfer

log = structlog.get_logger()

LOOKUP_SECONDS = 30.0
"""Until the second node has found a block that it does not have."""

PAUSE_SECONDS = 1.0
PAUSE_MAX_SECONDS = 10.0
CALL_SECONDS = 10.0
"""For what is quick or not worth more: a release, a check."""

OWED_AT_MOST = 50


class ReplicaRefused(StoreUnavailable):
    """A replica answered, and trying again at once would change nothing."""


class Replica(Protocol):
    """Somebody else who keeps content. Methods raise `StoreUnavailable`, and may be cut off."""

    @property
    def name(self) -> str:
        """Where it is, for the log."""

    async def keep(self, pin: Pin, source: Path | None) -> None:
        """Pin content and wait until it is there; `source` is where it lies here, if it still does."""

    async def release(self, pin: Pin) -> None:
        """Keep it no longer under this name. Unknown pins are no error."""

    async def room(self) -> StoreRoom:
        """How much it may still keep, as far as it tells."""

    async def check(self) -> None:
        """Raises where it is not what it should be, or does not let this worker in."""

    async def close(self) -> None:
        """End all connections."""


def second_node(api_url: str, token: str | None) -> SecondNode:
    """The node whose API is at `api_url`. Raises `SettingsError` where that is no address."""
    address = parse_address(api_url, "ipfs_replica_api")
    return SecondNode(KuboStore(address, token=token), KuboApi(address, token))


class SecondNode(Replica):
    """A Kubo node as a replica: it gets the bytes, and gives them back."""

    def __init__(self, store: KuboStore, api: KuboApi) -> None:
        self._store, self._api, self._blocks = store, api, KuboBlocks(api, LOOKUP_SECONDS)

    @property
    def name(self) -> str:
        """Its address."""
        return self._api.address

    async def keep(self, pin: Pin, source: Path | None) -> None:
        """Add the same bytes there. Without them, pin what it has, or finds in its network."""
        if source is None:
            try:
                await self._store.pin(pin)
            except StoreUnavailable:
                # A node keeps the blocks that it is asked for.
                await read_back(parse_cid(pin.cid), self._blocks)
                await self._store.pin(pin)
            return
        cid = await self._store.add(source, pin.name)
        if cid != pin.cid:
            raise ReplicaRefused(f"{source.name} was changed while it was added: {cid} is not {pin.cid}.")
        await read_back(parse_cid(cid), self._blocks)

    async def release(self, pin: Pin) -> None:
        """Unpin it there."""
        await self._store.unpin(pin)

    async def room(self) -> StoreRoom:
        """As its node tells."""
        return await self._store.room()

    async def check(self) -> None:
        """Ask for its version."""
        await self._store.version()

    async def close(self) -> None:
        """End all connections."""
        await self._store.close()
        await self._api.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How long others may take, in seconds, and whether it counts as failed where they do not do it."""

    seconds: float = 30.0
    required: bool = False


class SpreadStore(ContentStore):
    """`node` with its `replicas`; and `witnesses`, from which what was added must be had."""

    def __init__(
        self, node: KuboStore, replicas: Sequence[Replica], witnesses: Sequence[BlockSource], spread: Spread
    ) -> None:
        self.node = node
        self._replicas, self._witnesses, self._spread = tuple(replicas), tuple(witnesses), spread
        self._away = set[str]()
        self._owed = list[tuple[Replica, Pin]]()

    async def close(self) -> None:
        """Close the connections to the node and to its replicas."""
        for replica in self._replicas:
            await replica.close()
        await self.node.close()

    async def add(self, source: Path, pin_name: str, on_progress: OnTransfer = ignore_transfer) -> str:
        """As the node does; then replicas keep it, and it is read back from others.

        Raises `StoreUnavailable` where somebody does not do it in time and that is required.
        """
        cid = await self.node.add(source, pin_name, on_progress)
        pin = Pin(cid=cid, name=pin_name)
        works = [(replica.name, _keeping(replica, pin, source)) for replica in self._replicas]
        works += [(_named(witness), _reading(witness, cid)) for witness in self._witnesses]
        told = await asyncio.gather(*(self._in_time(name, pin, work) for name, work in works))
        reasons = [reason for reason in told if reason]
        if reasons and self._spread.required:
            raise StoreUnavailable(
                f"{cid} is on the IPFS node, but not on all others, which replica_required asks for: "
                f"{' '.join(reasons)}"
            )
        return cid

    async def fetch(
        self, cid: str, target: Path, limit_bytes: int, on_progress: OnTransfer = ignore_transfer
    ) -> int:
        """As the node does."""
        return await self.node.fetch(cid, target, limit_bytes, on_progress)

    async def fetch_folder(
        self, cid: str, target: Path, limits: FolderLimits, on_progress: OnTransfer = ignore_transfer
    ) -> int:
        """As the node does."""
        return await self.node.fetch_folder(cid, target, limits, on_progress)

    async def pin(self, pin: Pin) -> None:
        """As the node does; replicas are asked too, and what they cannot is said in the log."""
        await self.node.pin(pin)
        works = [(replica.name, _keeping(replica, pin, None)) for replica in self._replicas]
        await asyncio.gather(*(self._in_time(name, pin, work) for name, work in works))

    async def unpin(self, pin: Pin) -> None:
        """As the node does; a replica that is away hears of it with a later one, in this process' life."""
        await self.node.unpin(pin)
        self._owed = [*self._owed[-OWED_AT_MOST:], *((replica, pin) for replica in self._replicas)]
        owed, self._owed = self._owed, []
        self._owed += filter(None, await asyncio.gather(*(_release(*debt) for debt in owed)))

    async def pins(self) -> Sequence[Pin]:
        """The node's own."""
        return await self.node.pins()

    async def room(self) -> StoreRoom:
        """The node's; where all copies are required, the least that anybody has."""
        room = await self.node.room()
        for replica in self._replicas if self._spread.required else ():
            other = await replica.room()
            if other.free_bytes is not None and other.free_bytes < _at_least(room.free_bytes):
                room = replace(room, free_bytes=other.free_bytes, remedy=f"At {replica.name}: {other.remedy}")
        return room

    async def tidy(self) -> None:
        """As the node does; nothing is fetched through replicas."""
        await self.node.tidy()

    async def reach(self) -> Mapping[str, str]:
        """Ask each replica whether it would serve. By name: why it would not, empty where it would."""
        reasons = await asyncio.gather(*(_reason(replica) for replica in self._replicas))
        return dict(zip((replica.name for replica in self._replicas), reasons, strict=True))

    async def _in_time(self, name: str, pin: Pin, work: Callable[[], Awaitable[object]]) -> str:
        """Why somebody did not do its part, or nothing. Who was away before is not waited for again."""
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
            reason = reason or f"{name} did not do its part within {self._spread.seconds:g} seconds."
        self._away.add(name)
        log.warning("copy_missing", where=name, cid=pin.cid, pin=pin.name, reason=reason)
        return reason


def _at_least(free_bytes: int | None) -> float:
    return math.inf if free_bytes is None else free_bytes


def _keeping(replica: Replica, pin: Pin, source: Path | None) -> Callable[[], Awaitable[object]]:
    return lambda: replica.keep(pin, source)


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
        return f"It says nothing within {CALL_SECONDS:g} seconds."
    return ""


async def _release(replica: Replica, pin: Pin) -> tuple[Replica, Pin] | None:
    """Nothing where it is done, else what is still owed."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            await replica.release(pin)
    except (VeriFrameError, TimeoutError) as error:
        reason = str(error) or f"nothing came within {CALL_SECONDS:g} seconds"
        log.warning("copy_not_released", where=replica.name, cid=pin.cid, pin=pin.name, reason=reason)
        return replica, pin
    return None
