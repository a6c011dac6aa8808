"""A proxy between a program and its node that counts bytes and can hold up the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.nodes import Kubo


@dataclass
class Wire:
    """A proxy before a node. It counts bytes, and can hold up at a number of bytes or at a request.

    `near_url` is the node's address, `hold_at` a text in the request to hold up. `refused` is set when a
    client connected while the node was down.
    """

    near_url: str
    down_limit_bytes: int = 2**62
    up_limit_bytes: int = 2**62
    down_bytes: int = 0
    up_bytes: int = 0
    hold_at: bytes = b""
    url: str = ""
    held: asyncio.Event = field(default_factory=asyncio.Event)
    refused: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def restart_held(self, node: Kubo) -> None:
        """Kills the node when it is held up; starts it again when a connection was refused."""
        await asyncio.wait_for(self.held.wait(), 60)
        node.kill()
        self.go_on.set()
        await asyncio.wait_for(self.refused.wait(), 60)
        # Not in another thread: the node ends with the thread that starts it.
        node.start()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        try:
            near = await asyncio.open_connection("127.0.0.1", int(self.near_url.rsplit(":", 1)[1]))
        except OSError:
            self.refused.set()
            writer.close()
            return
        await asyncio.gather(self._up(reader, near[1]), self._down(near[0], writer))

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(2**16):
                self.up_bytes += len(piece)
                is_awaited = bool(self.hold_at) and self.hold_at in piece
                await self._hold(is_awaited or self.up_bytes > self.up_limit_bytes)
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(2**16):
                self.down_bytes += len(piece)
                await self._hold(self.down_bytes > self.down_limit_bytes)
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def _hold(self, is_over: bool) -> None:
        if is_over and not self.go_on.is_set():
            self.held.set()
            await self.go_on.wait()


@asynccontextmanager
async def wire(
    node: Kubo, *, down: int = 2**62, up: int = 2**62, hold_at: bytes = b"", near_url: str = ""
) -> AsyncIterator[Wire]:
    """Starts the proxy before `near_url`, by default the node's API."""
    proxy = Wire(near_url or node.api_url, down, up, hold_at=hold_at)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        proxy.go_on.set()
        server.close()
