"""Fake replicas and witnesses, and a store with them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from structlog.typing import EventDict
from tests.unit.adapters.kubo.lying_node import Blocks, LyingNode

from veriframe.adapters.kubo.fetching.fetcher import BlockSource
from veriframe.adapters.kubo.replicas.replica import Replica
from veriframe.adapters.kubo.replicas.replicated_store import ReplicatedStore, ReplicationPolicy
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import Code, JobRejected, StoreUnavailable
from veriframe.model.content.cid import Cid
from veriframe.ports.store import Pin, StoreRoom

NAME = "job-result-0x1-7"
UNAVAILABLE = StoreUnavailable("It does not answer.")


@dataclass
class FakeReplica(Replica):
    """Keeps pins; first raises its `faults` in turn. `tries` counts calls; with `stuck` no call ends."""

    name: str = "replica"
    faults: list[Exception] = field(default_factory=list)
    kept: list[Pin] = field(default_factory=list)
    sources: list[Path | None] = field(default_factory=list)
    tries: int = 0
    stuck: bool = False
    left: StoreRoom = field(default_factory=StoreRoom)

    async def keep(self, pin: Pin, source: Path | None) -> None:
        """Keeps it, or fails."""
        self.sources.append(source)
        await self._fail()
        self.kept.append(pin)

    async def release(self, pin: Pin) -> None:
        """Releases it, or fails."""
        await self._fail()
        self.kept.remove(pin)

    async def room(self) -> StoreRoom:
        """Returns what the test says, or fails."""
        await self._fail()
        return self.left

    async def check(self) -> None:
        """Fails, if it is to."""
        await self._fail()

    async def close(self) -> None:
        """Nothing is open."""

    async def _fail(self) -> None:
        self.tries += 1
        if self.stuck:
            await asyncio.Event().wait()
        if self.faults:
            raise self.faults.pop(0)


class Counting(Blocks):
    """Blocks, with a record of requests; the first `absences` requests find nothing."""

    def __init__(self, blocks: dict[str, bytes], *, absences: int = 0, stuck: bool = False) -> None:
        super().__init__(blocks)
        self.asked: list[str] = []
        self.started = asyncio.Event()
        self._absences, self._stuck = absences, stuck

    async def block(self, cid: Cid) -> bytes:
        """Returns a block, or not yet."""
        self.asked.append(str(cid))
        if len(self.asked) <= self._absences:
            raise JobRejected(Code.NOT_FOUND, f"{cid} is not here.")
        self.started.set()
        if self._stuck:
            await asyncio.Event().wait()
        return await super().block(cid)


def spread(
    node: LyingNode, *replicas: Replica, witnesses: tuple[BlockSource, ...] = (), required: bool = False
) -> ReplicatedStore:
    """A store with short timeouts."""
    timeouts = ReplicationPolicy(seconds=0.3, required=required)
    return ReplicatedStore(KuboStore(node.url), replicas, witnesses, timeouts)


def missing(lines: list[EventDict]) -> list[tuple[str, str]]:
    """Returns the replicas that failed, and why, from the log."""
    return [(line["where"], line["reason"]) for line in lines if line["event"] == "copy_missing"]
