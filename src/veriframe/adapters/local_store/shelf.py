"""The content itself: one file or folder for each CID, never more bytes in all than allowed."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from veriframe.adapters.local_store.copying import folder_cid, sync_folder


@dataclass(frozen=True, slots=True)
class Kept:
    """One piece of content. `added_at` is Unix seconds of the last time that it was added."""

    cid: str
    size_bytes: int
    added_at: float


class Full(Exception):
    """Pinned content leaves no room. `pinned_bytes` is how much of it there is."""

    def __init__(self, pinned_bytes: int) -> None:
        super().__init__(pinned_bytes)
        self.pinned_bytes = pinned_bytes


class Shelf:
    """The content in one folder. Whoever changes it holds the store's lock."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes

    def path(self, cid: str) -> Path:
        """Where the content of a CID in canonical spelling lies, or would lie."""
        return self.folder / cid

    def kept(self) -> Sequence[Kept]:
        """All content, oldest first."""
        with os.scandir(self.folder) as entries:
            kept = [_measure(entry) for entry in entries]
        return sorted(kept, key=lambda content: (content.added_at, content.cid))

    def is_intact_folder(self, cid: str) -> bool:
        """Whether a folder is there, and its files are still those of its CID. Reads all of it."""
        path = self.path(cid)
        try:
            return stat.S_ISDIR(path.lstat().st_mode) and folder_cid(path) == cid
        except (OSError, ValueError):
            return False

    def put(self, new: Path, cid: str, *, keep_folder: bool) -> None:
        """Move `new`, on the same disk and forced to it, to where `cid` belongs, in place of what is there.

        With `keep_folder` a folder that is there stays, as if it had been added now.
        """
        path = self.path(cid)
        if keep_folder and path.is_dir():
            os.utime(path)
        else:
            if path.is_dir():
                # A folder is never replaced in one step. It was damaged: nothing is lost in between.
                path.rename(new.with_name("damaged"))
            new.replace(path)
        sync_folder(self.folder)

    def make_room(self, cid: str, size_bytes: int, pinned: Collection[str], away: Path) -> Sequence[Kept]:
        """Clean, oldest first, what is not pinned, until `size_bytes` for `cid` fit. Returns what went.

        It goes to `away`, a folder on the same disk: in one step, so that nothing is ever half there.
        Raises `Full` where they would not fit even then; nothing is cleaned in that case.
        """
        others = [content for content in self.kept() if content.cid != cid]
        pinned_bytes = sum(content.size_bytes for content in others if content.cid in pinned)
        if pinned_bytes + size_bytes > self.limit_bytes:
            raise Full(pinned_bytes)
        excess = sum(content.size_bytes for content in others) + size_bytes - self.limit_bytes
        cleaned = list(_first_that_free([c for c in others if c.cid not in pinned], excess))
        for content in cleaned:
            self.path(content.cid).rename(away / content.cid)
        return cleaned


def _first_that_free(contents: Sequence[Kept], excess: int) -> Iterator[Kept]:
    for content in contents:
        if excess <= 0:
            return
        excess -= content.size_bytes
        yield content


def _measure(entry: os.DirEntry[str]) -> Kept:
    status = entry.stat(follow_symlinks=False)
    size_bytes = status.st_size
    if stat.S_ISDIR(status.st_mode):
        files = (Path(folder) / name for folder, _, names in os.walk(entry.path) for name in names)
        size_bytes = sum(file.lstat().st_size for file in files)
    return Kept(entry.name, size_bytes, status.st_mtime)
