"""A gateway on the loopback that serves blocks honestly, or lies in one of the ways of real gateways."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum, auto
from types import TracebackType
from typing import Self

from veriframe.model.content.cid import Cid, parse_cid

_RAW = "application/vnd.ipld.raw"
_BOMB = gzip.compress(bytes(2**20)) * 64  # concatenated gzip members
_PIECE = bytes(2**16)
_EMPTY = "bafkqaaa"  # the CID contains its bytes: none


class Lie(Enum):
    """What a gateway does instead of serving."""

    NONE = auto()
    FLIPPED = auto()  # one changed bit in the middle
    SHORT = auto()  # half of the block, as if it were complete
    CUT = auto()  # half of the block, then the connection closes
    ENDLESS = auto()
    ANNOUNCED = auto()  # announces more bytes than a block can have
    DRIP = auto()  # a byte now and then
    SILENT = auto()
    HTML = auto()
    REDIRECT = auto()  # to a private address
    BOMB = auto()  # a compressed body, 64 MiB when decompressed
    OTHER = auto()  # a valid block, but not this one
    NOT_HTTP = auto()
    MISSING = auto()  # answers 404
    LATE = auto()  # answers 504
    BANNED = auto()  # answers 451
    BUSY = auto()  # answers 429


_STATUS = {
    Lie.LATE: "504 Gateway Timeout",
    Lie.BANNED: "451 Unavailable For Legal Reasons",
    Lie.BUSY: "429 Too Many Requests",
}


class LoopbackGateway:
    """`async with LoopbackGateway(blocks, lie) as gateway`: at `gateway.url`.

    `asked` holds the requested paths, `requests` their heads, `sent_bytes` the size of the bodies sent.
    `elsewhere_url` is the target of the redirect, `other` is what OTHER sends.
    """

    def __init__(
        self,
        blocks: Mapping[Cid, bytes],
        lie: Lie = Lie.NONE,
        *,
        elsewhere_url: str = "",
        other: bytes = b"other",
    ) -> None:
        self.asked: list[str] = []
        self.requests: list[str] = []
        self.sent_bytes = 0
        self.url = ""
        self.lie = lie
        self._blocks = blocks
        self._elsewhere_url = elsewhere_url
        self._other = other
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                request = (await reader.readuntil(b"\r\n\r\n")).decode()
                path = request.split(" ")[1]
                self.asked.append(path)
                self.requests.append(request)
                await self._answer(writer, self._block(path.split("?")[0].split("/")[-1]))
            finally:
                writer.close()

    def _block(self, cid: str) -> bytes | None:
        return b"" if cid == _EMPTY else self._blocks.get(parse_cid(cid))

    async def _answer(self, writer: asyncio.StreamWriter, block: bytes | None) -> None:
        lie = self.lie
        if block is None or lie is Lie.MISSING:
            await self._send(writer, "404 Not Found", b"not found", kind="text/plain")
        elif lie in _STATUS:
            await self._send(writer, _STATUS[lie], b"no", kind="text/plain")
        elif lie is Lie.SILENT:
            await asyncio.Event().wait()
        elif lie is Lie.NOT_HTTP:
            writer.write(b"220 welcome\r\n\r\n")
            await writer.drain()
        elif lie is Lie.HTML:
            await self._send(writer, "200 OK", b"<html>Please log in</html>", kind="text/html")
        elif lie is Lie.REDIRECT:
            await self._send(writer, "302 Found", b"", f"Location: {self._elsewhere_url}")
        elif lie is Lie.BOMB:
            await self._send(writer, "200 OK", _BOMB, "Content-Encoding: gzip")
        elif lie in (Lie.ENDLESS, Lie.DRIP, Lie.ANNOUNCED):
            await self._send_slowly(writer, block)
        else:
            await self._send_block(writer, block)

    async def _send_block(self, writer: asyncio.StreamWriter, block: bytes) -> None:
        middle = len(block) // 2
        match self.lie:
            case Lie.FLIPPED:
                block = block[:middle] + bytes((block[middle] ^ 1,)) + block[middle + 1 :]
            case Lie.SHORT:
                block = block[:middle]
            case Lie.OTHER:
                block = self._other
            case _:
                pass
        size = len(block)
        body = block[:middle] if self.lie is Lie.CUT else block
        await self._send(writer, "200 OK", body, size=size)

    async def _send_slowly(self, writer: asyncio.StreamWriter, block: bytes) -> None:
        """Sends a body without end, or a slow one."""
        size = 2**40 if self.lie is Lie.ANNOUNCED else None
        await self._send(writer, "200 OK", b"", size=size, open_ended=size is None)
        while self.lie is not Lie.DRIP:
            await self._write(writer, _PIECE)
        for byte in block:
            await self._write(writer, bytes((byte,)))
            await asyncio.sleep(0.02)  # the lie itself: slow on purpose

    async def _send(
        self,
        writer: asyncio.StreamWriter,
        status: str,
        body: bytes,
        header: str = "",
        *,
        kind: str = _RAW,
        size: int | None = None,
        open_ended: bool = False,
    ) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Connection: close"]
        if not open_ended:
            lines.append(f"Content-Length: {len(body) if size is None else size}")
        lines.extend([header] if header else [])
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await self._write(writer, body)

    async def _write(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        writer.write(piece)
        await writer.drain()
        self.sent_bytes += len(piece)
