"""Files and folders from blocks: right to the byte, or refused and gone without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.unit.adapters.kubo.vectors import SCENE, VECTORS, file_of, folder, link, name_of, node

from veriframe.adapters.kubo.dag import AHEAD_BLOCKS, BlockSource, DagLimits, assemble, list_folder
from veriframe.errors import Code, HostUnavailable, JobRejected, StoreUnavailable
from veriframe.model.cid import Cid, Codec

ENOUGH = DagLimits(size_bytes=10_000)


class Blocks(BlockSource):
    """Blocks out of a dictionary; counts what is asked for, and how much at once."""

    def __init__(self, blocks: Mapping[Cid, bytes]) -> None:
        self.blocks = dict(blocks)
        self.asked = 0
        self.at_once = 0
        self.most_at_once = 0

    async def block(self, cid: Cid, limit_bytes: int) -> bytes:
        """One of the blocks."""
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            return self._given(cid, limit_bytes)
        finally:
            self.at_once -= 1

    def _given(self, cid: Cid, limit_bytes: int) -> bytes:
        if cid not in self.blocks:
            raise JobRejected(Code.NOT_FOUND, "nobody has it")
        if len(self.blocks[cid]) > limit_bytes:
            raise JobRejected(Code.TOO_LARGE, "too long")
        return self.blocks[cid]


class Silent(BlockSource):
    """Never answers."""

    async def block(self, cid: Cid, limit_bytes: int) -> bytes:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError


def hand_made(*blocks: bytes) -> tuple[Cid, Blocks]:
    """The root, which is the first, and a source of all; each block both as dag-pb and as raw."""
    names = [(name_of(block, codec), block) for block in blocks for codec in (Codec.DAG_PB, Codec.RAW)]
    return name_of(blocks[0]), Blocks(dict(names))


def raw(data: bytes) -> Cid:
    """The CID of raw bytes."""
    return name_of(data, Codec.RAW)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("deep", SCENE),
        ("deep, version 0", SCENE),
        ("trickle", SCENE),
        ("wide", b"ab" * 200),
        ("one block", SCENE[:50]),
        ("one block, version 0", SCENE[:50]),
        ("with mode and time", SCENE[:50]),
        ("empty", b""),
        ("empty, version 0", b""),
    ],
)
async def test_file_is_assembled(name: str, content: bytes, tmp_path: Path) -> None:
    """However Kubo was told to cut a file, it comes back to the byte, and its progress is told."""
    vector, heard = VECTORS[name], list[int]()
    size_bytes = await assemble(vector.root, Blocks(vector.blocks), tmp_path / "got", ENOUGH, heard.append)
    assert content == _content(tmp_path / "got")
    assert len(content) == size_bytes
    assert [len(content)] == (heard or [0])[-1:]
    assert sorted(set(heard)) == heard


async def test_blocks_are_asked_for_ahead_and_bounded(tmp_path: Path) -> None:
    """Several blocks are under way at a time, and never more than the memory allows."""
    parts = [bytes((number,)) for number in range(100)]
    root, source = hand_made(file_of([(raw(part), 1) for part in parts]), *parts)
    await assemble(root, source, tmp_path / "got", ENOUGH)
    assert source.most_at_once == AHEAD_BLOCKS + 1
    assert source.asked == 101


@pytest.mark.parametrize("name", ["deep", "deep, version 0", "trickle"])
async def test_changed_block_is_never_used(name: str, tmp_path: Path) -> None:
    """fault_7: one bit changed in any one block, and the file is not there; it is the source's fault."""
    vector = VECTORS[name]
    for cid, block in vector.blocks.items():
        middle = len(block) // 2
        changed = block[:middle] + bytes((block[middle] ^ 1,)) + block[middle + 1 :]
        with pytest.raises(StoreUnavailable, match="other bytes than"):
            await assemble(vector.root, Blocks({**vector.blocks, cid: changed}), tmp_path / "got", ENOUGH)
        assert _names(tmp_path) == []


async def test_missing_block_leaves_nothing(tmp_path: Path) -> None:
    """fault_6: where nobody has a part, the source's word is passed on and no half file stays."""
    vector = VECTORS["deep"]
    last = list(vector.blocks)[-1]
    blocks = {cid: block for cid, block in vector.blocks.items() if cid != last}
    await _refused(vector.root, Blocks(blocks), tmp_path, Code.NOT_FOUND)


@pytest.mark.parametrize("name", ["folder", "many", "symlink"])
async def test_what_is_no_file_is_refused(name: str, tmp_path: Path) -> None:
    """fault_4: a folder, a large folder and a symlink are no file."""
    await _refused(VECTORS[name].root, Blocks(VECTORS[name].blocks), tmp_path, Code.NOT_A_FILE)


async def test_folder_inside_a_file_is_refused(tmp_path: Path) -> None:
    """A file of which one part is a folder is none."""
    inner = folder([])
    root, source = hand_made(file_of([(name_of(inner), 0)]), inner)
    await _refused(root, source, tmp_path, Code.CORRUPT)


async def test_size_is_refused_before_the_parts(tmp_path: Path) -> None:
    """A file that says it is too large is refused after one block."""
    vector = VECTORS["deep"]
    source = Blocks(vector.blocks)
    await _refused(vector.root, source, tmp_path, Code.TOO_LARGE, DagLimits(size_bytes=len(SCENE) - 1))
    assert source.asked == 1


