"""The `.blend` format as far as the scene check reads it: wrapping, header and the chain of blocks.

A file is a header and a chain of blocks. Each block is a block header with a length, followed by its data;
`DNA1` describes the data, `ENDB` ends the file. The whole file may be compressed with zstd (since Blender
3.0; many small frames and a seek table) or gzip (before). Source: Blender's `BLO_core_bhead.hh`,
`blo_readfile`, `doc/blender_file_format`. Memory holds only one piece of `PIECE_BYTES` and the decompressor's
window.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO, Protocol

import zstandard

from veriframe.errors import Code, JobRejected
from veriframe.model.quantities import format_size
from veriframe.model.rendering.scene import BlenderVersion, SceneHeader, SceneLimits, Wrapping
from veriframe.model.text import describe_start

PIECE_BYTES = 2**20
ZSTD_WINDOW_BYTES = 2**23
"""The window that every zstd decoder should support (RFC 8878, 3.1.1.1.2). Blender uses at most 2 MiB."""

_ZSTD, _GZIP, _BLENDER = b"\x28\xb5\x2f\xfd", b"\x1f\x8b", b"BLENDER"
_AGAIN = "Save it again with Blender, with or without “Compress”."


@dataclass(frozen=True, slots=True)
class _Layout:
    """The layout of one family of files. `block` unpacks a block's code and the length of its data."""

    version: BlenderVersion
    start: int
    block: Struct


# Blender's BHead8 and, since 5.0, LargeBHead8, without the old pointer, the structure's number and the count.
_BLOCK = Struct("<4si16x")
_LARGE_BLOCK = Struct("<4s12xq8x")


class _Source(Protocol):
    """A scene's bytes without their wrapping. `read` returns at least one byte, or none at the end."""

    most_bytes: int

    def read(self) -> bytes: ...

    def skip(self, count: int) -> None:
        """Skip `count` bytes, or to the end, after which `read` returns nothing."""

    def too_long(self) -> JobRejected:
        """The error for a chain of blocks that is longer than `most_bytes`."""


class _Plain:
    def __init__(self, stream: BinaryIO, size_bytes: int) -> None:
        self._stream, self.most_bytes = stream, size_bytes

    def read(self) -> bytes:
        return self._stream.read(PIECE_BYTES)

    def skip(self, count: int) -> None:
        self._stream.seek(count, 1)

    def too_long(self) -> JobRejected:
        return _truncated()


