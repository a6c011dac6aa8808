"""The header check reads any bytes within its limits, and reports what they are or what is wrong."""

from __future__ import annotations

import gzip
import io
import random
import struct
import time
import tracemalloc
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scenes.blend_bytes import (
    BIGGEST_OLD_BLOCK,
    NEW_START,
    OLD_START,
    SEEK_TABLE,
    blend,
    blend_5,
    block,
    block_start,
    gzip_bomb,
    large_block,
    zstd,
    zstd_bomb,
    zstd_of_empty_blocks,
    zstd_with_window,
)

from veriframe.errors import Code, JobRejected
from veriframe.model.rendering.checks import read_header
from veriframe.model.rendering.scene import BlenderVersion, SceneHeader, SceneLimits, Wrapping

NOISE = random.Random(1).randbytes(3 * 2**20)
SCENE = blend(block(b"REND", b"x" * 72), block(b"DATA", b"mesh" * 500), block(b"GLOB", NOISE[:5000]))
SCENE_5 = blend_5(large_block(b"REND", b"x" * 72), large_block(b"DATA", NOISE[:5000]))
gzipped = partial(gzip.compress, mtime=0)
"""The same bytes at any time: they are the names of tests."""

WRAPPED = {"plain": SCENE, "5.0": SCENE_5, "zstd": zstd(SCENE, 2000), "gzip": gzipped(SCENE)}


LIMITS = SceneLimits()


def _read(content: bytes, limits: SceneLimits = LIMITS) -> SceneHeader:
    return read_header(io.BytesIO(content), limits)


def _refusal(content: bytes, limits: SceneLimits = LIMITS) -> JobRejected:
    with pytest.raises(JobRejected) as raised:
        _read(content, limits)
    return raised.value


@pytest.mark.parametrize(
    ("content", "wrapping"),
    [(SCENE, Wrapping.PLAIN), (zstd(SCENE, 500), Wrapping.ZSTD), (gzipped(SCENE), Wrapping.GZIP)],
)
def test_a_scene_is_the_same_in_every_wrapping(content: bytes, wrapping: Wrapping) -> None:
    """Version, blocks and bytes are those of the inner file, also for zstd with many frames and a table."""
    expected = SceneHeader(
        version=BlenderVersion(4, 5), wrapping=wrapping, blocks=4, unpacked_bytes=len(SCENE)
    )
    assert expected == _read(content)


@pytest.mark.parametrize(("content", "wrapping"), [(SCENE_5, Wrapping.PLAIN), (zstd(SCENE_5), Wrapping.ZSTD)])
def test_the_layout_of_blender_5_is_read(content: bytes, wrapping: Wrapping) -> None:
    """A header of 17 bytes, a version of four digits, block headers of 32 bytes."""
    expected = SceneHeader(
        version=BlenderVersion(5, 0), wrapping=wrapping, blocks=3, unpacked_bytes=len(SCENE_5)
    )
    assert expected == _read(content)


@pytest.mark.parametrize("wrap", [bytes, zstd, gzipped])
def test_blocks_larger_than_a_piece_are_skipped(wrap: type[bytes]) -> None:
    """An incompressible block of 3 MiB, an empty one, and one that ends with a piece."""
    header = 12 + 24
    scene = blend(block(b"DATA", NOISE), block(b"DATA"), block(b"DATA", NOISE[: 2**20 - header]))
    assert (4, len(scene)) == (_read(wrap(scene)).blocks, _read(wrap(scene)).unpacked_bytes)


def test_frames_without_content_are_skipped() -> None:
    """Empty and skippable frames between the others do not end the file."""
    nothing = zstd_with_window(b"", 20) + SEEK_TABLE
    content = nothing.join(zstd(SCENE[at : at + 1000]) for at in range(0, len(SCENE), 1000))
    assert _read(content).unpacked_bytes == len(SCENE)


def test_data_after_the_end_block_is_not_read() -> None:
    """Blender stops at `ENDB`, so the header check does, too."""
    assert len(SCENE) == _read(SCENE + NOISE).unpacked_bytes


