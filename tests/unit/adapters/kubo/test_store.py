"""A node that lies, stalls, disconnects or is something else: wrong answers are never accepted."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytest_asyncio
from aiohttp import web
from tests.unit.adapters.kubo.lying_node import (
    CONTENT,
    Blocks,
    LyingNode,
    Reply,
    lying_node,
    refusal,
    repository,
)

from veriframe.adapters.kubo.fetching.download import Timeouts
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import Code, JobError, JobRejected, SettingsError, StoreFull, StoreUnavailable
from veriframe.ports.store import Pin, Transfer

SHORT_TIMEOUTS = Timeouts(
    lookup_seconds=2, quiet_seconds=2, away_seconds=0.3, window_seconds=0.3, least_bytes_per_second=16_000
)
LIMIT_BYTES = 2**20


@pytest_asyncio.fixture
async def node() -> AsyncIterator[LyingNode]:
    """A node that answers correctly until a test changes its replies."""
    async with lying_node() as started:
        yield started


@pytest_asyncio.fixture
async def store(node: LyingNode) -> AsyncIterator[KuboStore]:
    """A store on that node, with short timeouts."""
    async with KuboStore(node.url, timeouts=SHORT_TIMEOUTS) as opened:
        yield opened


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder for what is fetched."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def streamed(
    *, head: bytes = b"", pause_seconds: float = 0.0, forever: bytes = b"", cut: bool = False
) -> Reply:
    """A stream of `head`, then of `forever` repeatedly; aborted with `cut`, or else ended normally."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(head[int(request.query.get("offset", 0)) :])
        try:
            while forever:
                await response.write(forever)
                await asyncio.sleep(pause_seconds)
        except ConnectionError:
            return response
        if cut and request.transport is not None:
            request.transport.abort()
        return response

    return reply


def always(response: web.Response) -> Reply:
    """The same answer to everything."""

    async def reply(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(status=response.status, headers=response.headers.copy(), body=response.body)

    return reply


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
        pytest.param(streamed(head=CONTENT[:300_000]), 3, id="ends early"),
        pytest.param(streamed(head=CONTENT, forever=bytes(2**16)), 4, id="never ends"),
        pytest.param(always(web.Response(text="<html>", content_type="text/html")), 4, id="HTML"),
        pytest.param(always(refusal("a block is damaged")), 4, id="refused"),
    ],
)
async def test_a_stream_that_is_not_the_file_is_replaced_by_its_blocks(
    store: KuboStore, node: LyingNode, out: Path, stream: Reply, missing: int
) -> None:
    """fault_7, fault_51, fault_55: each block is checked, and fetched if the stream had it wrong."""
    node.replies["cat"] = stream
    assert await store.fetch(str(node.root), out / "scene", LIMIT_BYTES) == len(CONTENT)
    assert content(out / "scene") == CONTENT
    assert names(out) == ["scene"]
    # The root is fetched before the stream and after it.
    assert node.asked.count("block/get") == 2 + missing


async def test_a_node_that_lies_in_blocks_too_is_skipped(node: LyingNode, out: Path) -> None:
    """fault_7: the next source is asked, and one that lies as well is skipped too."""
    truth = Blocks(dict(node.blocks))
    node.replies["cat"] = streamed(head=FLIPPED)
    node.blocks = {cid: block[:-1] + bytes((block[-1] ^ 1,)) for cid, block in node.blocks.items()}
    liar = Blocks(dict(node.blocks))
    async with KuboStore(node.url, timeouts=SHORT_TIMEOUTS, sources=[liar]) as store:
        with pytest.raises(StoreUnavailable, match="do not match"):
            await store.fetch(str(node.root), out / "scene", LIMIT_BYTES)
    assert not (out / "scene").exists()
    async with KuboStore(node.url, timeouts=SHORT_TIMEOUTS, sources=[liar, truth]) as store:
        assert await store.fetch(str(node.root), out / "scene", LIMIT_BYTES) == len(CONTENT)
    assert content(out / "scene") == CONTENT