class _Unpacked:
    """The common part of zstd and gzip: skipping means unpacking."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._ahead = memoryview(b"")

    def read(self) -> bytes:
        piece = bytes(self._ahead) or self._unpack()
        self._ahead = memoryview(b"")
        return piece

    def skip(self, count: int) -> None:
        while count > len(self._ahead):
            count -= len(self._ahead)
            self._ahead = memoryview(self._unpack())
            if not self._ahead:
                return
        self._ahead = self._ahead[count:]

    def too_long(self) -> JobRejected:
        return JobRejected(
            Code.BOMB, f"The scene unpacks to more than {format_size(self.most_bytes)}. Make it smaller."
        )

    def _unpack(self) -> bytes:
        raise NotImplementedError


class _Zstd(_Unpacked):
    def __init__(self, stream: BinaryIO, most_bytes: int) -> None:
        super().__init__(most_bytes)
        unpacker = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
        self._reader = unpacker.stream_reader(
            stream, read_size=PIECE_BYTES, read_across_frames=True, closefd=False
        )

    def _unpack(self) -> bytes:
        try:
            return self._reader.read(PIECE_BYTES)
        except zstandard.ZstdError as error:
            if "too much memory" in str(error):
                raise JobRejected(
                    Code.BOMB, f"The scene's zstd wrapping asks for more memory than Blender's own. {_AGAIN}"
                ) from error
            raise _corrupt("its zstd wrapping is damaged") from error


class _Gzip(_Unpacked):
    """Reads one gzip member, as Blender does."""

    def __init__(self, stream: BinaryIO, most_bytes: int) -> None:
        super().__init__(most_bytes)
        self._stream = stream
        self._unpacker = zlib.decompressobj(wbits=31)

    def _unpack(self) -> bytes:
        try:
            while not self._unpacker.eof:
                packed = self._unpacker.unconsumed_tail or self._stream.read(PIECE_BYTES)
                piece = self._unpacker.decompress(packed, PIECE_BYTES)
                if piece or not packed:
                    return piece
        except zlib.error as error:
            raise _corrupt("its gzip wrapping is damaged") from error
        return b""


def read_header(
    stream: BinaryIO, limits: SceneLimits, check: Callable[[BlenderVersion], None] = lambda version: None
) -> SceneHeader:
    """Read a scene file in one pass from its first block to its last, without Blender.

    `check` receives the version before the blocks are read and may raise, so that a scene of another release
    is refused without unpacking gigabytes.

    `stream` must be seekable and is read from its start; its position afterwards is undefined. Memory is
    bounded by the module's two constants. Raises `JobRejected`: NOT_BLEND, TOO_LARGE, TRUNCATED, BOMB,
    VERSION (32-bit, big-endian, or a newer file format), CORRUPT.
    """
    size_bytes = stream.seek(0, 2)
    if size_bytes > limits.file_bytes:
        raise JobRejected(
            Code.TOO_LARGE,
            f"The scene has {format_size(size_bytes)}; the limit is {format_size(limits.file_bytes)}.",
        )
    stream.seek(0)
    start = stream.read(len(_ZSTD))
    stream.seek(0)
    wrapping, source = _open(stream, start, size_bytes, limits)
    piece = _at_least(source, b"", 512)
    layout = _read_layout(piece, wrapping)
    check(layout.version)
    blocks, unpacked_bytes = _walk(source, piece, layout, limits.blocks)
    return SceneHeader(
        version=layout.version, wrapping=wrapping, blocks=blocks, unpacked_bytes=unpacked_bytes
    )


def _open(stream: BinaryIO, start: bytes, size_bytes: int, limits: SceneLimits) -> tuple[Wrapping, _Source]:
    if start.startswith(_ZSTD):
        return Wrapping.ZSTD, _Zstd(stream, limits.unpacked_bytes)
    if start.startswith(_GZIP):
        return Wrapping.GZIP, _Gzip(stream, limits.unpacked_bytes)
    return Wrapping.PLAIN, _Plain(stream, size_bytes)


def _at_least(source: _Source, piece: bytes, count: int) -> bytes:
    """`piece` and the data after it, at least `count` bytes if the file has them."""
    while len(piece) < count and (more := source.read()):
        piece += more
    return piece


def _read_layout(start: bytes, wrapping: Wrapping) -> _Layout:
    """The file header: 12 bytes up to Blender 4.x (`BLENDER-v405`), 17 since 5.0 (`BLENDER17-01v0500`)."""
    if not start.startswith(_BLENDER):
        raise _not_blend(start, wrapping)
    if len(start) < 17:
        raise _truncated()
    if start[7:8] in b"-_":
        return _read_old_layout(start)
    if start[7:9].isdigit() and start[9:10] == b"-" and start[12:13] == b"v":
        return _read_new_layout(start)
    raise _corrupt("its header is damaged")


def _read_old_layout(start: bytes) -> _Layout:
    version = _read_version(start[9:12], start[8:9] in b"vV")
    if start[7:8] == b"_" or start[8:9] == b"V":
        what = "32-bit" if start[7:8] == b"_" else "big-endian"
        raise JobRejected(
            Code.VERSION,
            f"The scene was saved by a {what} Blender {version}. Save it with a newer one.",
        )
    return _Layout(version, 12, _BLOCK)


def _read_new_layout(start: bytes) -> _Layout:
    version = _read_version(start[13:17], start[10:12].isdigit())
    if start[7:9] != b"17" or start[10:12] != b"01":
        raise JobRejected(
            Code.VERSION, f"The scene's file format is newer than this worker knows (Blender {version})."
        )
    return _Layout(version, 17, _LARGE_BLOCK)


def _read_version(digits: bytes, fits: bool) -> BlenderVersion:
    if not fits or not digits.isdigit():
        raise _corrupt("its header is damaged")
    return BlenderVersion(*divmod(int(digits), 100))


def _walk(source: _Source, piece: bytes, layout: _Layout, most_blocks: int) -> tuple[int, int]:
    """Walk the blocks until `ENDB`. Returns the number of blocks before it and the bytes up to its end."""
    unpack, size = layout.block.unpack_from, layout.block.size
    most_bytes, at, total, blocks, has_dna = source.most_bytes, layout.start, layout.start, 0, False
    while True:
        if at + size > len(piece):
            piece, at = _at_least(source, piece[at:], size), 0
            if len(piece) < size:
                # The last block header may be cut short: Blender reads only its code.
                if piece.startswith(b"ENDB"):
                    break
                raise _truncated()
        code, length = unpack(piece, at)
        if code == b"ENDB":
            break
        blocks += 1
        total += size + length
        if length < 0:
            raise _corrupt("a block has a negative length")
        if total > most_bytes:
            raise source.too_long()
        if blocks > most_blocks:
            raise JobRejected(Code.BOMB, f"The scene has more than {most_blocks} blocks. Make it smaller.")
        has_dna = has_dna or (code == b"DNA1" and length > 0)
        at += size + length
        if at > len(piece):
            source.skip(at - len(piece))
            piece, at = b"", 0
    if not has_dna:
        raise _corrupt("the block that describes all others (DNA1) is missing")
    return blocks, total + min(size, len(piece) - at)


def _not_blend(start: bytes, wrapping: Wrapping) -> JobRejected:
    if _BLENDER.startswith(start) and start:
        return _truncated()
    if wrapping is Wrapping.PLAIN:
        return JobRejected(
            Code.NOT_BLEND,
            f"This is not a Blender scene: {describe_start(start)}. Use a .blend file of Blender.",
        )
    if not start:
        return _truncated()
    return JobRejected(
        Code.NOT_BLEND,
        f"This is not a Blender scene: inside its {wrapping} wrapping, {describe_start(start)}. "
        "Use a .blend file as Blender saved it.",
    )


def _truncated() -> JobRejected:
    return JobRejected(Code.TRUNCATED, "The scene's file ends too early. Save or upload it again.")


def _corrupt(why: str) -> JobRejected:
    return JobRejected(Code.CORRUPT, f"The scene's file is damaged: {why}. {_AGAIN}")
