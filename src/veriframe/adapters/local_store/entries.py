"""What is fetched: stored content, or one entry of a stored folder; and a folder with one file changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from veriframe.adapters.local_store.blobs import Blobs
from veriframe.adapters.local_store.copying import Copied, Unreadable, file_cid, folder_cid, open_file
from veriframe.disk import sync_folder
from veriframe.errors import Code, JobRejected
from veriframe.model.content.cid import canonical
from veriframe.ports.store import no_entry, path_names


@dataclass(frozen=True, slots=True)
class Entry:
    """Content, by its canonical CID, or what lies in it where `names` lead."""

    cid: str
    names: Sequence[str] = ()

    @classmethod
    def of(cls, cid: str, path: str) -> Self:
        """The entry at a path. Raises `JobRejected` (BAD_CID, CORRUPT) for a CID or path that is none."""
        return cls(canonical(cid), tuple(path_names(path)))

    def __str__(self) -> str:
        """The CID, and the path behind it."""
        return "/".join((self.cid, *self.names))

    def within(self, blobs: Blobs) -> Path:
        """Where it is kept."""
        return blobs.path(self.cid).joinpath(*self.names)

    def is_intact(self, blobs: Blobs, file: BinaryIO) -> bool:
        """Whether an open file is what the CID names. Of a folder's entry, all of the folder is read."""
        return blobs.is_intact_folder(self.cid) if self.names else file_cid(file) == self.cid

    def is_copied_right(self, blobs: Blobs, copied_cid: str) -> bool:
        """Whether a copy is what the CID names. Of a folder's entry, all of the stored folder is read."""
        return blobs.is_intact_folder(self.cid) if self.names else copied_cid == self.cid


@contextmanager
def opened_entry(blobs: Blobs, entry: Entry) -> Iterator[BinaryIO | None]:
    """Opens what is stored; None for a folder.

    Raises `JobRejected` (NOT_FOUND, NOT_A_FILE, CORRUPT), `Unreadable`, and `OSError` if the disk is gone.
    """
    root = blobs.path(entry.cid)
    # Content that cannot be reached is not content that does not exist.
    blobs.folder.stat()
    if not root.exists():
        raise JobRejected(
            Code.NOT_FOUND, f"{entry.cid} is not in the content store {blobs.folder.parent}."
        ) from None
    if entry.names and not root.is_dir():
        raise JobRejected(Code.NOT_A_FILE, f"{entry.cid} is a file, not a folder.")
    try:
        file = open_file(entry.within(blobs))
    except FileNotFoundError:
        raise no_entry(entry.cid, "/".join(entry.names)) from None
    except Unreadable as error:
        if isinstance(error.__cause__, NotADirectoryError):
            raise JobRejected(Code.NOT_A_FILE, f"{entry} leads through a file.") from None
        raise
    except IsADirectoryError:
        yield None
        return
    with file:
        yield file


def link_folder(source: Path, target: Path, name: str, content: bytes) -> Copied:
    """Makes a folder of the same files, and of one file more or instead of another, synced to the disk."""
    size_bytes = len(content)
    for folder_name, folders, names in os.walk(source):
        folder = Path(folder_name)
        copy = target / folder.relative_to(source)
        copy.mkdir(mode=0o700)
        if folder == source:
            # A folder of that name gives way, too.
            folders[:] = [one for one in folders if one != name]
            names = [one for one in names if one != name]  # noqa: PLW2901
        for one in names:
            os.link(folder / one, copy / one, follow_symlinks=False)
            size_bytes += (copy / one).lstat().st_size
    with (target / name).open("xb") as file:
        os.fchmod(file.fileno(), 0o400)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    for folder_name, _, _ in os.walk(target):
        sync_folder(Path(folder_name))
    return Copied(folder_cid(target), size_bytes)
