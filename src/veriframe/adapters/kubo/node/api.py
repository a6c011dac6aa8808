"""Calls of a Kubo node's HTTP API: POST only, each with two timeouts, each answer limited and validated.

Source: the Kubo RPC reference, and Kubo 0.42 itself. A failure in mid-stream is reported only in a trailer
that no Python client shows: the end of a stream proves nothing, and callers check its bytes.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from pydantic import BaseModel, ConfigDict, ValidationError

from veriframe.causes import connection_cause
from veriframe.errors import SettingsError, StoreUnavailable
from veriframe.model.quantities import format_size

ANSWER_LIMIT_BYTES = 2**20
"""The limit for a JSON answer, and for one line of an answer in JSON lines."""

CONNECT_SECONDS = 10.0
GRACE_SECONDS = 10.0
"""How much longer the client waits than the node may take, so that the node's own error arrives."""

PIECE_BYTES = 2**18
BUFFER_BYTES = 2**20
"""The read buffer of an answer. With a smaller one, a busy machine stalls its own transfers."""

Query = Mapping[str, str | int | tuple[str, ...]]
"""A tuple is sent as several arguments of the same name."""

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "veriframe"}


class Answer(BaseModel):
    """An object in an answer. Other versions may add fields; the declared fields must be present."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


Expected = TypeVar("Expected", bound=Answer)


class _Refusal(Answer):
    Message: str


class NodeRefused(StoreUnavailable):
    """The node answered with an error: `message` is its text, shortened and escaped."""

    def __init__(self, address: str, endpoint: str, message: str) -> None:
        self.message = ascii(message[:300])[1:-1]
        super().__init__(
            f"The IPFS node at {address} refuses {endpoint}: {self.message}. Check its log, and that its disk"
            " has room."
        )

    @property
    def is_fullness(self) -> bool:
        """Whether the node says that its disk has no room."""
        return any(word in self.message.lower() for word in ("no space left", "quota exceeded"))

    @property
    def is_absence(self) -> bool:
        """Whether the node says that it does not have a block, or did not find it in time."""
        words = ("not found", "could not find", "deadline exceeded", "timed out", "timeout")
        return any(word in self.message for word in words)


@dataclass(frozen=True, slots=True)
class Body:
    """A multipart body in pieces, and the boundary between its parts."""

    boundary: str
    pieces: AsyncIterable[bytes]


class NodeAnswer:
    """A successful answer whose body has not been read yet."""

    def __init__(self, address: str, endpoint: str, response: aiohttp.ClientResponse) -> None:
        self._address, self._endpoint, self._response = address, endpoint, response

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yields the body as it arrives, in pieces of at most `PIECE_BYTES`."""
        async for piece in self._response.content.iter_chunked(PIECE_BYTES):
            yield piece

    async def body(self, limit_bytes: int = ANSWER_LIMIT_BYTES) -> bytes:
        """Returns the whole body. Raises `StoreUnavailable` if it has more than `limit_bytes`."""
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if len(body) > limit_bytes:
                raise _senseless(self._address, self._endpoint, f"more than {format_size(limit_bytes)}")
        return bytes(body)

    async def objects(self, expected: type[Expected]) -> AsyncIterator[Expected]:
        """Yields the objects of an answer in JSON lines; a refusal among them is raised as `NodeRefused`."""
        rest = b""
        async for piece in self.pieces():
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > ANSWER_LIMIT_BYTES:
                raise _senseless(self._address, self._endpoint, "a line without an end")
            for line in lines:
                if line.strip():
                    yield self.parse(line, expected)
        if rest.strip():
            yield self.parse(rest, expected)

    def parse(self, text: bytes, expected: type[Expected]) -> Expected:
        """Returns one object. Raises `StoreUnavailable` if the text is something else."""
        try:
            return expected.model_validate_json(text)
        except ValidationError:
            message = _refusal(text)
            if message is not None:
                raise NodeRefused(self._address, self._endpoint, message) from None
            kind = self._response.content_type[:60]
            raise _senseless(self._address, self._endpoint, f"{kind}, not the expected JSON") from None


