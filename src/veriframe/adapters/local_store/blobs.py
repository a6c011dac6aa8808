"""The stored content: one file or folder for each CID, up to a limit in bytes."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from veriframe.adapters.local_store.copying import folder_cid
from veriframe.disk import sync_folder

FRESH_NS = 10**9
"""A file changed so lately may change again without another time in its status."""

KNOWN_FOLDERS = 16

_Status = Sequence[tuple[str, int, int, int]]
"""Of each entry of a folder: its path, inode, size in bytes, and when it last changed, in ns."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One piece of content. `added_at` is the Unix time at which it was last added."""

    cid: str
    size_bytes: int
    added_at: float


class Full(Exception):
    """Pinned content leaves no room. `pinned_bytes` is its size."""

    def __init__(self, pinned_bytes: int) -> None:
        super().__init__(pinned_bytes)
        self.pinned_bytes = pinned_bytes


class Blobs:
    """The content in one folder. Callers that change it must hold the store's lock."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        # The size of all content, so that adding does not measure everything. A process that is killed
        # while adding leaves too high a number; at the limit, everything is measured again.
        self._used = folder.with_name("used")
        self._has_counted = False
        # Folders that were read and found intact, so that fetching each file of one does not read all of it.
        self._intact: dict[str, _Status] = {}

    def path(self, cid: str) -> Path:
        """The path of a CID's content, whether or not it exists. The CID is in canonical spelling."""
        return self.folder / cid

    def kept(self) -> Sequence[Kept]:
        """All content, oldest first."""
        kept = [_measure(path) for path in self.folder.iterdir()]
        return sorted(kept, key=lambda content: (content.added_at, content.cid))

    def is_intact_folder(self, cid: str) -> bool:
        """Whether the CID's folder exists and its files still match the CID.

        Reads all of it, unless this object has done so and nothing has changed since.
        """
        path = self.path(cid)
        try:
            if not stat.S_ISDIR(path.lstat().st_mode):
                return False
            before = _status(path)
            if self._intact.get(cid) == before:
                return True
            if folder_cid(path) != cid:
                return False
        except (OSError, ValueError):
            return False
        if max(changed for *_, changed in before) < time.time_ns() - FRESH_NS:
            while len(self._intact) >= KNOWN_FOLDERS:
                self._intact.pop(next(iter(self._intact)), None)
            self._intact[cid] = before
        return True

    def put(self, new: Path, cid: str, *, keep_folder: bool) -> None:
        """Moves `new` to the path of `cid` and replaces what exists there.

        `new` must be on the same disk and synced. With `keep_folder`, an existing folder stays and counts as
        added now.
        """
        path = self.path(cid)
        if keep_folder and path.is_dir():
            os.utime(path)
        else:
            if path.is_dir():
                # A folder cannot be replaced in one step. This one is damaged, so nothing is lost in between.
                path.rename(new.with_name("damaged"))
            new.replace(path)
        sync_folder(self.folder)

    def make_room(
        self, cid: str, size_bytes: int, pins: Callable[[], Collection[str]], away: Path
    ) -> Sequence[Kept]:
        """Removes unpinned content, oldest first, until `size_bytes` for `cid` fit. Returns what was removed.

        Removed content moves to `away`, a folder on the same disk, in one step: content is never half there.
        Raises `Full` if the bytes would not fit even then; in that case nothing is removed. `pins` returns
        the pinned CIDs; it is called only if something must be removed.
        """
        used_bytes = self._noted_bytes()
        if used_bytes is None or used_bytes - self._size_bytes(cid) + size_bytes > self.limit_bytes:
            cleaned = self._clean(cid, size_bytes, pins, away)
            used_bytes = sum(content.size_bytes for content in self.kept())
        else:
            cleaned = ()
        self._note(used_bytes - self._size_bytes(cid) + size_bytes)
        return cleaned

    def _clean(
        self, cid: str, size_bytes: int, pins: Callable[[], Collection[str]], away: Path
    ) -> Sequence[Kept]:
        others = [content for content in self.kept() if content.cid != cid]
        excess = sum(content.size_bytes for content in others) + size_bytes - self.limit_bytes
        if excess <= 0:
            return ()
        pinned = pins()
        pinned_bytes = sum(content.size_bytes for content in others if content.cid in pinned)
        if pinned_bytes + size_bytes > self.limit_bytes:
            raise Full(pinned_bytes)
        cleaned = list(_first_that_free([c for c in others if c.cid not in pinned], excess))
        for content in cleaned:
            self.path(content.cid).rename(away / content.cid)
        return cleaned

    def _size_bytes(self, cid: str) -> int:
        """The size of one piece of content; 0 if it does not exist."""
        try:
            return _measure(self.path(cid)).size_bytes
        except FileNotFoundError:
            return 0

    def _noted_bytes(self) -> int | None:
        """The number in the file; None if it is not reliable, since a power cut may have reverted it."""
        was_counted, self._has_counted = self._has_counted, True
        try:
            return int(self._used.read_text()) if was_counted else None
        except (OSError, ValueError):
            return None

    def _note(self, used_bytes: int) -> None:
        """Writes the number, before the content that it counts is added."""
        new = self._used.with_suffix(".new")
        new.write_text(str(used_bytes))
        new.replace(self._used)


def _first_that_free(contents: Sequence[Kept], excess: int) -> Iterator[Kept]:
    for content in contents:
        if excess <= 0:
            return
        excess -= content.size_bytes
        yield content


def _status(path: Path) -> _Status:
    entries = [path]
    for folder, folders, names in os.walk(path):
        entries += [Path(folder, name) for name in (*folders, *names)]
    seen = ((str(entry), entry.lstat()) for entry in sorted(entries))
    return tuple((name, one.st_ino, one.st_size, one.st_ctime_ns) for name, one in seen)


def _measure(path: Path) -> Kept:
    status = path.lstat()
    size_bytes = status.st_size
    if stat.S_ISDIR(status.st_mode):
        files = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
        size_bytes = sum(file.lstat().st_size for file in files)
    return Kept(path.name, size_bytes, status.st_mtime)
