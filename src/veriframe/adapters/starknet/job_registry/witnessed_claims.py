"""Checks before a claim binds money: plausible chain time, and terms on which two nodes agree.

A claim names a job but no terms: a node that shows a smaller bond, no arbiter, or a job that does not exist
would get a validly signed claim of something else. So with several endpoints, two are queried. An order never
changes; the state of its jobs does, and there the newer block counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from veriframe.adapters.starknet.contract.contract import Batch, Question
from veriframe.adapters.starknet.job_registry.moves import MoveSnapshot
from veriframe.adapters.starknet.rpc.endpoints import LAG_BLOCKS
from veriframe.adapters.starknet.trust.head_clock import HeadClock
from veriframe.adapters.starknet.trust.witnesses import Witnesses
from veriframe.errors import RegistryUnavailable
from veriframe.model.registry.job import Head, Job, Order

log = structlog.get_logger()

SECOND_SECONDS = 10.0
"""How long the second endpoint may take; submissions wait in the meantime."""


ReadThrough = Callable[[Collection[int], Batch | None], Awaitable[MoveSnapshot]]
"""Reads the registry's current state for some jobs, through the caller's choice of nodes or any."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The state that one endpoint returned."""

    name: str
    snapshot: MoveSnapshot

    @property
    def head(self) -> Head:
        return Head(self.snapshot.call.block, self.snapshot.call.now)


class WitnessedSnapshots:
    """What claims are judged by. Without `witnesses`, or with a single endpoint, that endpoint is trusted."""

    def __init__(self, read: ReadThrough, clock: HeadClock, witnesses: Witnesses | None) -> None:
        self._read, self._clock = read, clock
        self._witnesses = witnesses if witnesses is not None and len(witnesses.names) > 1 else None

    async def read(self, ids: Collection[int]) -> MoveSnapshot:
        """Reads the registry's state through two endpoints, if there are several.

        Raises `RegistryUnavailable` if they differ, one lags, or the chain's time is not plausible.
        """
        if self._witnesses is None:
            seen = _Seen("", await self._read(ids, None))
            self._clock.require_right(seen.head)
            return seen.snapshot
        first = await self._query(self._witnesses, ids)
        try:
            async with asyncio.timeout(SECOND_SECONDS):
                second = await self._query(self._witnesses, ids, first.name)
        except (RegistryUnavailable, TimeoutError) as error:
            raise RegistryUnavailable(
                f"A claim needs two nodes that show the same job, but only {first.name} answers now"
                f" ({error or 'not in time'}). Repair the others, or remove them from STARKNET_RPC."
            ) from error
        await self._compare(self._witnesses, ids, first, second)
        return max(first, second, key=lambda seen: seen.head.number).snapshot

    async def _query(self, witnesses: Witnesses, ids: Collection[int], *but: str) -> _Seen:
        names: list[str] = []

        async def batch(calls: Sequence[Question]) -> Sequence[Any]:
            answered = await witnesses.ask(calls, but=but)
            names.append(answered.endpoint)
            return answered.results

        snapshot = await self._read(ids, batch)
        return _Seen(names[-1], snapshot)

    async def _compare(self, witnesses: Witnesses, ids: Collection[int], first: _Seen, second: _Seen) -> None:
        for seen in (first, second):
            self._clock.require_right(seen.head)
        older, newer = sorted((first, second), key=lambda seen: seen.head.number)
        if _lags(older, newer):
            raise RegistryUnavailable(
                f"The node {older.name} is at block {older.head.number} and lags behind {newer.name} at"
                f" {newer.head.number}. A claim waits until both show the same job."
            )
        if difference := _difference(older, newer):
            odd = await self._odd_one(witnesses, ids, first, second)
            log.error("nodes_differ", endpoints=[first.name, second.name], reason=difference, distrusted=odd)
            left = f" {odd} is not queried for an hour." if odd else ""
            raise RegistryUnavailable(
                f"The nodes {first.name} and {second.name} show different {difference}: nothing is"
                f" claimed.{left}"
                " Remove the wrong one from STARKNET_RPC, or add a third."
            )

    async def _odd_one(
        self, witnesses: Witnesses, ids: Collection[int], first: _Seen, second: _Seen
    ) -> str | None:
        """Finds which of the two a third endpoint contradicts, and distrusts it. None if that is unclear."""
        if len(witnesses.names) < 3:
            return None
        try:
            async with asyncio.timeout(SECOND_SECONDS):
                third = await self._query(witnesses, ids, first.name, second.name)
        except (RegistryUnavailable, TimeoutError):
            return None
        contradicted = [
            seen.name for seen in (first, second) if _orders_differ(seen.snapshot, third.snapshot)
        ]
        if len(contradicted) != 1:
            return None
        witnesses.distrust(contradicted[0])
        return contradicted[0]


def _lags(older: _Seen, newer: _Seen) -> bool:
    """Whether the older block is too old, or precedes the job."""
    behind = newer.head.number - older.head.number
    return behind > LAG_BLOCKS or (
        behind > 0 and bool(newer.snapshot.jobs.keys() - older.snapshot.jobs.keys())
    )


def _difference(older: _Seen, newer: _Seen) -> str:
    """Describes a difference that lag does not explain; empty if there is none."""
    if older.head.time > newer.head.time or (
        older.head.number == newer.head.number and older.head.time != newer.head.time
    ):
        return f"times of the blocks {older.head.number} and {newer.head.number}"
    if missing := older.snapshot.jobs.keys() ^ newer.snapshot.jobs.keys():
        return f"jobs (only one shows job {min(missing)})"
    for job_id, job in older.snapshot.jobs.items():
        if names := _changed(job.order, newer.snapshot.jobs[job_id].order):
            return f"terms of job {job_id} ({', '.join(names)})"
    return ""


def _orders_differ(one: MoveSnapshot, other: MoveSnapshot) -> bool:
    def orders(jobs: Mapping[int, Job]) -> dict[int, Order]:
        return {job_id: job.order for job_id, job in jobs.items()}

    return orders(one.jobs) != orders(other.jobs)


def _changed(one: Order, other: Order) -> list[str]:
    """The names of the fields that differ, including those of the terms."""
    left, right = (asdict(order) | {"terms": None} | asdict(order.terms) for order in (one, other))
    return [name for name in left if left[name] != right[name]]
