"""The embedded content store: files and folders by CID in one folder."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog

from veriframe.adapters.local_store.blobs import Blobs, Full
from veriframe.adapters.local_store.copying import (
    Copied,
    CopyProgress,
    TooLong,
    Unreadable,
    copy_file,
    copy_folder,
    measure_folder,
    open_file,
    read_range,
)
from veriframe.adapters.local_store.entries import Entry, link_folder, opened_entry
from veriframe.adapters.local_store.pins import PinFolder
from veriframe.adapters.local_store.staging import staged, staging
from veriframe.adapters.local_store.targets import is_full, reason, replace, writing
from veriframe.disk import locked
from veriframe.errors import Code, JobRejected, SettingsError, StoreDamaged, StoreFull, StoreUnavailable
from veriframe.model.content.cid import canonical
from veriframe.model.quantities import format_size
from veriframe.ports.store import (
    ContentStore,
    Fetched,
    FetchLimits,
    OnTransfer,
    Pin,
    StoreRoom,
    Transfer,
    check_new_file,
    check_range,
    ignore_transfer,
)
from veriframe.threads import run_briefly, run_stoppable, run_uninterrupted

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger()

LOCK_WAIT_SECONDS = 30.0

_REMEDY = "Raise store_bytes, or wait until jobs are over."


class LocalStore(ContentStore):
    """Files by CID in `folder`, up to `limit_bytes` of content. Any number of processes may share it.

    The folder contains `content` (by CID), `pins` (by CID and name), `work` (copies in progress), `used` (the
    size of the content in bytes) and `lock`. The limit counts stored content only; a copy in progress takes
    additional space.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._work, self._lock = folder / "work", folder / "lock"
        self._blobs = Blobs(folder / "content", limit_bytes)
        self._pins = PinFolder(folder / "pins")
        self._is_made = False

    async def add(self, source: Path, pin_name: str, on_progress: OnTransfer = ignore_transfer) -> str:
        """Stores a file or a folder and pins it as `pin_name`. Returns its CID. Repairs a damaged copy.

        Raises `SettingsError` for what cannot be read or stored: empty folders, links in folders, devices.
        """
        started = time.monotonic()
        watch = CopyProgress(on_progress)
        await run_briefly(self._make)
        with self._translated():
            async with staged(self._work) as work:
                new = work / "new"
                copied = await run_stoppable(watch.stop, self._copy, source, new, watch)
                is_intact = await run_uninterrupted(self._blobs.is_intact_folder, copied.cid)
                async with locked(self._lock, LOCK_WAIT_SECONDS):
                    await run_briefly(self._keep, new, copied, pin_name, keep_folder=is_intact)
        _finish("store_added", copied, started, on_progress)
        return copied.cid

    async def fetch(
        self,
        cid: str,
        target: Path,
        limits: FetchLimits,
        on_progress: OnTransfer = ignore_transfer,
        path: str = "",
    ) -> Fetched:
        """Copies a file or a folder, or one entry of it, to `target`, verified, all of it or nothing.

        Raises `StoreUnavailable` if it is stored damaged: that is not the creator's fault. An interrupted
        copy starts again: nothing is transferred over a network.
        """
        started, key, watch = time.monotonic(), Entry.of(cid, path), CopyProgress(on_progress)
        copied, is_folder = await run_stoppable(watch.stop, self._fetch, key, target, limits, watch)
        _finish("store_fetched", copied, started, on_progress)
        return Fetched(is_folder=is_folder, size_bytes=copied.size_bytes)

    async def read(self, cid: str, path: str, offset: int, length: int) -> bytes:
        """Reads a part of a file. There are no blocks: all of the file, or of its folder, is checked."""
        check_range(offset, length)
        return await run_uninterrupted(self._read, Entry.of(cid, path), offset, length)

    async def with_file(self, folder_cid: str, name: str, content: bytes, pin_name: str) -> str:
        """Stores the folder once more, with this file. Files that stay are the same on the disk."""
        check_new_file(name, content)
        folder = canonical(folder_cid)
        await run_briefly(self._make)
        with self._translated():
            async with staged(self._work) as work:
                new = work / "new"
                copied = await run_uninterrupted(self._change, folder, name, content, new)
                is_intact = await run_uninterrupted(self._blobs.is_intact_folder, copied.cid)
                async with locked(self._lock, LOCK_WAIT_SECONDS):
                    await run_briefly(self._keep, new, copied, pin_name, keep_folder=is_intact)
        return copied.cid

    async def pin(self, pin: Pin) -> None:
        """Pins stored content under one more name. Raises `StoreUnavailable` if it is not stored."""
        await self._alone(self._pin, Pin(cid=canonical(pin.cid), name=pin.name))

    async def unpin(self, pin: Pin) -> None:
        """Removes a pin, if it exists."""
        with suppress(JobRejected):
            await self._alone(self._pins.remove, Pin(cid=canonical(pin.cid), name=pin.name))

    async def pins(self, prefix: str = "") -> Sequence[Pin]:
        """The pins with such names, by CID and name."""
        return [pin for pin in await self._alone(self._pins.all) if pin.name.startswith(prefix)]

    async def ready(self) -> None:
        """Looks whether the folder is there."""
        await run_briefly(self._look)

    async def room(self) -> StoreRoom:
        """The limit minus pinned content, and at most what the disk has free."""
        return await self._alone(self._room)

    async def size_bytes(self) -> int:
        """The size of all content, pinned or not."""
        return await self._alone(lambda: sum(content.size_bytes for content in self._blobs.kept()))

    async def _alone(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Does short work while no other process or task uses the store."""
        await run_briefly(self._make)
        with self._translated():
            async with locked(self._lock, LOCK_WAIT_SECONDS):
                return await run_briefly(work, *arguments, **named)

    def _keep(self, new: Path, copied: Copied, pin_name: str, *, keep_folder: bool) -> None:
        try:
            cleaned = self._blobs.make_room(copied.cid, copied.size_bytes, self._pins.pinned, new.parent)
        except Full as error:
            raise self._full(error.pinned_bytes) from error
        self._blobs.put(new, copied.cid, keep_folder=keep_folder)
        self._pins.add(Pin(cid=copied.cid, name=pin_name))
        for content in cleaned:
            log.info("store_cleaned", cid=content.cid, size_bytes=content.size_bytes)

    def _copy(self, source: Path, new: Path, watch: CopyProgress) -> Copied:
        limit_bytes = self._blobs.limit_bytes
        try:
            try:
                with open_file(source, follow=True) as opened:
                    watch.total_bytes = os.fstat(opened.fileno()).st_size
                    return copy_file(opened, new, limit_bytes, watch)
            except IsADirectoryError:
                return copy_folder(source, new, limit_bytes, watch)
        except FileNotFoundError as error:
            raise SettingsError(f"{source} does not exist. Name a file, or a folder with files.") from error
        except Unreadable as error:
            raise SettingsError(f"{error}. Correct that and add {source.name} again.") from error
        except TooLong as error:
            raise self._full(0) from error

    def _change(self, cid: str, name: str, content: bytes, new: Path) -> Copied:
        with opened_entry(self._blobs, Entry(cid)) as file:
            if file is not None:
                raise JobRejected(Code.NOT_A_FILE, f"{cid} is a file, not a folder.")
            if not self._blobs.is_intact_folder(cid):
                raise self._damaged(cid, "its bytes do not match its CID")
            return link_folder(self._blobs.path(cid), new, name, content)

    def _fetch(
        self, entry: Entry, target: Path, limits: FetchLimits, watch: CopyProgress
    ) -> tuple[Copied, bool]:
        self._make()
        cid, source = entry.cid, entry.within(self._blobs)
        try:
            with self._translated(), opened_entry(self._blobs, entry) as file:
                if file is None:
                    size_bytes = measure_folder(source, limits.check_folder(str(entry)))
                else:
                    size_bytes = os.fstat(file.fileno()).st_size
                    limits.check_file(str(entry), size_bytes)
                watch.total_bytes = size_bytes
                with writing(target), staging(target.parent) as beside:
                    new = beside / "new"
                    if file is None:
                        copied = copy_folder(source, new, size_bytes, watch, mode=0o666)
                    else:
                        copied = copy_file(file, new, size_bytes, watch, mode=0o666)
                    if not entry.is_copied_right(self._blobs, copied.cid):
                        raise self._damaged(cid, "its bytes do not match its CID")
                    replace(new, target, beside)
        except (Unreadable, TooLong) as error:
            raise self._damaged(cid, str(error)) from error
        return copied, file is None

    def _read(self, entry: Entry, offset: int, length: int) -> bytes:
        self._make()
        try:
            with self._translated(), opened_entry(self._blobs, entry) as file:
                if file is None:
                    raise JobRejected(Code.NOT_A_FILE, f"{entry} is a folder, not a file.")
                content = read_range(file, offset, length)
                if not entry.is_intact(self._blobs, file):
                    raise self._damaged(entry.cid, "its bytes do not match its CID")
        except Unreadable as error:
            raise self._damaged(entry.cid, str(error)) from error
        return content

    def _pin(self, pin: Pin) -> None:
        if not self._blobs.path(pin.cid).exists():
            raise StoreUnavailable(f"{pin.cid} is not in the content store {self._folder}. Add it again.")
        self._pins.add(pin)

    def _room(self) -> StoreRoom:
        pinned = self._pins.pinned()
        held_bytes = sum(content.size_bytes for content in self._blobs.kept() if content.cid in pinned)
        # Unpinned content is removed only once the new copy is complete, so its space does not count.
        disk_bytes = shutil.disk_usage(self._folder).free
        free_bytes = max(0, min(self._blobs.limit_bytes - held_bytes, disk_bytes))
        return StoreRoom(free_bytes=free_bytes, held_bytes=held_bytes, remedy=_REMEDY)

    def _look(self) -> None:
        self._make()
        with self._translated():
            self._blobs.folder.stat()

    def _make(self) -> None:
        if self._is_made:
            # Only once: if the disk disappears later, an empty store must not take its place.
            return
        with self._translated():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self._work, self._blobs.folder, self._pins.folder):
                folder.mkdir(mode=0o700, exist_ok=True)
        self._is_made = True

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> StoreUnavailable:
        kind = StoreFull if is_full(error) else StoreUnavailable
        return kind(
            f"The content store {self._folder} cannot be used now: {reason(error)}. Check that its disk is"
            " mounted and has space, and that its user may write to it."
        )

    def _damaged(self, cid: str, why: str) -> StoreDamaged:
        path = self._blobs.path(cid)
        kind = "folder" if path.is_dir() else "file"
        return StoreDamaged(
            f"The stored {kind} {path} is damaged: {why}. Add the same content again to repair it, or delete"
            f" the {kind}."
        )

    def _full(self, pinned_bytes: int) -> StoreFull:
        return StoreFull(
            f"The content store {self._folder} is full: it may hold {format_size(self._blobs.limit_bytes)},"
            f" and {format_size(pinned_bytes)} of them are pinned. {_REMEDY}"
        )


def _finish(event: str, copied: Copied, started: float, on_progress: OnTransfer) -> None:
    on_progress(Transfer(done_bytes=copied.size_bytes, total_bytes=copied.size_bytes))
    seconds = time.monotonic() - started
    log.info(
        event,
        cid=copied.cid,
        size_bytes=copied.size_bytes,
        seconds=round(seconds, 3),
        megabytes_per_second=round(copied.size_bytes / 1e6 / max(seconds, 1e-6), 1),
    )
