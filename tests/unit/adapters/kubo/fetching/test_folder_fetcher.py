"""Folders from nodes that lie, stall or disconnect, and malicious folders."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from tests.unit.adapters.kubo.blocks.vectors import VECTORS, name_of, varint
from tests.unit.adapters.kubo.fetching.hostile_folders import (
    BLOCKS,
    FILE,
    FILES,
    HOSTILE,
    LEAVES,
    ROOT,
    SIZE_BYTES,
    SUB,
    TOP,
    files_in,
)
from tests.unit.adapters.kubo.lying_node import (
    SHORT_TIMEOUTS,
    Blocks,
    LyingNode,
    Reply,
    lying_node,
    refusal,
    streamed,
)

from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import Code, HostUnavailable, JobRejected, StoreUnavailable
from veriframe.model.content.cid import Cid, Codec
from veriframe.model.content.folder import FolderLimits
from veriframe.ports.store import FetchLimits

PLENTY = FolderLimits(size_bytes=2**20, entries=100)
FOLDER = FetchLimits(folder=PLENTY)


def car(blocks: Mapping[Cid, bytes]) -> bytes:
    """The blocks as a node exports them."""
    header = b"\xa2eroots\x80gversion\x01"
    sections = [bytes((1, cid.codec, 0x12, 32)) + cid.digest + block for cid, block in blocks.items()]
    return b"".join(varint(len(section)) + section for section in (header, *sections))


CAR = car(BLOCKS)


@pytest_asyncio.fixture
async def liar() -> AsyncIterator[LyingNode]:
    """A node that returns and exports all blocks until a test changes its replies."""
    async with lying_node() as started:
        started.blocks = {str(cid): block for cid, block in BLOCKS.items()}
        started.replies["dag/export"] = exported(CAR)
        yield started


@pytest_asyncio.fixture
async def store(liar: LyingNode) -> AsyncIterator[KuboStore]:
    """A store on that node, with short timeouts."""
    async with KuboStore(liar.url, timeouts=SHORT_TIMEOUTS) as opened:
        yield opened


def exported(stream: bytes, *, content_type: str = "application/vnd.ipld.car") -> Reply:
    """An export of these bytes."""

    async def reply(request: web.Request) -> web.StreamResponse:
        return web.Response(body=stream, content_type=content_type)

    return reply


def fetched() -> dict[str, bytes]:
    """The files in `out` after the folder was fetched to `out/got`, and nothing else."""
    return {f"got/{name}": content for name, content in FILES.items()}


def spoil(out: Path) -> None:
    """Damages a file of an unfinished folder."""
    [staged] = out.iterdir()
    with (staged / "sub" / "large").open("r+b") as damaged:
        damaged.write(b"spoilt")


async def test_one_export_is_enough(store: KuboStore, liar: LyingNode, out: Path) -> None:
    """What the node has arrives in one stream; content that occurs twice is written twice."""
    assert (await store.fetch(str(ROOT), out / "got", FOLDER)).size_bytes == SIZE_BYTES
    assert (files_in(out), liar.asked) == (fetched(), ["block/get", "dag/export"])


AGAIN = car({ROOT: TOP})[18:] * 1000
FLIPPED = CAR[:-500] + bytes((CAR[-500] ^ 1,)) + CAR[-499:]


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(exported(FLIPPED), id="a flipped byte"),
        pytest.param(exported(CAR[:-700]), id="ends early"),
        pytest.param(streamed(head=CAR[:-700], cut=True), id="a cut"),
        pytest.param(streamed(head=CAR[:-700], forever=b"\xff" * 2**16), id="never ends"),
        pytest.param(
            streamed(head=car({ROOT: TOP}), forever=car({ROOT: TOP})[18:] * 1000), id="the same for ever"
        ),
        pytest.param(exported(b""), id="nothing"),
        pytest.param(exported(b"<html>" * 1000, content_type="text/html"), id="HTML"),
        pytest.param(exported(car({name_of(FILE): FILE})), id="another folder"),
        pytest.param(exported(car(dict(reversed(BLOCKS.items())))), id="the wrong order"),
    ],
)
async def test_what_an_export_lacks_is_requested_as_blocks(
    store: KuboStore, liar: LyingNode, out: Path, stream: Reply
) -> None:
    """fault_7, fault_51, fault_55: whatever the stream is, the folder is correct."""
    liar.replies["dag/export"] = stream
    assert (await store.fetch(str(ROOT), out / "got", FOLDER)).size_bytes == SIZE_BYTES
    assert files_in(out) == fetched()
    assert liar.asked.count("block/get") > 0


async def test_what_the_node_lacks_comes_from_another_source(liar: LyingNode, out: Path) -> None:
    """fault_6, fault_7: without a holder it fails, so do liars, and any honest holder serves."""
    truth, empty = Blocks(dict(liar.blocks)), Blocks({})
    lies = Blocks({cid: block + b"x" for cid, block in liar.blocks.items()})
    missing = str(name_of(LEAVES[2], Codec.RAW))
    del liar.blocks[missing]
    liar.replies["dag/export"] = exported(car({cid: b for cid, b in BLOCKS.items() if str(cid) != missing}))
    async with KuboStore(liar.url, timeouts=SHORT_TIMEOUTS, sources=[empty]) as store:
        with pytest.raises(JobRejected) as caught:
            await store.fetch(str(ROOT), out / "got", FOLDER)
    assert (caught.value.code, files_in(out)) == (Code.NOT_FOUND, {})
    async with KuboStore(liar.url, timeouts=SHORT_TIMEOUTS, sources=[empty, lies]) as store:
        with pytest.raises(StoreUnavailable):
            await store.fetch(str(ROOT), out / "got", FOLDER)
    assert not (out / "got").exists()
    async with KuboStore(liar.url, timeouts=SHORT_TIMEOUTS, sources=[empty, lies, truth]) as store:
        assert (await store.fetch(str(ROOT), out / "got", FOLDER)).size_bytes == SIZE_BYTES
    assert files_in(out) == fetched()


async def test_correct_files_on_the_disk_are_not_requested_again(
    store: KuboStore, liar: LyingNode, out: Path
) -> None:
    """fault_50, fault_73: after an interruption, only missing or damaged bytes are fetched."""
    last = {str(name_of(leaf, Codec.RAW)) for leaf in LEAVES[3:]}
    kept = {cid: liar.blocks.pop(cid) for cid in last}
    liar.replies["dag/export"] = exported(car({c: b for c, b in BLOCKS.items() if str(c) not in last}))

    async def away(request: web.Request) -> web.StreamResponse:
        if request.query["arg"] in last and request.transport is not None:
            request.transport.abort()
        return web.Response(body=liar.blocks.get(request.query["arg"]))

    liar.replies["block/get"] = away
    with pytest.raises(StoreUnavailable):
        await store.fetch(str(ROOT), out / "got", FOLDER)
    spoil(out)
    del liar.replies["block/get"]
    liar.blocks |= kept
    liar.requests.clear()
    assert (await store.fetch(str(ROOT), out / "got", FOLDER)).size_bytes == SIZE_BYTES
    assert files_in(out) == fetched()
    asked = {request.query["arg"] for request in liar.requests}
    folders = {str(name_of(block)) for block in (TOP, SUB, FILE)}
    assert asked == folders | last | {str(name_of(LEAVES[0], Codec.RAW))}


async def test_a_slow_export_is_given_up(liar: LyingNode, out: Path) -> None:
    """fault_50: an export with too few bytes in a window is ended, and the blocks are requested."""
    liar.replies["dag/export"] = streamed(head=CAR[:100], forever=b"\0", pause_seconds=0.05)
    slow = replace(SHORT_TIMEOUTS, least_bytes_per_second=2_000_000)
    async with KuboStore(liar.url, timeouts=slow) as store:
        assert (await store.fetch(str(ROOT), out / "got", FOLDER)).size_bytes == SIZE_BYTES
    assert files_in(out) == fetched()


async def test_a_node_that_refuses_or_stalls(liar: LyingNode, out: Path) -> None:
    """fault_50: blocks replace a refused export; a silent node ends the fetch after its timeout."""
    liar.replies["dag/export"] = lambda request: asyncio.sleep(0, refusal("unknown option"))
    async with KuboStore(liar.url, timeouts=SHORT_TIMEOUTS) as store:
        await store.fetch(str(ROOT), out / "got", FOLDER)
    assert files_in(out) == fetched()

    async def still(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    liar.replies["dag/export"] = still
    async with KuboStore(liar.url, timeouts=replace(SHORT_TIMEOUTS, total_seconds=0.2)) as store:
        with pytest.raises(StoreUnavailable):
            await store.fetch(str(ROOT), out / "other", FOLDER)


async def test_two_fetches_of_the_same_to_one_folder_do_not_collide(store: KuboStore, out: Path) -> None:
    """fault_73: the second waits for the first, and both get the folder."""
    await asyncio.gather(*(store.fetch(str(ROOT), out / name, FOLDER) for name in ("one", "two")))
    assert files_in(out) == {
        f"{name}/{path}": content for name in ("one", "two") for path, content in FILES.items()
    }


async def test_a_target_that_cannot_be_written_is_the_hosts_fault(store: KuboStore, out: Path) -> None:
    """fault_41: the job is not blamed."""
    with pytest.raises(HostUnavailable):
        await store.fetch(str(ROOT), out / "nowhere" / "got", FOLDER)


@pytest.mark.parametrize(("blocks", "code"), HOSTILE)
async def test_hostile_folders_are_refused(
    store: KuboStore, liar: LyingNode, out: Path, blocks: list[bytes], code: Code
) -> None:
    """fault_4, fault_5, fault_15, fault_220: refused with a code, however they arrive; nothing is left."""
    all_blocks = {**{name_of(block): block for block in blocks}, **BLOCKS}
    liar.blocks = {str(cid): block for cid, block in all_blocks.items()}
    for stream in (car(all_blocks), b""):
        liar.replies["dag/export"] = exported(stream)
        with pytest.raises(JobRejected) as caught:
            await store.fetch(str(name_of(blocks[0])), out / "got", FOLDER)
        assert (caught.value.code, list(out.iterdir())) == (code, [])  # noqa: ASYNC240 - quick
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["folder", "many"])
async def test_folders_that_kubo_made_are_fetched(liar: LyingNode, out: Path, name: str) -> None:
    """Plain folders with any import options, and large ones in shards (HAMT), as blocks and as an export."""
    vector = VECTORS[name]
    liar.blocks = {str(cid): block for cid, block in vector.blocks.items()}
    found = []
    for stream in (car(vector.blocks), b""):
        liar.replies["dag/export"] = exported(stream)
        async with KuboStore(liar.url, timeouts=SHORT_TIMEOUTS) as store:
            await store.fetch(str(vector.root), out / "got", FOLDER)
        found.append(files_in(out / "got"))
        shutil.rmtree(out / "got")
    assert found[0] == found[1]
    names = {f"frame_{number:04}.txt": str(number).encode() for number in range(20)}
    assert found[0] == names if name == "many" else "scene.blend" in found[0]