async def test_what_the_node_lacks_comes_from_another_source(node: LyingNode, out: Path) -> None:
    """fault_6: NOT_FOUND needs all sources to lack it; while one is unavailable, nothing is decided."""
    truth, empty = Blocks(node.blocks), Blocks({})
    node.blocks = {}
    async with KuboStore(node.url, timeouts=SHORT_TIMEOUTS, sources=[empty]) as store:
        with pytest.raises(JobRejected) as caught:
            await store.fetch(str(node.root), out / "scene", LIMIT_BYTES)
    assert caught.value.code == Code.NOT_FOUND
    async with KuboStore(node.url, timeouts=SHORT_TIMEOUTS, sources=[empty, truth]) as store:
        assert await store.fetch(str(node.root), out / "scene", LIMIT_BYTES) == len(CONTENT)
    async with KuboStore("http://127.0.0.1:1", timeouts=SHORT_TIMEOUTS, sources=[empty]) as store:
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await store.fetch(str(node.root), out / "other", LIMIT_BYTES)


async def test_a_slow_stream_is_given_up_and_resumed_later(
    store: KuboStore, node: LyingNode, out: Path
) -> None:
    """fault_50: too few bytes in a window end the attempt; what arrived is kept, and not requested again."""
    node.replies["cat"] = streamed(head=CONTENT[:400_000], forever=b"\0", pause_seconds=0.05)
    slow = replace(SHORT_TIMEOUTS, least_bytes_per_second=2_000_000)
    async with KuboStore(node.url, timeouts=slow) as strict:
        with pytest.raises(StoreUnavailable, match="too slow"):
            await strict.fetch(str(node.root), out / "scene", LIMIT_BYTES)
    assert not (out / "scene").exists()
    [kept] = names(out)
    os.truncate(out / kept, 400_000)
    del node.replies["cat"]
    assert await store.fetch(str(node.root), out / "scene", LIMIT_BYTES) == len(CONTENT)
    assert node.offsets == [0, 400_000]
    assert content(out / "scene") == CONTENT


async def test_a_cut_stream_is_resumed_at_once(store: KuboStore, node: LyingNode, out: Path) -> None:
    """fault_50: after a cut only the rest is requested."""
    pieces = [streamed(head=CONTENT[:300_000], cut=True), streamed(head=CONTENT)]
    on_bytes = list[Transfer]()

    async def cat(request: web.Request) -> web.StreamResponse:
        return await pieces.pop(0)(request)

    node.replies["cat"] = cat
    size_bytes = await store.fetch(str(node.root), out / "scene", LIMIT_BYTES, on_bytes.append)
    assert content(out / "scene") == CONTENT
    assert (size_bytes, len(node.offsets)) == (len(CONTENT), 2)
    assert on_bytes[-1] == Transfer(done_bytes=len(CONTENT), total_bytes=len(CONTENT))
    assert 0 < node.offsets[1] <= 300_000


async def test_a_damaged_partial_file_does_no_harm(store: KuboStore, node: LyingNode, out: Path) -> None:
    """fault_73: a partial file damaged by a power cut is detected by its CID, and everything is fetched again."""
    (out / f".veriframe-fetch-{node.root}").write_bytes(b"\0" * 300_000)
    assert await store.fetch(str(node.root), out / "scene", LIMIT_BYTES) == len(CONTENT)
    assert content(out / "scene") == CONTENT
    assert names(out) == ["scene"]


async def test_two_fetches_of_the_same_to_one_folder_do_not_collide(
    store: KuboStore, node: LyingNode, out: Path
) -> None:
    """fault_73: the second waits for the first, and both get the file."""
    await asyncio.gather(
        *(store.fetch(str(node.root), out / name, LIMIT_BYTES) for name in ("one", "two", "three"))
    )
    assert {name: content(out / name) == CONTENT for name in names(out)} == dict.fromkeys(
        ("one", "two", "three"), True
    )


async def test_a_file_over_the_limit_is_refused_before_the_fetch(
    store: KuboStore, node: LyingNode, out: Path
) -> None:
    """fault_51: the root block states the size; the stream is never requested."""
    with pytest.raises(JobRejected) as caught:
        await store.fetch(str(node.root), out / "scene", len(CONTENT) - 1)
    assert (caught.value.code, node.asked, names(out)) == (Code.TOO_LARGE, ["block/get"], [])


