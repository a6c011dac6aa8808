"""Assembling files from blocks: correct to the byte, or refused without a trace; earlier bytes are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.assembling import assembled
from tests.unit.adapters.kubo.blocks.vectors import SCENE, VECTORS, file_of, folder, name_of, node

from veriframe.adapters.kubo.blocks import tree
from veriframe.adapters.kubo.blocks.unixfs import FileBlock, Part, decode_block
from veriframe.adapters.kubo.fetching.fetcher import BLOCKS_AT_ONCE, BlockSource
from veriframe.adapters.kubo.files.staging import PREFIX
from veriframe.errors import Code, HostUnavailable, JobRejected, StoreUnavailable
from veriframe.model.content.cid import Cid, Codec
from veriframe.ports.store import Transfer

ENOUGH = 10_000


class Blocks(BlockSource):
    """Blocks from a dictionary; records the requests, and how many run at once."""

    def __init__(self, blocks: Mapping[Cid, bytes]) -> None:
        self.blocks = dict(blocks)
        self.requested = list[Cid]()
        self.at_once = 0
        self.most_at_once = 0

    async def block(self, cid: Cid) -> bytes:
        """Returns one of the blocks."""
        self.requested.append(cid)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            return self._given(cid)
        finally:
            self.at_once -= 1

    def _given(self, cid: Cid) -> bytes:
        if cid not in self.blocks:
            raise JobRejected(Code.NOT_FOUND, "nobody has it")
        return self.blocks[cid]


class Silent(BlockSource):
    """Never answers."""

    async def block(self, cid: Cid) -> bytes:
        """Waits for ever."""
        await asyncio.Event().wait()
        raise AssertionError


def hand_made(*blocks: bytes) -> tuple[Cid, Blocks]:
    """Returns the CID of the first block, and a source of all; each block both as dag-pb and as raw."""
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
    """Whatever options Kubo used for a file, it is restored to the byte, and its progress is reported."""
    vector, on_bytes = VECTORS[name], list[Transfer]()
    size_bytes = await assembled(
        vector.root, Blocks(vector.blocks), tmp_path / "got", ENOUGH, on_bytes.append
    )
    assert _names(tmp_path) == ["got"]
    assert content == _content(tmp_path / "got")
    assert len(content) == size_bytes
    done = [transfer.done_bytes for transfer in on_bytes]
    assert [len(content)] == (done or [0])[-1:]
    assert sorted(set(done)) == done
    assert {len(content)} >= {transfer.total_bytes for transfer in on_bytes}


@pytest.mark.parametrize("name", ["deep", "deep, version 0", "trickle"])
@pytest.mark.parametrize(
    ("had", "missing"),
    [
        pytest.param(b"", 13, id="nothing"),
        pytest.param(SCENE[:400], 7, id="the beginning"),
        pytest.param(SCENE, 0, id="all"),
        pytest.param(SCENE + b"more", 0, id="too much"),
        pytest.param(b"\xff" + SCENE[1:], 1, id="one wrong byte"),
        pytest.param(b"\xff" * 900, 13, id="something else"),
    ],
)
async def test_correct_bytes_on_the_disk_are_not_requested_again(
    name: str, had: bytes, missing: int, tmp_path: Path
) -> None:
    """fault_50, fault_73: after an interruption or a wrong stream, only the rest is fetched."""
    vector = VECTORS[name]
    _write(tmp_path / f"{PREFIX}{vector.root}", had)
    source = Blocks(vector.blocks)
    assert await assembled(vector.root, source, tmp_path / "got", ENOUGH) == len(SCENE)
    assert _content(tmp_path / "got") == SCENE
    assert _names(tmp_path) == ["got"]
    leaves = [cid for cid in source.requested if not _parts(cid, vector.blocks[cid])]
    assert len(leaves) == missing


async def test_a_source_that_stops_leaves_what_arrived(tmp_path: Path) -> None:
    """fault_50: what the first source returned stays, checked, and the second provides the rest."""
    vector = VECTORS["deep"]
    leaves = [cid for cid in vector.blocks if cid.codec is Codec.RAW]
    half = Blocks({cid: b"" if cid in leaves[6:] else block for cid, block in vector.blocks.items()})
    with pytest.raises(StoreUnavailable):
        await assembled(vector.root, half, tmp_path / "got", ENOUGH)
    assert _names(tmp_path) == [f"{PREFIX}{vector.root}"]
    rest = Blocks(vector.blocks)
    await assembled(vector.root, rest, tmp_path / "got", ENOUGH)
    assert _content(tmp_path / "got") == SCENE
    assert [cid for cid in rest.requested if cid in leaves] == leaves[6:]


async def test_blocks_are_requested_ahead_within_limits(tmp_path: Path) -> None:
    """Several blocks are requested at a time, and never more than memory allows."""
    parts = [bytes((number,)) for number in range(100)]
    root, source = hand_made(file_of([(raw(part), 1) for part in parts]), *parts)
    await assembled(root, source, tmp_path / "got", ENOUGH)
    assert source.most_at_once == BLOCKS_AT_ONCE
    assert len(source.requested) == 101


@pytest.mark.parametrize("name", ["deep", "deep, version 0", "trickle"])
async def test_changed_block_is_never_used(name: str, tmp_path: Path) -> None:
    """fault_7: with one changed bit in any block there is no file; it is the source's fault."""
    vector = VECTORS[name]
    for cid, block in vector.blocks.items():
        middle = len(block) // 2
        changed = block[:middle] + bytes((block[middle] ^ 1,)) + block[middle + 1 :]
        _forget(tmp_path, vector.root)
        with pytest.raises(StoreUnavailable):
            await assembled(vector.root, Blocks({**vector.blocks, cid: changed}), tmp_path / "got", ENOUGH)
        assert not (tmp_path / "got").exists()


