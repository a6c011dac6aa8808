"""A file or folder being fetched: blocks arrive in any order, are checked, and are written to their places.

So neither the source of a block nor the import options matter: any chunk size, width and CID version works.
The blocks say which blocks are still awaited, and where their bytes go. No other state is kept, in memory or
on disk: after an interruption the same is started again, and what is already on the disk is checked against
its CID instead of fetched again. The sizes in blocks are their creator's claim, and are limited. All methods
block; call them in a thread.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from veriframe.adapters.kubo.blocks.car import CarReader
from veriframe.adapters.kubo.blocks.leaves import is_leaf
from veriframe.adapters.kubo.blocks.mismatch import ContentMismatch, fits
from veriframe.adapters.kubo.blocks.unixfs import (
    MAX_BLOCK_BYTES,
    Block,
    FileBlock,
    FolderBlock,
    ShardBlock,
    SymlinkBlock,
    decode_block,
)
from veriframe.errors import Code, JobRejected
from veriframe.model.content.cid import Cid
from veriframe.model.content.folder import FolderLimits, check_path, check_totals

MAX_BLOCKS = 200_000
MAX_BLOCK_DEPTH = 32


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a block belongs: at `path` (empty for the root), `blocks_deep` below that path's first block.

    `size_bytes` is set for a part of a file: this many bytes, from `offset` on.
    """

    path: str
    blocks_deep: int = 0
    offset: int = 0
    size_bytes: int | None = None
    is_shard: bool = False


