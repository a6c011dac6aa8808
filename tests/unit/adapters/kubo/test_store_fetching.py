"""Fetching from a node that lies, stalls or disconnects: wrong bytes are never accepted."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from tests.unit.adapters.kubo.lying_node import (
    CONTENT,
    SHORT_TIMEOUTS,
    Blocks,
    LyingNode,
    Reply,
    always,
    refusal,
    streamed,
)

from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import Code, JobRejected, StoreUnavailable
from veriframe.ports.store import FetchLimits, Transfer

LIMIT_BYTES = 2**20
LIMIT = FetchLimits(file_bytes=LIMIT_BYTES)


def content(path: Path) -> bytes:
    """Returns the content of a small file."""
    return path.read_bytes()


def names(folder: Path) -> list[str]:
    """Returns the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


FLIPPED = CONTENT[:500_000] + bytes((CONTENT[500_000] ^ 1,)) + CONTENT[500_001:]


@pytest.mark.parametrize(
    ("stream", "missing"),
    [
        pytest.param(streamed(head=FLIPPED), 1, id="a flipped byte"),
        pytest.param(streamed(head=CONTENT[:300_000]), 2, id="ends early"),
        pytest.param(streamed(head=CONTENT, forever=bytes(2**16)), 2, id="never ends"),
        pytest.param(always(web.Response(text="<html>", content_type="text/html")), 2, id="HTML"),
        pytest.param(always(refusal("a block is damaged")), 2, id="refused"),
    ],
)
async def test_a_stream_that_is_not_the_file_is_replaced_by_its_blocks(
    store: KuboStore, node: LyingNode, out: Path, stream: Reply, missing: int
) -> None:
    """fault_7, fault_51, fault_55: each block is checked, and fetched if the stream had it wrong."""
    node.replies["cat"] = stream
    assert (await store.fetch(str(node.root), out / "scene", LIMIT)).size_bytes == len(CONTENT)
    assert content(out / "scene") == CONTENT
    assert names(out) == ["scene"]
    assert node.asked.count("block/get") == 1 + missing


async def test_a_node_that_lies_in_blocks_too_is_skipped(node: LyingNode, out: Path) -> None:
    """fault_7: the next source is asked, and one that lies as well is skipped too."""
    truth = Blocks(dict(node.blocks))
    node.replies["cat"] = streamed(head=FLIPPED)
    node.blocks = {cid: block[:-1] + bytes((block[-1] ^ 1,)) for cid, block in node.blocks.items()}
    liar = Blocks(dict(node.blocks))
    async with KuboStore(node.url, timeouts=SHORT_TIMEOUTS, sources=[liar]) as store:
        with pytest.raises(StoreUnavailable):
            await store.fetch(str(node.root), out / "scene", LIMIT)
    assert not (out / "scene").exists()
    async with KuboStore(node.url, timeouts=SHORT_TIMEOUTS, sources=[liar, truth]) as store:
        assert (await store.fetch(str(node.root), out / "scene", LIMIT)).size_bytes == len(CONTENT)
    assert content(out / "scene") == CONTENT


async def test_what_the_node_lacks_comes_from_another_source(node: LyingNode, out: Path) -> None:
    """fault_6: NOT_FOUND needs all sources to lack it; while one is unavailable, nothing is decided."""
    truth, empty = Blocks(node.blocks), Blocks({})
    node.blocks = {}
    async with KuboStore(node.url, timeouts=SHORT_TIMEOUTS, sources=[empty]) as store:
        with pytest.raises(JobRejected) as caught:
            await store.fetch(str(node.root), out / "scene", LIMIT)
    assert caught.value.code == Code.NOT_FOUND
    async with KuboStore(node.url, timeouts=SHORT_TIMEOUTS, sources=[empty, truth]) as store:
        assert (await store.fetch(str(node.root), out / "scene", LIMIT)).size_bytes == len(CONTENT)
    async with KuboStore("http://127.0.0.1:1", timeouts=SHORT_TIMEOUTS, sources=[empty]) as store:
        with pytest.raises(StoreUnavailable):
            await store.fetch(str(node.root), out / "other", LIMIT)


async def test_a_slow_stream_is_given_up_and_resumed_later(
    store: KuboStore, node: LyingNode, out: Path
) -> None:
    """fault_50: too few bytes in a window end the attempt; what arrived is kept, and not requested again."""
    node.replies["cat"] = streamed(head=CONTENT[:400_000], forever=b"\0", pause_seconds=0.05)
    slow = replace(SHORT_TIMEOUTS, least_bytes_per_second=2_000_000)
    async with KuboStore(node.url, timeouts=slow) as strict:
        with pytest.raises(StoreUnavailable):
            await strict.fetch(str(node.root), out / "scene", LIMIT)
    assert not (out / "scene").exists()
    [kept] = names(out)
    os.truncate(out / kept, 400_000)
    del node.replies["cat"]
    assert (await store.fetch(str(node.root), out / "scene", LIMIT)).size_bytes == len(CONTENT)
    assert node.offsets == [0, 400_000]
    assert content(out / "scene") == CONTENT


async def test_a_cut_stream_is_resumed_at_once(store: KuboStore, node: LyingNode, out: Path) -> None:
    """fault_50: after a cut only the rest is requested."""
    pieces = [streamed(head=CONTENT[:300_000], cut=True), streamed(head=CONTENT)]
    on_bytes = list[Transfer]()

    async def cat(request: web.Request) -> web.StreamResponse:
        return await pieces.pop(0)(request)

    node.replies["cat"] = cat
    size_bytes = (await store.fetch(str(node.root), out / "scene", LIMIT, on_bytes.append)).size_bytes
    assert content(out / "scene") == CONTENT
    assert (size_bytes, len(node.offsets)) == (len(CONTENT), 2)
    assert on_bytes[-1] == Transfer(done_bytes=len(CONTENT), total_bytes=len(CONTENT))
    assert 0 < node.offsets[1] <= 300_000


async def test_a_damaged_partial_file_does_no_harm(store: KuboStore, node: LyingNode, out: Path) -> None:
    """fault_73: a partial file damaged by a power cut is detected by its CID, and fetched again."""
    (out / f".veriframe-fetch-{node.root}").write_bytes(b"\0" * 300_000)
    assert (await store.fetch(str(node.root), out / "scene", LIMIT)).size_bytes == len(CONTENT)
    assert content(out / "scene") == CONTENT
    assert names(out) == ["scene"]


async def test_two_fetches_of_the_same_to_one_folder_do_not_collide(
    store: KuboStore, node: LyingNode, out: Path
) -> None:
    """fault_73: the second waits for the first, and both get the file."""
    await asyncio.gather(
        *(store.fetch(str(node.root), out / name, LIMIT) for name in ("one", "two", "three"))
    )
    assert {name: content(out / name) == CONTENT for name in names(out)} == dict.fromkeys(
        ("one", "two", "three"), True
    )


async def test_a_file_over_the_limit_is_refused_before_the_fetch(
    store: KuboStore, node: LyingNode, out: Path
) -> None:
    """fault_51: the root block states the size; the stream is never requested."""
    with pytest.raises(JobRejected) as caught:
        await store.fetch(str(node.root), out / "scene", FetchLimits(file_bytes=len(CONTENT) - 1))
    assert (caught.value.code, node.asked, names(out)) == (Code.TOO_LARGE, ["block/get"], [])