def test_an_end_block_may_be_cut_short() -> None:
    """Old versions of Blender wrote only its code, and Blender accepts it."""
    assert _read(SCENE[:-20]).blocks == 4


@pytest.mark.parametrize(
    ("content", "look"),
    [
        (b"", "it is empty"),
        (b"just some words", "it looks like text"),
        ("Überlänge\n".encode(), "it looks like text"),
        (b"\n <!DOCTYPE html><html>gateway timeout", "web page"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "PNG picture"),
        (b"PK\x03\x04\x14\x00", "zip archive"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"\x00\x01\x02\x03" * 100, "not those of a scene"),
        (b"blender-v405" + SCENE[12:], "not those of a scene"),
        (zstd(b"just some words"), "inside its zstd wrapping, it looks like text"),
        (gzipped(b"PK\x03\x04"), "inside its gzip wrapping, it looks like a zip archive"),
    ],
)
def test_other_files_are_described(content: bytes, look: str) -> None:
    """fault_16: the bytes decide, not the name; the sentence says what they look like."""
    refusal = _refusal(content)
    assert refusal.code == Code.NOT_BLEND
    assert look in str(refusal)


@pytest.mark.parametrize("content", [gzipped(gzipped(SCENE)), zstd(zstd(SCENE)), gzipped(zstd(SCENE))])
def test_a_wrapping_within_a_wrapping_is_refused(content: bytes) -> None:
    """fault_18: Blender writes one; two are an attack."""
    assert _refusal(content).code == Code.NOT_BLEND


@pytest.mark.parametrize("name", WRAPPED)
def test_a_truncated_scene_is_refused_wherever_it_is_cut(name: str) -> None:
    """fault_17: from the fifth byte to the end block's code, in every wrapping."""
    content = WRAPPED[name]
    codes = {_refusal(content[:length]).code for length in range(5, len(content) - 60, 7)}
    assert {Code.TRUNCATED} == codes


def test_a_scene_without_its_description_is_refused() -> None:
    """fault_17: Blender's “Missing DNA block”."""
    assert _refusal(OLD_START + block(b"DATA", b"x") + block(b"ENDB")).code == Code.CORRUPT


@pytest.mark.parametrize(
    ("start", "version"),
    [
        (b"BLENDER_v249", "2.49"),
        (b"BLENDER-V279", "2.79"),
        (b"BLENDER17-02v0501", "5.1"),
        (b"BLENDER20-01v0600", "6.0"),
    ],
)
def test_other_machines_files_are_refused(start: bytes, version: str) -> None:
    """fault_19: 32-bit, big-endian and future file formats."""
    refusal = _refusal(start + SCENE[12:])
    assert refusal.code == Code.VERSION
    assert version in str(refusal)


@pytest.mark.parametrize(
    "start", [b"BLENDER?v405", b"BLENDER-x405", b"BLENDER-v4x5", b"BLENDER17-01v05x0", b"BLENDER17_01v0500"]
)
def test_a_damaged_header_is_refused(start: bytes) -> None:
    """fault_20: headers that no Blender writes."""
    assert _refusal(start + SCENE[12:]).code == Code.CORRUPT


def test_a_negative_length_is_refused() -> None:
    """fault_20: otherwise the walk would run backwards forever."""
    assert _refusal(OLD_START + block_start(b"DATA", -24)).code == Code.CORRUPT
    assert _refusal(NEW_START + large_block(b"DATA", length=-(2**63))).code == Code.CORRUPT


def test_a_zstd_bomb_is_refused_quickly_in_little_memory() -> None:
    """fault_18: half a megabyte that unpacks to 16 GiB, by the sum of its blocks, with default limits."""
    bomb = zstd_bomb()
    assert 500_000 < len(bomb) < 550_000
    tracemalloc.start()
    started = time.process_time()
    code = _refusal(bomb).code
    seconds = time.process_time() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert code == Code.BOMB
    # About one second with tracing, plus a margin for slow machines. Unpacking would take minutes.
    assert seconds < 20
    assert peak < 16 * 2**20


