"""What is removed after a fetch and what never is, with a node of scripted answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from tests.unit.adapters.kubo.lying_node import CONTENT, LyingNode, lying_node, refusal
from tests.waiting import until

from veriframe.adapters.kubo.blocks.protobuf import bytes_field, varint_field
from veriframe.adapters.kubo.node.api import KuboApi
from veriframe.adapters.kubo.removal import fetched, removal
from veriframe.adapters.kubo.removal.fetched import Note
from veriframe.adapters.kubo.removal.removal import Removal, links, multihash, read_cid, spelled
from veriframe.adapters.kubo.store import KuboStore
from veriframe.model.content.cid import Cid, Codec
from veriframe.ports.store import FetchLimits

EMPTY = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
"""The folder without entries."""


class Keeping(LyingNode):
    """A node that had nothing before; `kept` and `files` are what it reports as pinned and in MFS."""

    def __init__(self) -> None:
        super().__init__()
        self.removed = list[str]()
        self.pin_lists = 0
        self.kept = b'{"Keys":{}}\n'
        self.files: web.Response | dict[str, str] = {"Hash": EMPTY}
        self.notes = {Note.of(self.root).cid}
        self.replies = {
            "block/stat": self.has,
            "pin/ls": self.pins,
            "files/stat": self.mfs,
            "block/rm": self.remove,
        }

    async def has(self, request: web.Request) -> web.StreamResponse:
        """It has content that was fetched in full."""
        if "cat" in self.asked and not self.removed:
            return web.json_response({"Key": request.query["arg"]})
        return refusal("block was not found locally (offline): ipld: could not find it")

    async def pins(self, request: web.Request) -> web.StreamResponse:
        """All pins."""
        self.pin_lists += 1
        return web.Response(body=self.kept)

    async def mfs(self, request: web.Request) -> web.StreamResponse:
        """The root of MFS."""
        return web.json_response(self.files) if isinstance(self.files, dict) else refusal("no")

    async def remove(self, request: web.Request) -> web.StreamResponse:
        """Removes blocks; notes are not counted."""
        self.removed += [cid for cid in request.query.getall("arg") if cid not in self.notes]
        return web.Response()


@pytest_asyncio.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Keeping]:
    """The node, listening."""
    monkeypatch.setattr("tests.unit.adapters.kubo.lying_node.LyingNode", Keeping)
    async with lying_node() as started:
        assert isinstance(started, Keeping)
        yield started


async def fetch(node: Keeping, target: Path) -> None:
    """Fetches the scene, and waits for the removal, or until it pauses because it failed."""
    async with KuboStore(node.url) as store:
        assert (await store.fetch(str(node.root), target, FetchLimits(file_bytes=2**20))).size_bytes == len(
            CONTENT
        )
        removing = store._fetched
        await until(lambda: removing._is_pausing or removing._task is None or removing._task.done())


async def test_children_are_removed_before_their_parent(node: Keeping, tmp_path: Path) -> None:
    """fault_87: an interrupted removal leaves the links from the root to the rest."""
    await fetch(node, tmp_path / "scene")
    assert set(node.removed) == set(node.blocks)
    assert node.removed[-1] == str(node.root)


def tree(depth: int, width: int) -> tuple[Cid, dict[str, bytes]]:
    """A chain of `depth` blocks, each with `width` small files."""
    blocks, below = dict[str, bytes](), list[Cid]()
    for level in range(depth):
        for number in range(width):
            block = bytes_field(1, b"\x08\x02" + bytes_field(2, f"{level} {number}".encode()))
            below.append(Cid(Codec.DAG_PB, sha256(block).digest()))
            blocks[str(below[-1])] = block
        block = b"".join(bytes_field(2, bytes_field(1, b"\x12\x20" + cid.digest)) for cid in below)
        below = [Cid(Codec.DAG_PB, sha256(block).digest())]
        blocks[str(below[0])] = block
    return below[0], blocks


async def test_a_tree_of_any_size_is_removed_in_little_memory(
    node: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_87: with more blocks than fit into memory, each walk gets further, and the last one ends."""
    monkeypatch.setattr(removal, "STACK_BLOCKS", 60)
    monkeypatch.setattr(removal, "CHUNK_BLOCKS", 50)
    root, node.blocks = tree(depth=30, width=12)
    kept = dict(node.blocks)

    async def remove(request: web.Request) -> web.StreamResponse:
        for cid in request.query.getall("arg"):
            node.blocks.pop(cid, None)
        return await node.remove(request)

    node.replies["block/rm"] = remove
    api = KuboApi(node.url)
    await Removal(api, lambda: 0).run(root)
    await api.close()
    assert (node.blocks, set(node.removed)) == ({}, set(kept))