class KuboApi:
    """One node's API at `address`, a base URL. Every method raises `StoreUnavailable`.

    Close it with `close`. Sessions belong to an event loop: another loop gets a new one.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        if token is not None and not (token and token.isascii() and token.isprintable() and " " not in token):
            raise SettingsError("The IPFS token has spaces or special characters. Give only the token.")
        self.address = address
        self._headers = _HEADERS | ({"Authorization": f"Bearer {token}"} if token else {})
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def close(self) -> None:
        """Closes the connections. The next call opens new ones."""
        if self._session is not None:
            await self._session.close()
        self._session = None

    async def call(self, endpoint: str, query: Query, expected: type[Expected], seconds: float) -> Expected:
        """Sends one request and returns one object; `seconds` is how long the node may take."""
        async with self.post(endpoint, query, seconds) as answer:
            return answer.parse(await answer.body(), expected)

    @asynccontextmanager
    async def post(
        self,
        endpoint: str,
        query: Query,
        seconds: float | None,
        *,
        body: Body | None = None,
        quiet_seconds: float | None = None,
    ) -> AsyncIterator[NodeAnswer]:
        """Sends a request whose answer the caller reads.

        Without `seconds` the caller enforces the time limit. `quiet_seconds` limits the wait for each next
        byte.
        """
        limits = {} if seconds is None else {"timeout": f"{seconds:g}s"}
        timeout = aiohttp.ClientTimeout(
            total=None if seconds is None else seconds + GRACE_SECONDS,
            sock_connect=CONNECT_SECONDS,
            sock_read=quiet_seconds,
        )
        headers = {} if body is None else {"Content-Type": f"multipart/form-data; boundary={body.boundary}"}
        url = f"{self.address}/api/v0/{endpoint}"
        try:
            async with self._opened().post(
                url,
                params={**query, **limits},
                data=None if body is None else body.pieces,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                await self._check(endpoint, response)
                yield NodeAnswer(self.address, endpoint, response)
        except (aiohttp.ClientError, ssl.SSLError, TimeoutError, ConnectionError) as error:
            raise _silent(self.address, endpoint, error) from error

    async def _check(self, endpoint: str, response: aiohttp.ClientResponse) -> None:
        if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            raise _senseless(self.address, endpoint, "compressed bytes that were not requested")
        if response.status == 200:
            return
        if response.status in (401, 403):
            raise StoreUnavailable(
                f"The IPFS node at {self.address} refuses this worker (HTTP {response.status}). Give the"
                " token that it asks for."
            )
        if response.status == 500 and response.content_type == "application/json":
            message = _refusal(await NodeAnswer(self.address, endpoint, response).body())
            if message is not None:
                raise NodeRefused(self.address, endpoint, message)
        raise _senseless(self.address, endpoint, f"HTTP {response.status}")

    def _opened(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            # Compressed answers are never decompressed: they are refused.
            self._session = aiohttp.ClientSession(
                headers=self._headers,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                read_bufsize=BUFFER_BYTES,
            )
            self._loop = loop
        return self._session


def _refusal(text: bytes) -> str | None:
    try:
        return _Refusal.model_validate_json(text).Message
    except ValidationError:
        return None


def _silent(address: str, endpoint: str, error: Exception) -> StoreUnavailable:
    return StoreUnavailable(
        f"The IPFS node at {address} does not answer ({endpoint}: {connection_cause(error)}). Check"
        " that it runs, and that IPFS_API (for a second node: ipfs_replica_api) is its address."
    )


def _senseless(address: str, endpoint: str, what: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"The server at {address} answers {endpoint} with {what}. It is not a Kubo API, or a proxy stands"
        " between. Check that IPFS_API, or ipfs_replica_api, is the address of the API, not of the gateway."
    )