PADDED = b'{"Version": "0.42.0", "Cid": "x"}' + b" " * 900_000
"""A valid answer to most calls, and a thousand times smaller when it is compressed."""

NO_API = [
    pytest.param(always(web.Response(text="<html>", content_type="text/html")), id="HTML with 200"),
    pytest.param(always(web.Response(text='{"Version":')), id="half an object"),
    pytest.param(always(web.Response(text="{}")), id="an empty object"),
    pytest.param(always(web.Response(text='{"Version": 7, "Cid": 7}')), id="another type"),
    pytest.param(always(web.Response(status=404, text="404 page not found")), id="404"),
    pytest.param(always(web.Response(status=502, text="Bad Gateway")), id="502"),
    pytest.param(always(web.Response(status=500, text="{}", content_type="application/json")), id="500"),
    pytest.param(always(refusal("no\x1b[2J")), id="a refusal"),
    pytest.param(
        always(web.Response(body=gzip.compress(PADDED), headers={"Content-Encoding": "gzip"})),
        id="a gzip bomb",
    ),
    pytest.param(always(web.Response(status=307, headers={"Location": "/api/v0/other"})), id="a redirect"),
    pytest.param(streamed(forever=b'{"' * 2**15), id="an endless object"),
    pytest.param(streamed(head=b'{"Version"', cut=True), id="a cut"),
]


@pytest.mark.parametrize("reply", NO_API)
async def test_anything_but_an_api_is_unavailable(
    store: KuboStore, node: LyingNode, out: Path, reply: Reply
) -> None:
    """fault_51, fault_52, fault_55: one readable sentence, no redirect followed, nothing decompressed."""
    for endpoint in ("version", "pin/ls", "block/get"):
        node.replies[endpoint] = reply
    with pytest.raises(StoreUnavailable) as caught:
        await store.version()
    assert str(caught.value).isprintable()
    with pytest.raises(StoreUnavailable):
        await store.pins()
    with pytest.raises(StoreUnavailable):
        await store.fetch(str(node.root), out / "scene", LIMIT_BYTES)
    assert (set(node.asked), (out / "scene").exists()) == ({"version", "pin/ls", "block/get"}, False)