async def test_a_block_is_kept_under_every_codec(node: Keeping, tmp_path: Path) -> None:
    """fault_87: Kubo pins CIDs and removes hashes; so hashes are compared."""
    pinned = str(Cid(Codec.RAW, node.root.digest))
    node.kept = json.dumps({"Keys": {pinned: {"Type": "recursive", "Name": 'x":{"Type"'}}}).encode()
    node.kept = node.kept.replace(b'": {', b'":{') + b"\n"
    await fetch(node, tmp_path / "scene")
    assert set(node.removed) == set(node.blocks) - {str(node.root)}


@pytest.mark.parametrize("kept", [b"", b'{"Keys":{"bafkreia4dp":{"Type":"indi', b"[]", b'{"Keys":null}'])
async def test_nothing_is_removed_if_the_pins_are_unknown(node: Keeping, tmp_path: Path, kept: bytes) -> None:
    """fault_87: with an incomplete or senseless list; the fetch is not affected."""
    node.kept = kept
    await fetch(node, tmp_path / "scene")
    assert (node.removed, node.pin_lists) == ([], 1)


async def test_nothing_is_removed_if_mfs_is_unknown(node: Keeping, tmp_path: Path) -> None:
    """fault_87: with a node that does not report what is in MFS."""
    node.files = web.Response()
    await fetch(node, tmp_path / "scene")
    assert (node.removed, node.pin_lists) == ([], 1)


async def test_pins_made_meanwhile_are_seen(
    node: Keeping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_87: a result that is pinned between two batches is noticed before the next one."""
    monkeypatch.setattr(removal, "FIRST_BLOCKS", 1)
    async with KuboStore(node.url) as store:

        async def remove(request: web.Request) -> web.StreamResponse:
            if not node.removed:
                store._fetched.pins_made += 1
                node.kept = b'{"Keys":{"' + str(node.root).encode() + b'":{"Type":"recursive"}}}\n'
            return await node.remove(request)

        node.replies["block/rm"] = remove
        await store.fetch(str(node.root), tmp_path / "scene", FetchLimits(file_bytes=2**20))
    assert node.pin_lists == 2
    assert set(node.removed) == set(node.blocks) - {str(node.root)}


async def test_a_removal_that_fails_is_tried_again(
    node: Keeping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_87: after a pause; the fetch is not affected."""
    monkeypatch.setattr(fetched, "RETRY_SECONDS", 0.05)
    tries = 0

    async def remove(request: web.Request) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        return refusal("no") if tries <= 2 else await node.remove(request)

    node.replies["block/rm"] = remove
    async with KuboStore(node.url) as store:
        await store.fetch(str(node.root), tmp_path / "scene", FetchLimits(file_bytes=2**20))
        await until(lambda: set(node.removed) == set(node.blocks))
    assert tries > 2


def test_every_spelling_of_a_cid_is_read() -> None:
    """fault_87: version 0, version 1 with any codec, other hash functions; other text is rejected."""
    digest = bytes(range(32))
    for codec in Codec:
        text = str(Cid(codec, digest))
        found = read_cid(text)
        assert found is not None
        assert (spelled(found), multihash(found)) == (text, b"\x12\x20" + digest)
    found = read_cid(EMPTY)
    assert found is not None
    assert spelled(found) == "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"
    # Codec 0x0129 (dag-json): a varint of two bytes.
    found = read_cid("baguqeerasords4njcts6vs7qvdjfcvgnume4hqohf65zsfguprqphs3icwea")
    assert found is not None
    assert len(multihash(found)) == 34
    for text in ("", "Qm", "b", "bafk!", "zQm", f"{EMPTY}x", "b1", "bae", "bafkq"):
        assert read_cid(text) is None


def test_links_are_found_in_invalid_blocks_too() -> None:
    """fault_87: in any order, with numbers in between, up to the first error; and nothing else."""
    one, other = (bytes((1, codec, 0x12, 0x20)) + bytes(range(32)) for codec in Codec)
    first = bytes_field(2, varint_field(3, 5) + bytes_field(2, b"name") + bytes_field(1, one))
    version_0 = bytes_field(2, bytes_field(1, other[2:]))
    assert list(links(bytes_field(1, b"data") + first + version_0)) == [one, b"\x01\x70" + other[2:]]
    assert list(links(varint_field(7, 2**40) + first + version_0[:-1])) == [one]
    odd = [
        bytes_field(2, bytes_field(1, cid)) for cid in (b"", b"\x01", b"\x01\x55", b"\x02abc", b"\x01" * 151)
    ]
    assert list(links(b"".join(odd))) == []
    for block in (b"", b"\x12", b"\xff" * 20, b"\x12\xff", b"\x0d\x00", first[:3]):
        assert list(links(block)) == []