class Tree:
    """What `root` names, built at `path`, which may hold bytes of an earlier attempt.

    It is a folder within `limits`, or a file of `file_bytes`. `awaited` holds the CIDs that are missing, none
    once everything is there. Methods raise `JobRejected` (TOO_LARGE, CORRUPT), `ContentMismatch` if a
    block does not match its CID, `OSError` of the disk.
    """

    def __init__(self, root: Cid, path: Path, limits: FolderLimits | None, file_bytes: int | None) -> None:
        self.root = root
        self.is_folder = file_bytes is None
        self.size_bytes = file_bytes or 0  # of all files that are known so far
        self.done_bytes = 0
        self.awaited: dict[Cid, list[_Place]] = {root: [_Place("")]}
        self.is_new = self.is_folder and not any(path.iterdir())
        self.file_bytes = 0 if self.is_folder else path.stat().st_size
        """The bytes of the file that are there, right or wrong."""
        self._top, self._limits = str(path), limits or FolderLimits(size_bytes=self.size_bytes)
        self._paths, self._blocks = set[str](), 1
        self._shards = set[tuple[str, Cid]]()
        self._opened: str | None = None
        self._descriptor = -1

    def close(self) -> None:
        """Closes the file that was written last."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._opened, self._descriptor = None, -1

    def extend(self, pieces: Sequence[bytes]) -> None:
        """Appends to the file. What is appended is checked by `put`."""
        for piece in pieces:
            self._write("", piece, self.file_bytes)
            self.file_bytes += len(piece)

    def take(self, reader: CarReader, piece: bytes) -> None:
        """Puts the blocks that end in this piece of an export."""
        for cid, block in reader.blocks(piece):
            self.put(cid, block)

    def put(self, cid: Cid, block: bytes) -> None:
        """Writes one block to all places where it belongs. Blocks that are not awaited are ignored."""
        if cid not in self.awaited:
            return
        if not fits(cid, block):
            raise ContentMismatch(f"it returned bytes that do not match {cid}")
        decoded = decode_block(cid, block)
        for place in self.awaited.pop(cid):
            self._place(place, decoded)

    def _place(self, place: _Place, block: Block) -> None:
        if isinstance(block, SymlinkBlock):
            raise _corrupt(f"{place.path!a} is a symbolic link, and links are not followed")
        if isinstance(block, FileBlock):
            if place.is_shard:
                raise _corrupt("a part of a large folder is not a folder")
            self._place_file(place, block)
        elif place.size_bytes is not None or (place.is_shard and not isinstance(block, ShardBlock)):
            raise _corrupt("a part of a file is not a file")
        else:
            self._place_folder(place, block)

    def _place_folder(self, place: _Place, block: FolderBlock | ShardBlock) -> None:
        if place.path and not place.is_shard:
            Path(self._path(place.path)).mkdir(exist_ok=True)
        for entry in block.entries:
            path = f"{place.path}/{entry.name}" if place.path else entry.name
            check_path(path, self._limits)
            if path in self._paths:
                raise _corrupt(f"two entries are named {path[-40:]!a}")
            self._paths.add(path)
            check_totals(self._limits, entries=len(self._paths), size_bytes=self.size_bytes)
            self._await(entry.cid, _Place(path))
        if isinstance(block, ShardBlock):
            for shard in block.shards.values():
                # Each shard holds other names, so none is a part of the same folder twice.
                if (place.path, shard) in self._shards:
                    raise _corrupt("a large folder has a part twice")
                self._shards.add((place.path, shard))
                self._await(shard, _Place(place.path, place.blocks_deep + 1, is_shard=True))

    def _place_file(self, place: _Place, block: FileBlock) -> None:
        if place.size_bytes is None:
            if place.path:
                self._count(block.size_bytes)
            self._open(place.path, block.size_bytes)
        elif block.size_bytes != place.size_bytes:
            raise _corrupt("a part of a file has another size than the block above says")
        if block.data:
            self._write(place.path, block.data, place.offset)
            self.done_bytes += len(block.data)
        offset = place.offset + len(block.data)
        for part in block.parts:
            deeper = _Place(place.path, place.blocks_deep + 1, offset, part.size_bytes)
            self._await(part.cid, deeper)
            offset += part.size_bytes

    def _await(self, cid: Cid, place: _Place) -> None:
        self._blocks += 1
        if self._blocks > MAX_BLOCKS:
            raise JobRejected(Code.TOO_LARGE, f"{self.root} has more than {MAX_BLOCKS} blocks.")
        if place.blocks_deep > MAX_BLOCK_DEPTH:
            raise JobRejected(Code.TOO_LARGE, f"{self.root} has blocks more than {MAX_BLOCK_DEPTH} deep.")
        if self.is_new or not self._is_on_disk(cid, place):
            self.awaited.setdefault(cid, []).append(place)

    def _is_on_disk(self, cid: Cid, place: _Place) -> bool:
        """Whether the bytes of a leaf are already on the disk, checked now."""
        if place.is_shard or (place.size_bytes or 0) > MAX_BLOCK_BYTES:
            return False
        # One byte more than a block: a longer file is not the leaf that it starts with.
        most_bytes = MAX_BLOCK_BYTES + 1 if place.size_bytes is None else place.size_bytes
        try:
            content = _read(self._path(place.path), place.offset, most_bytes)
        except OSError:
            return False
        if not is_leaf(cid, content):
            return False
        if place.size_bytes is None:
            self._count(len(content))
        elif len(content) != place.size_bytes:
            return False
        self.done_bytes += len(content)
        return True

    def _count(self, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        check_totals(self._limits, entries=len(self._paths), size_bytes=self.size_bytes)

    def _open(self, path: str, size_bytes: int) -> None:
        """Opens a file, which keeps its bytes up to that size."""
        self._reopen(path)
        if os.fstat(self._descriptor).st_size > size_bytes:
            os.ftruncate(self._descriptor, size_bytes)

    def _write(self, path: str, content: bytes, offset: int) -> None:
        self._reopen(path)
        left = memoryview(content)
        while left:
            written = os.pwrite(self._descriptor, left, offset)
            left, offset = left[written:], offset + written

    def _reopen(self, path: str) -> None:
        if self._opened == path:
            return
        self.close()
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._path(path), flags, 0o666)
        self._opened = path

    def _path(self, path: str) -> str:
        return f"{self._top}/{path}" if path else self._top


def _read(path: str, offset: int, size_bytes: int) -> bytes:
    """Returns up to `size_bytes` of a regular file. Raises `OSError` for anything else."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(path)
        return os.pread(descriptor, size_bytes, offset)
    finally:
        os.close(descriptor)


def _corrupt(why: str) -> JobRejected:
    return JobRejected(Code.CORRUPT, f"The content is not valid: {why}. Add it again.")
