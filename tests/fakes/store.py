"""A content store in memory. Its CIDs are those of a single raw block, whatever the file's size."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from veriframe.errors import Code, HostUnavailable, JobRejected, SettingsError, StoreFull, StoreUnavailable
from veriframe.model.content.cid import Cid, Codec, canonical
from veriframe.model.content.folder import FolderLimits, check_path, check_totals
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
    no_entry,
    path_names,
)


class FakeStore(ContentStore):
    """Files and folders in dictionaries by CID. Every call raises `fault` while it is set."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.folders: dict[str, dict[str, bytes]] = {}
        self.pinned: list[Pin] = []
        self.fault: Exception | None = None
        self.limit_bytes: int | None = None
        self.fetched: list[tuple[str, str]] = []

    def keep(self, content: bytes) -> str:
        """Stores bytes directly. Returns their CID."""
        cid = str(Cid(Codec.RAW, hashlib.sha256(content).digest()))
        self.files[cid] = content
        return cid

    def keep_files(self, files: Mapping[str, bytes]) -> str:
        """Stores a folder directly, whatever is in it. Returns its CID."""
        content = b"".join(name.encode() + b"\0" + files[name] for name in sorted(files))
        cid = str(Cid(Codec.DAG_PB, hashlib.sha256(content).digest()))
        self.folders[cid] = dict(files)
        return cid

    async def add(self, source: Path, pin_name: str, on_progress: OnTransfer = ignore_transfer) -> str:
        """Stores a file or a folder. Returns its CID."""
        self._fail()
        if len(pin_name) > 185:
            raise SettingsError("The name of the pin is too long.")
        if source.is_dir():  # noqa: ASYNC240 - small files of tests
            cid = self._keep_folder(source)
            size_bytes = sum(map(len, self.folders[cid].values()))
        elif source.is_file():  # noqa: ASYNC240
            cid = self.keep(source.read_bytes())  # noqa: ASYNC240
            size_bytes = len(self.files[cid])
        else:
            raise SettingsError(f"{source} does not exist.")
        free_bytes = (await self.room()).free_bytes
        if free_bytes is not None and size_bytes > free_bytes:
            raise StoreFull("The store is full. Raise the limit.")
        await self.pin(Pin(cid=cid, name=pin_name))
        on_progress(Transfer(done_bytes=size_bytes, total_bytes=size_bytes))
        return cid

    async def fetch(
        self,
        cid: str,
        target: Path,
        limits: FetchLimits,
        on_progress: OnTransfer = ignore_transfer,
        path: str = "",
    ) -> Fetched:
        """Copies a file or a folder, or an entry of it, to `target`."""
        self._fail()
        found = self._find(cid, path)
        self.fetched.append((cid, path))
        _require_folder(target.parent)
        if isinstance(found, bytes):
            limits.check_file(cid, len(found))
            target.write_bytes(found)  # noqa: ASYNC240 - small files of tests
            size_bytes = len(found)
        else:
            size_bytes = _write_folder(found, target, limits.check_folder(cid))
        on_progress(Transfer(done_bytes=size_bytes, total_bytes=size_bytes))
        return Fetched(is_folder=not isinstance(found, bytes), size_bytes=size_bytes)

    async def read(self, cid: str, path: str, offset: int, length: int) -> bytes:
        """A part of a file."""
        self._fail()
        check_range(offset, length)
        found = self._find(cid, path)
        if not isinstance(found, bytes):
            raise JobRejected(Code.NOT_A_FILE, f"{cid} is a folder there.")
        return found[offset : offset + length]

    async def with_file(self, folder_cid: str, name: str, content: bytes, pin_name: str) -> str:
        """Keeps the folder with this file, too."""
        self._fail()
        check_new_file(name, content)
        found = self._find(folder_cid, "")
        if isinstance(found, bytes):
            raise JobRejected(Code.NOT_A_FILE, f"{folder_cid} is a file.")
        kept = {path: one for path, one in found.items() if path.split("/")[0] != name}
        cid = self.keep_folder({**kept, name: content})
        await self.pin(Pin(cid=cid, name=pin_name))
        return cid

    def _find(self, cid: str, path: str) -> bytes | dict[str, bytes]:
        """A file's content, or the files of a folder by path."""
        # Tests may store files under names that are not CIDs.
        key, names = cid if cid in self.files else canonical(cid), path_names(path)
        if key in self.files and names:
            raise JobRejected(Code.NOT_A_FILE, f"{cid} is a file.")
        if key in self.files:
            return self.files[key]
        files = self.folders.get(key)
        if files is None:
            raise JobRejected(Code.NOT_FOUND, f"Nobody has {cid}.")
        if not names or path in files:
            return files[path] if names else files
        if any(path.startswith(f"{file}/") for file in files):
            raise JobRejected(Code.NOT_A_FILE, f"{cid} has a file on the way to {path}.")
        below = {
            name.removeprefix(f"{path}/"): one for name, one in files.items() if name.startswith(f"{path}/")
        }
        if not below:
            raise no_entry(cid, path)
        return below

    async def pin(self, pin: Pin) -> None:
        """Pins content under one more name."""
        self._fail()
        if pin.cid not in self.files and pin.cid not in self.folders:
            raise StoreUnavailable(f"{pin.cid} is not in the store.")
        if pin not in self.pinned:
            self.pinned.append(pin)

    async def unpin(self, pin: Pin) -> None:
        """Removes a pin, if it exists."""
        self._fail()
        self.pinned = [other for other in self.pinned if other != pin]

    async def pins(self, prefix: str = "") -> Sequence[Pin]:
        """The pins with such names."""
        self._fail()
        return tuple(pin for pin in self.pinned if pin.name.startswith(prefix))

    async def ready(self) -> None:
        """Does nothing, after a moment, as over a network."""
        await asyncio.sleep(0)
        self._fail()

    async def room(self) -> StoreRoom:
        """The limit minus pinned content."""
        self._fail()
        if self.limit_bytes is None:
            return StoreRoom()
        held_bytes = sum(map(self._size_bytes, {pin.cid for pin in self.pinned}))
        free_bytes = max(0, self.limit_bytes - held_bytes)
        return StoreRoom(free_bytes=free_bytes, held_bytes=held_bytes, remedy="Raise the limit.")

    def _size_bytes(self, cid: str) -> int:
        return len(self.files.get(cid, b"")) + sum(map(len, self.folders.get(cid, {}).values()))

    def _keep_folder(self, source: Path) -> str:
        entries = sorted(source.rglob("*"))
        if not entries:
            raise SettingsError(f"{source} is empty.")
        for entry in entries:
            if entry.is_symlink() or not (entry.is_dir() or entry.is_file()) or "\udcff" in entry.name:
                raise SettingsError(f"{entry!a} cannot be stored.")
        return self.keep_folder(
            {str(entry.relative_to(source)): entry.read_bytes() for entry in entries if entry.is_file()}
        )

    def keep_folder(self, files: Mapping[str, bytes]) -> str:
        """Stores a folder of these files directly. Returns its CID."""
        digest = hashlib.sha256()
        for name, content in sorted(files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        cid = str(Cid(Codec.DAG_PB, digest.digest()))
        self.folders[cid] = dict(files)
        return cid

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault


def _write_folder(files: Mapping[str, bytes], target: Path, limits: FolderLimits) -> int:
    paths = {path for name in files for path in _with_parents(name)}
    size_bytes = sum(map(len, files.values()))
    check_totals(limits, entries=len(paths), size_bytes=size_bytes)
    for path in paths:
        check_path(path, limits)
    if target.is_dir():
        shutil.rmtree(target)
    target.unlink(missing_ok=True)
    for name, content in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
    return size_bytes


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise HostUnavailable(f"{folder} cannot be written.")


def _with_parents(name: str) -> Sequence[str]:
    """`a/b/c` as `a`, `a/b`, `a/b/c`."""
    names = name.split("/")
    return ["/".join(names[:deep]) for deep in range(1, len(names) + 1)]
