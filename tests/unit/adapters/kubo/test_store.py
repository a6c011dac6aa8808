"""A node that stalls, refuses or is something else: adding, pinning, room and errors."""

from __future__ import annotations

import asyncio
import gzip
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import web
from tests.unit.adapters.kubo.lying_node import (
    CONTENT,
    SHORT_TIMEOUTS,
    LyingNode,
    Reply,
    always,
    refusal,
    repository,
    streamed,
)

from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import Code, JobError, SettingsError, StoreFull, StoreUnavailable
from veriframe.ports.store import FetchLimits, Pin

LIMIT_BYTES = 2**20
LIMIT = FetchLimits(file_bytes=LIMIT_BYTES)

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
        await store.ready()
    assert str(caught.value).isprintable()
    with pytest.raises(StoreUnavailable):
        await store.pins()
    with pytest.raises(StoreUnavailable):
        await store.fetch(str(node.root), out / "scene", LIMIT)
    assert (set(node.asked), (out / "scene").exists()) == ({"version", "pin/ls", "block/get"}, False)


async def test_a_silent_node_times_out(node: LyingNode, out: Path) -> None:
    """fault_50: a node that accepts the request and stalls is given up after its time."""

    async def still(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    node.replies["cat"] = still
    async with KuboStore(node.url, timeouts=replace(SHORT_TIMEOUTS, quiet_seconds=0.2)) as store:
        with pytest.raises(StoreUnavailable):
            await store.fetch(str(node.root), out / "scene", LIMIT)
    async with KuboStore(node.url, timeouts=replace(SHORT_TIMEOUTS, total_seconds=0.2)) as store:
        with pytest.raises(StoreUnavailable):
            await store.fetch(str(node.root), out / "scene", LIMIT)


async def test_a_token_is_sent_and_asked_for(node: LyingNode) -> None:
    """A node with a token receives it in every call; without one, the message asks for it."""
    async with KuboStore(node.url, token="opensesame") as store:
        await store.ready()
    headers = node.requests[0].headers
    assert (headers["Authorization"], headers["Accept-Encoding"]) == ("Bearer opensesame", "identity")
    node.replies["version"] = always(web.Response(status=403))
    async with KuboStore(node.url) as store:
        with pytest.raises(StoreUnavailable, match="token"):
            await store.ready()
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
    with pytest.raises(StoreUnavailable):
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
            with pytest.raises(StoreFull, match="ipfs repo gc"):
                await store.add(tmp_path / "scene", "pin")
