"""A folder being fetched: blocks arrive in any order, are checked, and are written to their places.

The folder's own blocks say which blocks are still awaited, and where their bytes go. No other state is kept,
in memory or on disk: after an interruption the same folder is started again, and what is already on the disk
is checked against its CID instead of fetched again. All methods block; call them in a thread.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from veriframe.adapters.kubo.blocks.car import CarReader
from veriframe.adapters.kubo.blocks.dag import fits
from veriframe.adapters.kubo.blocks.leaves import is_leaf
from veriframe.adapters.kubo.blocks.mismatch import ContentMismatch
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
    """The folder `root`, built in `folder`, which may hold files of an earlier attempt.

    `awaited` holds the CIDs that are missing; it is empty once the folder is complete. Methods raise
    `JobRejected` (NOT_A_FILE, TOO_LARGE, CORRUPT), `ContentMismatch` if a block does not match its CID,
    `OSError` of the disk.
    """

    def __init__(self, root: Cid, folder: Path, limits: FolderLimits) -> None:
        self.root = root
        self.size_bytes = 0  # of all files that are known so far
        self.done_bytes = 0
        self.awaited: dict[Cid, list[_Place]] = {root: [_Place("")]}
        self._folder, self._limits = str(folder), limits
        self.is_new = not any(folder.iterdir())
        self._paths, self._blocks = set[str](), 1
        self._opened, self._descriptor = "", -1

    def close(self) -> None:
        """Closes the file that was written last."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._opened, self._descriptor = "", -1

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
            if not place.path:
                raise JobRejected(Code.NOT_A_FILE, f"{self.root} is a single file, not a folder.")
            self._place_file(place, block)
        elif place.size_bytes is not None or (place.is_shard and not isinstance(block, ShardBlock)):
            raise _corrupt("a part of a file is not a file")
        else:
            self._place_folder(place, block)

    def _place_folder(self, place: _Place, block: FolderBlock | ShardBlock) -> None:
        if place.path and not place.is_shard:
            Path(self._folder, place.path).mkdir(exist_ok=True)
        for entry in block.entries:
            path = f"{place.path}/{entry.name}" if place.path else entry.name
            check_path(path, self._limits)
            if path in self._paths:
                raise _corrupt(f"two entries are named {path[-40:]!a}")
            self._paths.add(path)
            check_totals(self._limits, entries=len(self._paths), size_bytes=self.size_bytes)
            self._await(entry.cid, _Place(path))
        if isinstance(block, ShardBlock):
            for shard in block.shards:
                self._await(shard, _Place(place.path, place.blocks_deep + 1, is_shard=True))

    def _place_file(self, place: _Place, block: FileBlock) -> None:
        if place.size_bytes is None:
            self._count(block.size_bytes)
            self._open(place.path, block.size_bytes)
        elif block.size_bytes != place.size_bytes:
            raise _corrupt("a part of a file has another size than the block above says")
        if block.data:
            self._write(place.path, block.data, place.offset)
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
            content = _read(f"{self._folder}/{place.path}", place.offset, most_bytes)
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
        """Gives a file that size; the bytes that it already has stay."""
        self._reopen(path)
        os.ftruncate(self._descriptor, size_bytes)

    def _write(self, path: str, content: bytes, offset: int) -> None:
        self._reopen(path)
        left = memoryview(content)
        while left:
            written = os.pwrite(self._descriptor, left, offset)
            left, offset = left[written:], offset + written
        self.done_bytes += len(content)

    def _reopen(self, path: str) -> None:
        if self._opened == path:
            return
        self.close()
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(f"{self._folder}/{path}", flags, 0o666)
        self._opened = path


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
    return JobRejected(Code.CORRUPT, f"The folder is not valid: {why}. Add it again.")
