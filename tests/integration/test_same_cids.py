"""`LocalStore` and a real Kubo give the same CIDs for the same input, and return the same bytes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from aleph_cid import CidHasher
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nodes import Kubo, kubo

from veriframe.adapters.kubo.blocks.protobuf import bytes_field, varint_field
from veriframe.adapters.kubo.store import KuboStore
from veriframe.adapters.local_store import LocalStore
from veriframe.errors import Code, JobRejected
from veriframe.model.content.cid import Cid, Codec
from veriframe.model.content.folder import FolderLimits, check_path
from veriframe.ports.store import ContentStore, FetchLimits

pytestmark = pytest.mark.slow

CHUNK_BYTES = 262_144
LINKS = 174
LIMITS = FolderLimits(size_bytes=2**30)
FOLDER = FetchLimits(folder=LIMITS)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    """One Kubo for all tests here."""
    with kubo(tmp_path_factory.mktemp("kubo")) as started:
        yield started


def files_in(folder: Path) -> dict[str, bytes]:
    """Returns all files below a folder; a single file is named `.`."""
    paths = folder.rglob("*") if folder.is_dir() else [folder]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}


async def both_ways(node: Kubo, source: Path, work: Path) -> str:
    """Returns the CID from both stores; checks that each returns the source for it."""
    async with KuboStore(node.api_multiaddr) as far:
        near = LocalStore(work / "store", LIMITS.size_bytes)
        cids = [await store.add(source, "job-1-result") for store in (near, far)]
        assert cids[0] == cids[1]
        for number, store in enumerate((near, far)):
            await check_fetch(store, cids[0], source, work / str(number))
    return cids[0]


async def check_fetch(store: ContentStore, cid: str, source: Path, target: Path) -> None:
    """Fetches and compares. Either store refuses a folder with invalid names."""
    files, faults = files_in(source), faults_of(source)
    if faults:
        with pytest.raises(JobRejected) as caught:
            await store.fetch(cid, target, FOLDER)
        assert caught.value.code in faults
        return
    if files.keys() == {"."}:
        size_bytes = (await store.fetch(cid, target, FetchLimits(file_bytes=LIMITS.size_bytes))).size_bytes
    else:
        size_bytes = (await store.fetch(cid, target, FOLDER)).size_bytes
    assert (size_bytes, files_in(target)) == (sum(map(len, files.values())), files)


def faults_of(source: Path) -> set[Code]:
    """Returns why a folder may be refused: the names and the depth of its entries."""
    faults = set[Code]()
    for path in source.rglob("*"):
        try:
            check_path(str(path.relative_to(source)), LIMITS)
        except JobRejected as error:
            faults.add(error.code)
    return faults


SIZES = st.one_of(
    st.integers(0, 2 * CHUNK_BYTES),
    st.builds(
        lambda chunks, more: max(0, chunks * CHUNK_BYTES + more), st.integers(0, 12), st.integers(-1, 1)
    ),
)


@settings(max_examples=40, deadline=None)
@given(SIZES)
def test_files_around_chunk_boundaries(node: Kubo, size_bytes: int) -> None:
    """fault_53: empty, and of any number of chunks, one byte more and one less."""
    with TemporaryDirectory() as name:
        source = Path(name) / "source"
        source.write_bytes(hashlib.shake_256(b"%d" % size_bytes).digest(size_bytes))
        asyncio.run(both_ways(node, source, Path(name)))


@pytest.mark.parametrize("more_bytes", [-1, 0, 1, CHUNK_BYTES])
def test_files_around_the_link_limit(node: Kubo, tmp_path: Path, more_bytes: int) -> None:
    """fault_53: with as many chunks as one block links to, and one more."""
    size_bytes = LINKS * CHUNK_BYTES + more_bytes
    (tmp_path / "source").write_bytes(hashlib.shake_256(b"links").digest(size_bytes))
    cid = asyncio.run(both_ways(node, tmp_path / "source", tmp_path))
    (tmp_path / "source").write_bytes(bytes(size_bytes))
    assert asyncio.run(both_ways(node, tmp_path / "source", tmp_path / "zeros")) == cid_of_zeros(size_bytes)
    assert cid != cid_of_zeros(size_bytes)


def cid_of_zeros(size_bytes: int) -> str:
    """Returns the CID of zero bytes, computed level by level: all full blocks of a level are the same."""
    whole, rest = divmod(size_bytes, CHUNK_BYTES)
    # (CID, bytes of the file, bytes of the DAG) of each block of a level, equal ones together.
    level = [(leaf(CHUNK_BYTES), whole), *([(leaf(rest), 1)] if rest or not whole else [])]
    level = [(block, count) for block, count in level if count]
    while sum(count for _, count in level) > 1:
        blocks = [block for block, count in level for block in [block] * count]
        groups = [tuple(blocks[start : start + LINKS]) for start in range(0, len(blocks), LINKS)]
        made = {group: parent(group) for group in set(groups)}
        level = [(made[group], 1) for group in groups]
    return str(level[0][0][0])


Node = tuple[Cid, int, int]


def leaf(size_bytes: int) -> Node:
    """A raw block of zeros."""
    return Cid(Codec.RAW, sha256(bytes(size_bytes)).digest()), size_bytes, size_bytes


def parent(children: tuple[Node, ...]) -> Node:
    """Returns the block above these."""
    links, sizes = b"", b""
    for cid, file_bytes, dag_bytes in children:
        binary = bytes((1, cid.codec, 0x12, 0x20)) + cid.digest
        links += bytes_field(2, bytes_field(1, binary) + bytes_field(2, b"") + varint_field(3, dag_bytes))
        sizes += varint_field(4, file_bytes)
    file_bytes = sum(child[1] for child in children)
    block = links + bytes_field(1, b"\x08\x02" + varint_field(3, file_bytes) + sizes)
    cid = Cid(Codec.DAG_PB, sha256(block).digest())
    return cid, file_bytes, len(block) + sum(child[2] for child in children)


@pytest.mark.parametrize("leaves", [LINKS * LINKS, LINKS * LINKS + 1])
def test_files_around_the_limit_of_two_levels(leaves: int) -> None:
    """fault_53: at 7.9 GB a third level starts. Zeros, hashed as both stores hash, against arithmetic."""
    hasher, zeros = CidHasher.for_ipfs_v1_raw_leaves(), bytes(LINKS * CHUNK_BYTES)
    whole, rest = divmod(leaves, LINKS)
    for _ in range(whole):
        hasher.update(zeros)
    hasher.update(zeros[: rest * CHUNK_BYTES])
    assert hasher.finalize() == cid_of_zeros(leaves * CHUNK_BYTES)


NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=12
).filter(lambda name: name not in (".", "..") and len(name.encode()) <= 40)
PATHS = st.lists(st.lists(NAMES, min_size=1, max_size=20), min_size=1, max_size=6)
CONTENT_SIZES = st.sampled_from([0, 1, 100, CHUNK_BYTES, CHUNK_BYTES + 1])


@settings(max_examples=60, deadline=None)
@given(PATHS, st.lists(CONTENT_SIZES, min_size=6, max_size=6))
def test_folders_of_any_names_and_depth(node: Kubo, paths: list[list[str]], sizes: list[int]) -> None:
    """fault_4, fault_53: empty files, nested folders, names in any script; both refuse the same ones."""
    with TemporaryDirectory() as name:
        for number, path in enumerate(paths):
            file = Path(name, "source", *path)
            # A file and a folder may have the same name: the first one wins.
            with suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(hashlib.shake_256(b"%d" % number).digest(sizes[number]))
        asyncio.run(both_ways(node, Path(name, "source"), Path(name)))


def test_a_folder_of_ten_thousand_files(node: Kubo, tmp_path: Path) -> None:
    """fault_53: Kubo shards a large folder (a HAMT); its CID is still the one computed here."""
    (tmp_path / "source").mkdir()
    for number in range(10_000):
        (tmp_path / "source" / f"frame_{number:05}.png").write_bytes(b"%d" % number)
    asyncio.run(both_ways(node, tmp_path / "source", tmp_path))