async def test_a_silent_node_times_out(node: LyingNode, out: Path) -> None:
    """fault_50: a node that accepts the request and stalls is given up after its time."""

    async def still(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    node.replies["cat"] = still
    async with KuboStore(node.url, timeouts=replace(SHORT_TIMEOUTS, quiet_seconds=0.2)) as store:
        with pytest.raises(StoreUnavailable):
            await store.fetch(str(node.root), out / "scene", LIMIT_BYTES)
    async with KuboStore(node.url, timeouts=replace(SHORT_TIMEOUTS, total_seconds=0.2)) as store:
        with pytest.raises(StoreUnavailable, match=r"within 0\.2 seconds"):
            await store.fetch(str(node.root), out / "scene", LIMIT_BYTES)


async def test_a_token_is_sent_and_asked_for(node: LyingNode) -> None:
    """A node with a token receives it in every call; without one, the message asks for it."""
    async with KuboStore(node.url, token="opensesame") as store:
        await store.version()
    headers = node.requests[0].headers
    assert (headers["Authorization"], headers["Accept-Encoding"]) == ("Bearer opensesame", "identity")
    node.replies["version"] = always(web.Response(status=403))
    async with KuboStore(node.url) as store:
        with pytest.raises(StoreUnavailable, match="token"):
            await store.version()
    with pytest.raises(SettingsError, match="token"):
        KuboStore(node.url, token="a\r\nb")


async def test_the_nodes_cid_is_not_trusted(store: KuboStore, node: LyingNode, tmp_path: Path) -> None:
    """fault_53: if the node reports another CID than the one computed here, the upload failed."""
    (tmp_path / "picture").write_bytes(CONTENT + b"x")
    with pytest.raises(JobError) as caught:
        await store.add(tmp_path / "picture", "job-1-result")
    assert (caught.value.code, "pin/add" in node.asked) == (Code.UPLOAD, False)
    (tmp_path / "picture").write_bytes(CONTENT)
    assert await store.add(tmp_path / "picture", "job-1-result") == str(node.root)


async def test_an_upload_with_an_unknown_outcome_is_made_once_more(
    store: KuboStore, node: LyingNode, tmp_path: Path
) -> None:
    """fault_54: cut once, it is added again; cut always, the store is unavailable after two attempts."""
    (tmp_path / "picture").write_bytes(CONTENT)
    cuts = 1

    async def add(request: web.Request) -> web.StreamResponse:
        nonlocal cuts
        await request.read()
        cuts -= 1
        if cuts >= 0 and request.transport is not None:
            request.transport.abort()
        return web.json_response({"Name": "content", "Hash": str(node.root)})

    node.replies["add"] = add
    assert await store.add(tmp_path / "picture", "job-1-result") == str(node.root)
    assert node.asked.count("add") == 2
    cuts = 3
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await store.add(tmp_path / "picture", "job-1-result")
    assert node.asked.count("add") == 4


async def test_a_pin_covers_only_what_the_node_has(store: KuboStore, node: LyingNode) -> None:
    """fault_56: a pin is made offline; the node's refusal is reported."""
    node.replies["pin/add"] = always(refusal("block was not found locally"))
    with pytest.raises(StoreUnavailable, match="not found locally"):
        await store.pin(Pin(cid=str(node.root), name="job-1-asset"))
    assert node.requests[-1].query["offline"] == "true"


@pytest.mark.parametrize(
    ("size_bytes", "limit_bytes", "free_bytes"),
    [(1000, 4000, 3000), (4000, 4000, 0), (5000, 4000, 0), (1000, 0, 0), (1000, 2**64 - 1, None)],
)
async def test_room_is_the_limit_less_the_repository(
    node: LyingNode, size_bytes: int, limit_bytes: int, free_bytes: int | None
) -> None:
    """fault_87: pinned or not; beyond the limit there is none, and without a limit it is unknown."""
    node.replies["repo/stat"] = repository(size_bytes, limit_bytes)
    async with KuboStore(node.url) as store:
        room = await store.room()
    assert (room.free_bytes, room.held_bytes) == (free_bytes, size_bytes)
    assert "Datastore.StorageMax" in room.remedy


async def test_room_is_never_more_than_the_node_s_disk_has(
    node: LyingNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_87: if its repository is on this machine; the path is asked once, and may not exist here."""
    node.replies["repo/stat"] = repository(1000, 2**62, str(tmp_path))
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: SimpleNamespace(free=77 if path == tmp_path else 0)
    )
    async with KuboStore(node.url) as store:
        assert [(await store.room()).free_bytes for _ in range(3)] == [77] * 3
    assert node.asked == ["repo/stat"] * 4
    monkeypatch.undo()
    for folder in ("/nowhere/at/all", "", "a\0b"):
        node.replies["repo/stat"] = repository(1000, 4000, folder)
        async with KuboStore(node.url) as store:
            assert (await store.room()).free_bytes == 3000


async def test_a_senseless_repository_is_unavailable(node: LyingNode) -> None:
    """fault_87: no room is assumed."""
    async with KuboStore(node.url) as store:
        for reply in (repository(-1, 5), always(web.json_response({})), always(refusal("no"))):
            node.replies["repo/stat"] = reply
            with pytest.raises(StoreUnavailable):
                await store.room()


async def test_a_node_whose_disk_is_full_says_so(node: LyingNode, tmp_path: Path) -> None:
    """fault_87: distinguished from a node that is unavailable: waiting alone does not help."""
    (tmp_path / "scene").write_bytes(CONTENT)
    for endpoint in ("add", "block/put", "pin/add"):
        node.replies = {endpoint: always(refusal("write /repo/blocks/x: no space left on device"))}
        async with KuboStore(node.url) as store:
            with pytest.raises(StoreFull, match=r"no space left on device.*ipfs repo gc"):
                await store.add(tmp_path / "scene", "pin")
