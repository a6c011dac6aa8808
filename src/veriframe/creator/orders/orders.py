"""Orders as their creator reads them: one by its number, all of an account, one that is followed."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from veriframe.creator.jobs import RETRY_SECONDS, Jobs, orders_from
from veriframe.creator.orders.notes import OrderNote, OrderNotes
from veriframe.creator.orders.values import OrderStatus
from veriframe.errors import Code, JobError, JobRejected, MoveRefused, Unavailable
from veriframe.model.bundle.chunks import check_parts
from veriframe.model.bundle.job_file import FILE_NAME, MOST_BYTES, Bundle, parse_job_file
from veriframe.model.registry.job import Job, Order
from veriframe.model.registry.order import JOBS_MAX
from veriframe.model.registry.pin_names import PinNames
from veriframe.ports.registry import read_jobs
from veriframe.ports.store import FetchLimits, Pin

MOST_JOBS = 10_000
"""The most jobs of a registry that a list of orders reads: anyone may post them for little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """The orders of a registry, read through `jobs`. Methods raise `Unavailable`.

    `notes` are those of the reader's account on this machine; whatever they lack is asked of the asset.
    """

    jobs: Jobs
    notes: OrderNotes
    _bundles: dict[str, Bundle | None] = field(default_factory=dict)

    async def find(self, number: int) -> OrderStatus:
        """An order by the number of its first one in the registry. Raises `MoveRefused`, `JobRejected`.

        BAD_BUNDLE, PARTS: its `job.json` cannot be used, or does not fit it.
        """
        order = await self._order(number)
        orders = [order]
        while orders[-1].jobs == JOBS_MAX and (more := await self._continuation(orders[-1])) is not None:
            orders.append(more)
        status = await self._status(orders)
        return replace(status, bundles=await self._read_bundles(orders))

    async def again(self, before: OrderStatus) -> OrderStatus:
        """The same order now. Chunks that are final are not read again."""
        first_open = [job.id for job in before.jobs if not job.state.is_final]
        if not first_open:
            return before
        known = {job.id: job for job in before.jobs}
        reader = self.jobs.registry
        wanted = range(first_open[0], first_open[-1] + 1)
        own = [
            order for order in before.orders if _last(order) >= wanted[0] and order.first_job <= wanted[-1]
        ]
        now = before.now
        for order in own:
            first, last = max(order.first_job, wanted[0]), min(_last(order), wanted[-1])
            snapshot = await reader.snapshot(first, min(reader.jobs_at_once, last - first + 1))
            found, now = list(snapshot.jobs), snapshot.head.time
            if (begin := first + reader.jobs_at_once) <= last:
                found += await read_jobs(reader, begin, last - begin + 1)
            known |= {job.id: job for job in found}
        return replace(before, jobs=tuple(known[job.id] for job in before.jobs), now=now)

    async def followed(self, number: int, poll_seconds: float) -> AsyncIterator[OrderStatus]:
        """Poll an order until it is over, with one read for all chunks that are not final."""
        import stamina  # noqa: PLC0415 - most commands do not wait

        status = await self.find(number)
        while True:
            yield status
            if status.is_over:
                await self.release(status)
                return
            await asyncio.sleep(poll_seconds)
            async for attempt in stamina.retry_context(on=Unavailable, attempts=None, timeout=RETRY_SECONDS):
                with attempt:
                    status = await self.again(status)

    async def own(
        self, limit: int, *, everybody: bool = False, most_jobs: int = MOST_JOBS
    ) -> tuple[Sequence[OrderStatus], bool]:
        """At most `limit` orders of the account, or of everybody, newest first, and whether more may follow.

        Anyone may post jobs between them, so the newest `most_jobs` of the registry are read at most. Only
        notes tell of their frames: no asset is fetched.
        """
        reader = self.jobs.registry
        head = await reader.snapshot(1, 0)
        last, found = head.job_counter, dict[int, list[Job]]()
        groups: list[list[Order]] = []
        end = max(0, last - most_jobs)
        while last > end and len(groups) <= limit:
            first = max(1, last - reader.jobs_at_once + 1)
            for job in reversed(await read_jobs(reader, first, last - first + 1)):
                if everybody or job.order.creator == self.jobs.account:
                    found.setdefault(job.order.id, []).append(job)
            last = first - 1
            orders = [jobs[0].order for jobs in found.values()]
            groups = _grouped([order for order in orders if order.first_job > last])
        is_cut = last > 0 and len(groups) <= limit
        return [self._known(group, found, head.head.time) for group in groups[:limit]], is_cut

    def _known(self, group: Sequence[Order], found: Mapping[int, list[Job]], now: int) -> OrderStatus:
        notes, bundles = self.notes.read_orders(), dict[int, Bundle]()
        for order in group:
            note = notes.get(order.asset_cid)
            with suppress(JobError):
                if note is not None and note.job_file:
                    bundle = parse_job_file(note.job_file.encode())
                    check_parts(bundle, order.jobs)
                    bundles[order.id] = bundle
        jobs = tuple(job for order in group for job in reversed(found[order.id]))
        return OrderStatus(
            orders=tuple(group),
            jobs=jobs,
            bundles=bundles,
            notes=notes,
            now=now,
            checks=self.notes.read_checks(),
            conclusions=self.notes.read_conclusions(),
        )

    async def release(self, status: OrderStatus) -> None:
        """Release the scene and the evidence of each own order of the registry whose jobs are all final."""
        if status.order.creator != self.jobs.account:
            return
        with suppress(Unavailable):
            names = await self.jobs.pin_names()
            for order in status.orders:
                own = [job for job in status.jobs if job.order.id == order.id]
                if all(job.state.is_final for job in own):
                    pin = Pin(cid=order.asset_cid, name=names.asset(order.first_job))
                    await self.jobs.store.unpin(pin)
                    for job in own:
                        await self._release_evidence(job, names)

    async def _release_evidence(self, job: Job, names: PinNames) -> None:
        name = names.evidence(job.id)
        for pin in await self.jobs.store.pins(name) if job.disputed_block else ():
            if pin.name == name:
                await self.jobs.store.unpin(pin)

    async def _order(self, number: int) -> Order:
        """Search by halves: orders and their jobs are numbered in the same sequence."""
        reader = self.jobs.registry
        low, high = 1, (await reader.snapshot(1, 0)).job_counter
        while low <= high:
            middle = (low + high) // 2
            found = (await reader.snapshot(middle, 1)).jobs
            if not found:
                break
            order = found[0].order
            if order.id == number:
                return order
            low, high = (_last(order) + 1, high) if order.id < number else (low, order.first_job - 1)
        raise MoveRefused(
            "UNKNOWN_ORDER", f"This registry has no order {number}. `veriframe order list` lists yours."
        )

    async def _continuation(self, order: Order) -> Order | None:
        """The next order of the same creator, if it goes on with this one: its terms are the same."""
        parts = self._parts(order)
        async for other in orders_from(self.jobs.registry, _last(order) + 1):
            if other.creator != order.creator or (parts and other.asset_cid not in parts):
                continue
            return other if _continues(order, other) else None
        return None

    def _parts(self, order: Order) -> frozenset[str]:
        """The assets of the order's parts as they were noted when it was posted; empty without a note."""
        drafts = (draft.assets for draft in self.notes.read_drafts() if order.asset_cid in draft.assets)
        return frozenset(cid for assets in drafts for cid in assets) - {order.asset_cid}

    async def _status(self, orders: Sequence[Order]) -> OrderStatus:
        reader, jobs = self.jobs.registry, list[Job]()
        head = (await reader.snapshot(1, 0)).head if len(orders) > 1 else None
        for order in orders:
            snapshot = await reader.snapshot(order.first_job, min(order.jobs, reader.jobs_at_once))
            jobs += snapshot.jobs
            head = head or snapshot.head
            if order.jobs > reader.jobs_at_once:
                begin = order.first_job + reader.jobs_at_once
                jobs += await read_jobs(reader, begin, order.jobs - reader.jobs_at_once)
        assert head is not None
        return OrderStatus(
            orders=tuple(orders),
            jobs=tuple(jobs),
            bundles={},
            notes=self.notes.read_orders(),
            now=head.time,
            checks=self.notes.read_checks(),
            conclusions=self.notes.read_conclusions(),
        )

    async def _read_bundles(self, orders: Iterable[Order]) -> Mapping[int, Bundle]:
        found = {order.id: await self.bundle(order) for order in orders}
        return {number: bundle for number, bundle in found.items() if bundle is not None}

    async def bundle(self, order: Order) -> Bundle | None:
        """What the order's `job.json` says; None for a bare scene. Raises `JobRejected` (BAD_BUNDLE)."""
        cid = order.asset_cid
        if cid not in self._bundles:
            note = self.notes.read_orders().get(cid)
            if note is not None and note.job_file:
                self._bundles[cid] = parse_job_file(note.job_file.encode())
            else:
                self._bundles[cid] = await self._fetched_bundle(order)
        bundle = self._bundles[cid]
        if bundle is not None:
            check_parts(bundle, order.jobs)
        return bundle

    async def _fetched_bundle(self, order: Order) -> Bundle | None:
        with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
            target = Path(folder) / FILE_NAME
            try:
                limits = FetchLimits(file_bytes=MOST_BYTES)
                await self.jobs.store.fetch(order.asset_cid, target, limits, path=FILE_NAME)
            except JobRejected as error:
                if error.code is Code.NOT_A_FILE:
                    return None
                raise
            content = target.read_bytes()
        bundle = parse_job_file(content)
        if order.creator == self.jobs.account:
            self.notes.note_order(
                order.asset_cid,
                OrderNote(name=bundle.scene.rpartition("/")[2], job_file=content.decode("ascii", "replace")),
            )
        return bundle


def _last(order: Order) -> int:
    return order.first_job + order.jobs - 1


def _continues(before: Order, after: Order) -> bool:
    same = (before.creator, before.terms) == (after.creator, after.terms)
    return before.jobs == JOBS_MAX and same and after.asset_cid != before.asset_cid


def _grouped(orders: Sequence[Order]) -> list[list[Order]]:
    """Orders of the registry, newest first, as artists see them: those that go on are one."""
    groups: list[list[Order]] = []
    newest: dict[int, list[Order]] = {}
    for order in sorted(orders, key=lambda order: order.id):
        group = newest.get(order.creator)
        if group is not None and _continues(group[-1], order):
            group.append(order)
            continue
        newest[order.creator] = [order]
        groups.append(newest[order.creator])
    return groups[::-1]
