"""Tests of every content store: a range of a file, alone or in a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.ports.store_content import ABSENT, add
from tests.ports.test_store_folders import BUNDLE, bundle

from veriframe.errors import Code, JobRejected
from veriframe.ports.store import MOST_READ_BYTES, ContentStore

LARGE = hashlib.shake_256(b"large").digest(5 * 2**20 + 12_345)
"""21 blocks under one root."""
RANGES = (
    (0, 1),
    (262_143, 2),
    (262_144, 262_144),
    (700_000, 1_000_000),
    (1_048_576, MOST_READ_BYTES),
    (len(LARGE) - 5, 5),
    (len(LARGE) - 5, 6),
    (len(LARGE), 1),
    (2**62, 10),
    (17, 0),
)


async def test_a_range_of_a_file_comes(store: ContentStore, tmp_path: Path) -> None:
    """Within a block, over its end, of many blocks; shorter only at the end of the file."""
    file = await add(store, tmp_path, LARGE)
    folder = await store.add(bundle(tmp_path / "proofs", {"proof/a.exr": LARGE, "b": b"x"}), "job-1-result")
    for offset, length in RANGES:
        expected = LARGE[offset : offset + length]
        assert await store.read(file, "", offset, length) == expected, (offset, length)
        assert await store.read(folder, "proof/a.exr", offset, length) == expected, (offset, length)


async def test_small_and_empty_files_are_read(store: ContentStore, tmp_path: Path) -> None:
    """A file of one block, at any depth, and one without bytes."""
    folder = await store.add(bundle(tmp_path / "bundle", BUNDLE), "job-1-result")
    for path, content in BUNDLE.items():
        assert await store.read(folder, path, 0, MOST_READ_BYTES) == content[:MOST_READ_BYTES]
        assert await store.read(folder, path, 2, 3) == content[2:5]


async def test_what_is_not_a_file_is_not_read(store: ContentStore, tmp_path: Path) -> None:
    """fault_253: folders, absent entries and content, paths that lead elsewhere, texts that are no CID."""
    folder = await store.add(bundle(tmp_path / "bundle", BUNDLE), "job-1-result")
    file = await add(store, tmp_path, b"a bare scene")
    for cid, path, code in (
        (folder, "", Code.NOT_A_FILE),
        (folder, "frames", Code.NOT_A_FILE),
        (folder, "job.json/deeper", Code.NOT_A_FILE),
        (file, "job.json", Code.NOT_A_FILE),
        (folder, "absent", Code.CORRUPT),
        (folder, "../job.json", Code.CORRUPT),
        (ABSENT, "", Code.NOT_FOUND),
        (ABSENT, "job.json", Code.NOT_FOUND),
        ("not a CID", "", Code.BAD_CID),
    ):
        with pytest.raises(JobRejected) as caught:
            await store.read(cid, path, 0, 1)
        assert (cid, path, caught.value.code) == (cid, path, code)


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, -1), (0, MOST_READ_BYTES + 1)])
async def test_only_ranges_of_a_bounded_size_are_read(
    store: ContentStore, tmp_path: Path, offset: int, length: int
) -> None:
    """So no caller fills the memory by mistake."""
    file = await add(store, tmp_path, b"a bare scene")
    with pytest.raises(ValueError, match="cannot be read at once"):
        await store.read(file, "", offset, length)