async def test_missing_block_leaves_nothing(tmp_path: Path) -> None:
    """fault_6: if nobody has a part, the source's error is passed on and no partial file stays."""
    vector = VECTORS["deep"]
    last = list(vector.blocks)[-1]
    blocks = {cid: block for cid, block in vector.blocks.items() if cid != last}
    await _refused(vector.root, Blocks(blocks), tmp_path, Code.NOT_FOUND)


@pytest.mark.parametrize("name", ["folder", "many", "symlink"])
async def test_anything_but_a_file_is_refused(name: str, tmp_path: Path) -> None:
    """fault_4: a folder, a large folder and a symbolic link are not files."""
    await _refused(VECTORS[name].root, Blocks(VECTORS[name].blocks), tmp_path, Code.NOT_A_FILE)


async def test_folder_inside_a_file_is_refused(tmp_path: Path) -> None:
    """A file is invalid if one of its parts is a folder."""
    inner = folder([])
    root, source = hand_made(file_of([(name_of(inner), 0)]), inner)
    await _refused(root, source, tmp_path, Code.CORRUPT)


async def test_size_is_refused_before_the_parts(tmp_path: Path) -> None:
    """A file whose stated size is too large is refused after one block."""
    vector = VECTORS["deep"]
    source = Blocks(vector.blocks)
    await _refused(vector.root, source, tmp_path, Code.TOO_LARGE, len(SCENE) - 1)
    assert len(source.requested) == 1


@pytest.mark.parametrize("stated", [1, 3, 2**63])
async def test_false_sizes_are_refused(stated: int, tmp_path: Path) -> None:
    """A part of another size than the block above states is CORRUPT, or immediately too large."""
    leaf = node([], b"\x08\x02\x12\x02ab")
    root, source = hand_made(file_of([(name_of(leaf), stated)]), leaf)
    await _refused(root, source, tmp_path, Code.CORRUPT if stated < 10_000 else Code.TOO_LARGE)


async def test_deep_files_are_refused(tmp_path: Path) -> None:
    """fault_5: nested blocks are followed only up to a limit."""
    block, blocks = node([], b"\x08\x02\x12\x01a"), list[bytes]()
    for _ in range(40):
        blocks.insert(0, block)
        block = file_of([(name_of(block), 1)])
    root, source = hand_made(block, *blocks)
    await _refused(root, source, tmp_path, Code.TOO_LARGE)
    assert len(source.requested) <= 34


async def test_many_tiny_blocks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_5: one-byte blocks are followed only up to a limit; empty blocks count as well."""
    monkeypatch.setattr(tree, "MAX_BLOCKS", 500)
    leaf, empty = b"a", b""
    for part in (leaf, empty):
        inner = file_of([(raw(part), len(part))] * 100)
        root, source = hand_made(file_of([(name_of(inner), 100 * len(part))] * 100), inner, part)
        await _refused(root, source, tmp_path, Code.TOO_LARGE)
        assert len(source.requested) < 500


async def test_cancelled_leaves_no_task(tmp_path: Path) -> None:
    """A cancelled call ends as cancelled, and leaves neither a target nor a task behind."""
    before = asyncio.all_tasks()
    task = asyncio.create_task(assembled(raw(b""), Silent(), tmp_path / "got", ENOUGH))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not (tmp_path / "got").exists()
    assert before == asyncio.all_tasks()


async def test_a_disk_that_cannot_be_written_is_the_hosts_fault(tmp_path: Path) -> None:
    """fault_41: neither the job nor the source is blamed."""
    vector = VECTORS["deep"]
    (tmp_path / f"{PREFIX}{vector.root}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostUnavailable):
        await assembled(vector.root, Blocks(vector.blocks), tmp_path / "got", ENOUGH)
    assert not (tmp_path / "elsewhere").exists()


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _content(path: Path) -> bytes:
    return path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _forget(folder: Path, root: Cid) -> None:
    (folder / f"{PREFIX}{root}").unlink(missing_ok=True)


def _parts(cid: Cid, block: bytes) -> Sequence[Part]:
    decoded = decode_block(cid, block)
    assert isinstance(decoded, FileBlock)
    return decoded.parts


async def _refused(
    root: Cid, source: BlockSource, folder: Path, code: Code, limit_bytes: int = ENOUGH
) -> None:
    with pytest.raises(JobRejected) as caught:
        await assembled(root, source, folder / "refused", limit_bytes)
    assert code == caught.value.code
    assert _names(folder) == []
