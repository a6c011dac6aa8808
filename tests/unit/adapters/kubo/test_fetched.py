"""What is removed after a fetch, and what never is, by a node that says this and that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from tests.unit.adapters.kubo.lying_node import CONTENT, LyingNode, lying_node, refusal

from veriframe.adapters.kubo import fetched, removal
from veriframe.adapters.kubo.fetched import Note
from veriframe.adapters.kubo.removal import multihash
from veriframe.adapters.kubo.store import KuboStore
from veriframe.model.cid import Cid, Codec

EMPTY = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
"""The folder without entries."""


class Keeping(LyingNode):
    """A node that had nothing before, and says what it keeps as `kept` and `files` have it."""

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
            "refs": self.refs,
            "block/rm": self.remove,
        }

    async def has(self, request: web.Request) -> web.StreamResponse:
        """What was asked for in full is there."""
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

    async def refs(self, request: web.Request) -> web.StreamResponse:
        """The links of the scene's root; nothing else has any."""
        links = [cid for cid in self.blocks if cid != str(self.root)]
        links = links if request.query["arg"] == str(self.root) else []
        return web.Response(text="".join(json.dumps({"Ref": cid, "Err": ""}) + "\n" for cid in links))

    async def remove(self, request: web.Request) -> web.StreamResponse:
        """Blocks, notes not counted."""
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
    """Fetch the scene, and wait for what follows."""
    async with KuboStore(node.url) as store:
        assert await store.fetch(str(node.root), target, 2**20) == len(CONTENT)
        await asyncio.sleep(0.2)


async def test_children_go_before_their_parent(node: Keeping, tmp_path: Path) -> None:
    """fault_87: a removal that is cut off leaves the way from the root to what is left."""
    await fetch(node, tmp_path / "scene")
    assert set(node.removed) == set(node.blocks)
    assert node.removed[-1] == str(node.root)


async def test_a_block_is_kept_under_every_codec(node: Keeping, tmp_path: Path) -> None:
    """fault_87: Kubo pins CIDs and removes hashes; here hashes are compared."""
    pinned = str(Cid(Codec.RAW, node.root.digest))
    node.kept = json.dumps({"Keys": {pinned: {"Type": "recursive", "Name": 'x":{"Type"'}}}).encode()
    node.kept = node.kept.replace(b'": {', b'":{') + b"\n"
    await fetch(node, tmp_path / "scene")
    assert set(node.removed) == set(node.blocks) - {str(node.root)}


@pytest.mark.parametrize("kept", [b"", b'{"Keys":{"bafkreia4dp":{"Type":"indi', b"[]", b'{"Keys":null}'])
async def test_nothing_goes_where_the_pins_are_not_known(node: Keeping, tmp_path: Path, kept: bytes) -> None:
    """fault_87: a list that is broken off or senseless; the fetch hears nothing of it."""
    node.kept = kept
    await fetch(node, tmp_path / "scene")
    assert (node.removed, node.pin_lists) == ([], 1)


async def test_nothing_goes_where_mfs_is_not_known(node: Keeping, tmp_path: Path) -> None:
    """fault_87: a node that does not tell what is in MFS."""
    node.files = web.Response()
    await fetch(node, tmp_path / "scene")
    assert (node.removed, node.pin_lists) == ([], 1)


async def test_pins_made_meanwhile_are_seen(
    node: Keeping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_87: a result that is pinned between two batches is asked for before the next one."""
    monkeypatch.setattr(removal, "FIRST_BLOCKS", 1)
    async with KuboStore(node.url) as store:

        async def remove(request: web.Request) -> web.StreamResponse:
            if not node.removed:
                store._fetched.pins_made += 1
                node.kept = b'{"Keys":{"' + str(node.root).encode() + b'":{"Type":"recursive"}}}\n'
            return await node.remove(request)

        node.replies["block/rm"] = remove
        await store.fetch(str(node.root), tmp_path / "scene", 2**20)
        await asyncio.sleep(0.2)
    assert node.pin_lists == 2
    assert set(node.removed) == set(node.blocks) - {str(node.root)}


async def test_a_removal_that_fails_is_tried_again(
    node: Keeping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_87: after a pause; the fetch hears nothing of it."""
    monkeypatch.setattr(fetched, "RETRY_SECONDS", 0.05)
    tries = 0

    async def remove(request: web.Request) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        return refusal("no") if tries <= 2 else await node.remove(request)

    node.replies["block/rm"] = remove
    async with KuboStore(node.url) as store:
        await store.fetch(str(node.root), tmp_path / "scene", 2**20)
        await asyncio.sleep(0.5)
    assert set(node.removed) == set(node.blocks)


def test_a_hash_is_read_from_every_spelling_of_kubo_s() -> None:
    """fault_87: version 0, version 1 under any codec, other hash functions; nothing from other text."""
    digest = Cid(Codec.RAW, bytes(range(32)))
    hashes = {multihash(str(Cid(codec, digest.digest))) for codec in Codec}
    assert hashes == {b"\x12\x20" + digest.digest}
    assert multihash(EMPTY) == multihash("bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354")
    # Codec 0x0129 (dag-json): a varint of two bytes.
    assert multihash("baguqeerasords4njcts6vs7qvdjfcvgnume4hqohf65zsfguprqphs3icwea") is not None
    for text in ("", "Qm", "b", "bafk!", "zQm", f"{EMPTY}x", "b1"):
        assert multihash(text) is None
