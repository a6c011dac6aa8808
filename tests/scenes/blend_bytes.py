"""Builds tiny `.blend` files byte by byte, in every compression and both layouts, and bombs in them."""

from __future__ import annotations

import gzip
import struct

import zstandard

OLD_START = b"BLENDER-v405"
NEW_START = b"BLENDER17-01v0500"

SEEK_TABLE = struct.pack("<IIIBI", 0x184D2A5E, 9, 0, 0, 0x8F92EAB1)
"""The end of Blender's zstd files: a skippable frame with the seek table, empty here."""

BIGGEST_OLD_BLOCK = 2**31 - 1


def block(code: bytes, data: bytes = b"") -> bytes:
    """A block of Blender up to 4.x: BHead8 and its data."""
    return block_start(code, len(data)) + data


def block_start(code: bytes, length: int) -> bytes:
    """A BHead8 that announces `length` bytes: code, length, old pointer, structure, count."""
    return struct.pack("<4siQii", code, length, 0x7F00_0000_1000, 0, 1)


def large_block(code: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """A block of Blender since 5.0: LargeBHead8 and its data; `length` is the announced length."""
    announced = len(data) if length is None else length
    return struct.pack("<4siQqq", code, 0, 0x7F00_0000_1000, announced, 1) + data


def blend(*blocks: bytes) -> bytes:
    """A whole uncompressed file of Blender 4.5: `blocks` and then the two required ones."""
    return OLD_START + b"".join(blocks) + block(b"DNA1", b"SDNANAME") + block(b"ENDB")


def blend_5(*blocks: bytes) -> bytes:
    """A whole uncompressed file of Blender 5.0, with the same blocks."""
    return NEW_START + b"".join(blocks) + large_block(b"DNA1", b"SDNANAME") + large_block(b"ENDB")


def zstd(content: bytes, frame_bytes: int = 2**20) -> bytes:
    """Compresses like Blender: one frame per MiB, then the seek table."""
    compress = zstandard.ZstdCompressor(level=3).compress
    pieces = (content[at : at + frame_bytes] for at in range(0, len(content), frame_bytes))
    return b"".join(map(compress, pieces)) + SEEK_TABLE


def zstd_with_window(content: bytes, window_log: int) -> bytes:
    """One frame that requires a window of `2**window_log` bytes."""
    parameters = zstandard.ZstdCompressionParameters(window_log=window_log)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packer.compress(content) + packer.flush()


def zstd_bomb() -> bytes:
    """About 524 kB that decompress to 16 GiB: eight chained blocks of 2 GiB of zeros each."""
    compress = zstandard.ZstdCompressor(level=3).compress
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    mib = bytes(2**20)
    zeros = [packer.compress(mib) for _ in range(2047)] + [packer.compress(mib[1:]), packer.flush()]
    announced = block_start(b"DATA", BIGGEST_OLD_BLOCK)
    return compress(OLD_START) + (compress(announced) + b"".join(zeros)) * 8 + zstd(blend()[12:])


def zstd_of_empty_blocks(count: int) -> bytes:
    """A few bytes that decompress to a chain of `count` blocks without data (a multiple of 32768)."""
    compress = zstandard.ZstdCompressor(level=3).compress
    return compress(OLD_START) + compress(block(b"DATA") * 32_768) * (count // 32_768) + zstd(blend()[12:])


def gzip_bomb(mebibytes: int) -> bytes:
    """A gzip-compressed block of this many MiB of zeros."""
    data = bytes(mebibytes * 2**20)
    return gzip.compress(blend(block(b"DATA", data)), compresslevel=1)