@pytest.mark.parametrize("said", [1, 3, 2**63])
async def test_lies_about_sizes_are_refused(said: int, tmp_path: Path) -> None:
    """A part that is shorter or longer than the block above says is CORRUPT, or at once too large."""
    leaf = node([], b"\x08\x02\x12\x02ab")
    root, source = hand_made(file_of([(name_of(leaf), said)]), leaf)
    await _refused(root, source, tmp_path, Code.CORRUPT if said < 10_000 else Code.TOO_LARGE)


async def test_deep_files_are_refused(tmp_path: Path) -> None:
    """fault_5: blocks in blocks in blocks are followed to a cap only."""
    block, blocks = node([], b"\x08\x02\x12\x01a"), list[bytes]()
    for _ in range(40):
        blocks.insert(0, block)
        block = file_of([(name_of(block), 1)])
    root, source = hand_made(block, *blocks)
    await _refused(root, source, tmp_path, Code.TOO_LARGE)
    assert source.asked <= 34


async def test_many_tiny_blocks_are_refused(tmp_path: Path) -> None:
    """fault_5: a file of one-byte blocks is followed to a cap only; empty blocks count as well."""
    leaf, empty = b"a", b""
    for part in (leaf, empty):
        inner = file_of([(raw(part), len(part))] * 100)
        root, source = hand_made(file_of([(name_of(inner), 100 * len(part))] * 100), inner, part)
        await _refused(root, source, tmp_path, Code.TOO_LARGE, DagLimits(size_bytes=10_000, blocks=500))
        assert source.asked < 500


async def test_time_is_capped(tmp_path: Path) -> None:
    """fault_6: a source that never answers is given up, and the job is untouched."""
    with pytest.raises(StoreUnavailable, match="did not arrive within"):
        await assemble(raw(b""), Silent(), tmp_path / "got", DagLimits(size_bytes=1, seconds=0.05))
    assert _names(tmp_path) == []


async def test_cancelled_leaves_nothing(tmp_path: Path) -> None:
    """Cancellation stays one, and leaves neither a file nor a task behind."""
    before = asyncio.all_tasks()
    task = asyncio.create_task(assemble(raw(b""), Silent(), tmp_path / "got", ENOUGH))
    while not _names(tmp_path):  # noqa: ASYNC110 - a file tells of no event
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _names(tmp_path) == []
    assert before == asyncio.all_tasks()


async def test_existing_target_is_left_alone(tmp_path: Path) -> None:
    """A file, or a link, that is there already is never written to nor removed."""
    _write(tmp_path / "got", b"mine")
    with pytest.raises(HostUnavailable):
        await assemble(VECTORS["deep"].root, Blocks(VECTORS["deep"].blocks), tmp_path / "got", ENOUGH)
    assert _content(tmp_path / "got") == b"mine"


async def test_folder_is_listed_and_its_files_verify(tmp_path: Path) -> None:
    """A folder's entries are named, and one of them can be had like any file."""
    source = Blocks(VECTORS["folder"].blocks)
    entries = await list_folder(VECTORS["folder"].root, source, ENOUGH)
    assert [entry.name for entry in entries] == ["empty", "scene.blend", "sub"]
    await assemble(entries[1].cid, source, tmp_path / "got", ENOUGH)
    assert SCENE[:60] == _content(tmp_path / "got")
    await _refused(entries[2].cid, source, tmp_path, Code.NOT_A_FILE)


async def test_large_folder_is_listed_and_its_files_verify(tmp_path: Path) -> None:
    """A folder in shards (HAMT) lists like another, and its files verify."""
    source = Blocks(VECTORS["many"].blocks)
    entries = await list_folder(VECTORS["many"].root, source, ENOUGH)
    assert [f"frame_{number:04}.txt" for number in range(20)] == [entry.name for entry in entries]
    await assemble(entries[13].cid, source, tmp_path / "got", ENOUGH)
    assert _content(tmp_path / "got") == b"13"


async def test_entries_are_capped() -> None:
    """fault_4: a folder with more entries than allowed is refused."""
    limits = DagLimits(size_bytes=0, entries=19)
    with pytest.raises(JobRejected) as caught:
        await list_folder(VECTORS["many"].root, Blocks(VECTORS["many"].blocks), limits)
    assert caught.value.code == Code.TOO_LARGE


@pytest.mark.parametrize("name", ["deep", "symlink", "one block"])
async def test_only_folders_are_listed(name: str) -> None:
    """A file or a symlink has no entries."""
    with pytest.raises(JobRejected) as caught:
        await list_folder(VECTORS[name].root, Blocks(VECTORS[name].blocks), ENOUGH)
    assert caught.value.code == Code.NOT_A_FILE


async def test_name_in_two_shards_is_refused() -> None:
    """A large folder cannot hold one name twice, in two of its shards."""
    shard = node([link(raw(b"a"), "1same")], b"\x08\x05\x28\x22\x30\x08")
    other = node([link(raw(b"b"), "2same")], b"\x08\x05\x28\x22\x30\x08")
    top = node([link(name_of(shard), "0"), link(name_of(other), "1")], b"\x08\x05\x28\x22\x30\x08")
    root, source = hand_made(top, shard, other)
    with pytest.raises(JobRejected, match="two of its entries"):
        await list_folder(root, source, ENOUGH)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _content(path: Path) -> bytes:
    return path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


async def _refused(
    root: Cid, source: BlockSource, folder: Path, code: Code, limits: DagLimits = ENOUGH
) -> None:
    with pytest.raises(JobRejected) as caught:
        await assemble(root, source, folder / "refused", limits)
    assert code == caught.value.code
    assert "refused" not in _names(folder)
