"""Postings under way, each a locked file: what a killed one left pinned is released by a later one."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from veriframe.creator.jobs import orders_from
from veriframe.creator.pins import is_over
from veriframe.disk import try_lock
from veriframe.errors import JobRejected, Unavailable
from veriframe.model.content.cid import canonical
from veriframe.model.registry.job import Order
from veriframe.model.registry.pin_names import PinNames
from veriframe.ports.registry import JobReader
from veriframe.ports.store import ContentStore, Pin

SETTLED_SECONDS = 3600.0
"""After this time, a transaction that was sent is in the registry or never will be."""

TOKEN_CHARACTERS = 16


class Posting:
    """One posting. `pin_name` is that of its content until its order is posted."""

    def __init__(self, pin_name: str, descriptor: int | None) -> None:
        """`descriptor` is of its locked file; None if the disk takes none."""
        self.pin_name = pin_name
        self._descriptor = descriptor
        self.is_open = False
        """Whether its order may be posted, without anyone knowing: its file and its pins stay."""
        self.left_pins = False
        """Whether its pins could not be released: its file stays."""

    def moves(self, last_job: int) -> None:
        """Note, before its first move, the registry's last job: its order comes after it."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.pwrite(self._descriptor, str(last_job).encode(), 0)
                os.fsync(self._descriptor)


@dataclass(frozen=True, slots=True)
class Postings:
    """The postings of this machine, as files in `folder`. Those of other machines are left alone."""

    folder: Path

    @contextmanager
    def begun(self, names: PinNames) -> Iterator[Posting]:
        """A new posting, under way until the end of the block. A full disk costs only its file."""
        name = names.unposted(secrets.token_hex(TOKEN_CHARACTERS // 2))
        file, descriptor = self.folder / name, None
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try_lock(descriptor)
        posting = Posting(name, descriptor)
        try:
            yield posting
        finally:
            if not (posting.is_open or posting.left_pins):
                with suppress(OSError):
                    file.unlink(missing_ok=True)
            if descriptor is not None:
                os.close(descriptor)

    async def release_killed(self, names: PinNames, registry: JobReader, store: ContentStore) -> None:
        """Release what killed postings of this account at this registry left pinned.

        Content whose order is in the registry gets the order's pin instead. For an hour after a move was
        sent, nobody knows. If the registry or the store is unavailable, all stays until the next call.
        """
        with suppress(OSError, Unavailable):
            for file in sorted(self.folder.glob(f"{names.unposted('')}*")):
                with _ended(file) as last_job:
                    if last_job is None:
                        continue
                    pins = [pin for pin in await store.pins(file.name) if pin.name == file.name]
                    orders = await _orders(names, registry, last_job) if pins and last_job >= 0 else []
                    for pin in pins:
                        await _settle(pin, orders, names, registry, store)
                    file.unlink(missing_ok=True)


@contextmanager
def _ended(file: Path) -> Iterator[int | None]:
    """The last job before the moves of a posting that has ended, -1 if it made none; else None.

    None, too, if a move may not be in the registry yet.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        if not try_lock(descriptor):
            yield None
            return
        noted = os.pread(descriptor, 20, 0)
        if not noted:
            yield -1
        elif time.time() - os.fstat(descriptor).st_mtime < SETTLED_SECONDS:
            yield None
        else:
            yield int(noted) if noted.isdigit() else 0
    finally:
        os.close(descriptor)


async def _orders(names: PinNames, registry: JobReader, last_job: int) -> list[Order]:
    """The account's orders after a job."""
    return [one async for one in orders_from(registry, last_job + 1) if one.creator == names.account]


async def _settle(
    pin: Pin, orders: list[Order], names: PinNames, registry: JobReader, store: ContentStore
) -> None:
    for order in orders:
        with suppress(JobRejected):
            same = canonical(order.asset_cid) == canonical(pin.cid)
            if same and not await is_over(order, registry):
                await store.pin(Pin(cid=pin.cid, name=names.asset(order.first_job)))
    await store.unpin(pin)