def test_a_bomb_is_refused_by_its_declared_size() -> None:
    """fault_18: a wrapped block with a declared size above the limit is not unpacked."""
    content = zstd(NEW_START + large_block(b"DATA", length=2**62))
    assert _refusal(content).code == Code.BOMB
    assert _refusal(NEW_START + large_block(b"DATA", length=2**62)).code == Code.TRUNCATED


def test_a_gzip_bomb_is_refused() -> None:
    """fault_18: 32 MiB under a limit of 8."""
    bomb = gzip_bomb(32)
    assert len(bomb) < 200_000
    assert _refusal(bomb, SceneLimits(unpacked_bytes=8 * 2**20)).code == Code.BOMB
    assert _read(bomb, SceneLimits(unpacked_bytes=33 * 2**20)).blocks == 2


def test_too_many_blocks_are_refused() -> None:
    """fault_18: a million empty blocks in a few kilobytes, with half of it as the limit."""
    bomb = zstd_of_empty_blocks(2**20)
    assert len(bomb) < 10_000
    assert _refusal(bomb, SceneLimits(blocks=2**19)).code == Code.BOMB
    assert _read(bomb).blocks == 2**20 + 1


def test_a_frame_with_a_large_window_is_refused() -> None:
    """fault_18: a window of 128 MiB is never allocated; 8 MiB are allowed."""
    assert _refusal(zstd_with_window(SCENE, 27)).code == Code.BOMB
    assert _read(zstd_with_window(SCENE, 23)).blocks == 4


def test_a_file_over_the_limit_is_refused() -> None:
    """The file's size is checked before anything is read."""
    assert _refusal(SCENE, SceneLimits(file_bytes=len(SCENE) - 1)).code == Code.TOO_LARGE
    assert _read(SCENE, SceneLimits(file_bytes=len(SCENE))).blocks == 4


@given(
    st.binary(max_size=4000),
    st.sampled_from([b"", OLD_START, NEW_START, b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08"]),
)
def test_any_bytes_are_read_or_refused(noise: bytes, start: bytes) -> None:
    """fault_20: whatever follows a magic number, the result is a header or `JobRejected`."""
    _answer(start + noise)


@given(st.sampled_from(sorted(WRAPPED)), st.data())
def test_a_scene_with_flipped_bits_is_read_or_refused(name: str, data: st.DataObject) -> None:
    """fault_20: with some bits flipped and the end cut off, in every wrapping."""
    content = bytearray(WRAPPED[name])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    _answer(bytes(content[: data.draw(st.integers(0, len(content)))]))


@given(
    st.lists(
        st.tuples(st.binary(min_size=4, max_size=4), st.integers(-(2**31), BIGGEST_OLD_BLOCK)), max_size=20
    )
)
def test_any_chain_of_blocks_is_walked_or_refused(chain: list[tuple[bytes, int]]) -> None:
    """fault_20: block headers with any code and length, inside zstd, stay within the limits."""
    content = b"".join(struct.pack("<4siQii", code, length, 0, 0, 0) for code, length in chain)
    _answer(zstd(OLD_START + content + bytes(100_000)))


def _answer(content: bytes) -> None:
    """Expect a header within the limits, or a refusal with a printable sentence."""
    limits = SceneLimits(unpacked_bytes=2**20, blocks=1000)
    try:
        header = _read(content, limits)
    except JobRejected as refusal:
        header, sentence = None, str(refusal)
    assert sentence.isprintable() if header is None else header.blocks <= limits.blocks


def test_the_version_is_checked_before_the_blocks_are_read() -> None:
    """fault_83: a scene of another release is refused at once, not after 16 GiB of zeros."""
    checked: list[BlenderVersion] = []

    class Other(Exception):
        """Raised by the version check."""

    def refuse(version: BlenderVersion) -> None:
        checked.append(version)
        raise Other

    with pytest.raises(Other):
        read_header(io.BytesIO(zstd_bomb()), LIMITS, refuse)
    assert checked == [BlenderVersion(4, 5)]
