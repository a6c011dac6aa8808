"""A fake node with scripted answers: real blocks of one file, and a stream that a test can change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256

from aiohttp import web
from aiohttp.test_utils import TestServer

from veriframe.adapters.kubo.blocks.protobuf import bytes_field, varint_field
from veriframe.adapters.kubo.fetching.fetcher import BlockSource
from veriframe.adapters.kubo.fetching.timeouts import Timeouts
from veriframe.errors import Code, JobRejected
from veriframe.model.content.cid import Cid, Codec

LEAF_BYTES = 262_144
CONTENT = sha256(b"scene").digest() * 25_000
"""800 000 bytes: four leaves under one root."""

SHORT_TIMEOUTS = Timeouts(
    lookup_seconds=2, quiet_seconds=2, away_seconds=0.3, window_seconds=0.3, least_bytes_per_second=16_000
)
"""For a node that misbehaves."""

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_blocks(content: bytes) -> tuple[Cid, dict[str, bytes]]:
    """Returns the root and all blocks of a file of 2 to 174 leaves, with the format's import options."""
    blocks, links, sizes = dict[str, bytes](), b"", b""
    for start in range(0, len(content), LEAF_BYTES):
        leaf = content[start : start + LEAF_BYTES]
        cid = Cid(Codec.RAW, sha256(leaf).digest())
        blocks[str(cid)] = leaf
        link = (
            bytes_field(1, b"\x01\x55\x12\x20" + cid.digest)
            + bytes_field(2, b"")
            + varint_field(3, len(leaf))
        )
        links += bytes_field(2, link)
        sizes += varint_field(4, len(leaf))
    block = links + bytes_field(1, b"\x08\x02" + varint_field(3, len(content)) + sizes)
    root = Cid(Codec.DAG_PB, sha256(block).digest())
    return root, blocks | {str(root): block}


class Blocks(BlockSource):
    """A source that has the given blocks."""

    def __init__(self, blocks: dict[str, bytes]) -> None:
        self.blocks = blocks

    async def block(self, cid: Cid) -> bytes:
        """Returns a block."""
        if str(cid) not in self.blocks:
            raise JobRejected(Code.NOT_FOUND, f"{cid} is not here.")
        return self.blocks[str(cid)]


class LyingNode:
    """Serves `blocks` and `content`; `replies`, by endpoint, replace the correct answers.

    `requests` omits the questions before a fetch whether the node has the content: it always has it.
    """

    def __init__(self) -> None:
        self.root, self.blocks = make_blocks(CONTENT)
        self.content = CONTENT
        self.replies: dict[str, Reply] = {}
        self.requests: list[web.Request] = []
        self.url = ""

    @property
    def asked(self) -> list[str]:
        """The requested endpoints, in order."""
        return [request.match_info["endpoint"] for request in self.requests]

    @property
    def offsets(self) -> list[int]:
        """The start of each request for the stream."""
        return [int(request.query["offset"]) for request in self.requests if request.path.endswith("/cat")]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answers any call."""
        endpoint = request.match_info["endpoint"]
        is_before_fetch = endpoint == "block/stat" or request.query.get("type") == "direct"
        if not is_before_fetch:
            self.requests.append(request)
        if endpoint in self.replies:
            return await self.replies[endpoint](request)
        if endpoint == "cat":
            return web.Response(body=self.content[int(request.query["offset"]) :])
        if endpoint == "block/get":
            block = self.blocks.get(request.query["arg"])
            return refusal("ipld: could not find it") if block is None else web.Response(body=block)
        if endpoint == "pin/ls" and is_before_fetch:
            return refusal("path is not pinned")
        await request.read()
        return web.json_response(
            {"Name": "content", "Hash": str(self.root), "Version": "0.42.0", "Pins": [], "Key": ""}
        )


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


def refusal(message: str) -> web.Response:
    """A refusal as Kubo sends it."""
    return web.json_response({"Message": message, "Code": 0, "Type": "error"}, status=500)


def repository(size_bytes: int, limit_bytes: int, folder: str = "") -> Reply:
    """A repository of this size, as Kubo reports it."""

    async def reply(request: web.Request) -> web.Response:
        path = "" if "size-only" in request.query else folder
        return web.json_response({"RepoSize": size_bytes, "StorageMax": limit_bytes, "RepoPath": path})

    return reply


@asynccontextmanager
async def lying_node() -> AsyncIterator[LyingNode]:
    """The node, listening."""
    node, app = LyingNode(), web.Application(client_max_size=2**30)
    app.router.add_post("/api/v0/{endpoint:.+}", node.answer)
    async with TestServer(app) as server:
        node.url = f"http://127.0.0.1:{server.port}"
        yield node
