"""Trustless gateways: blocks from third-party servers, each checked; dishonest servers are dropped.

Source: the Trustless Gateway specification (`GET /ipfs/{cid}?format=raw`). A gateway may return wrong bytes,
stall, never end, send compressed bombs, or redirect to the operator's own network: then the next one is
asked.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import aiohttp
import structlog
from yarl import URL

from veriframe.adapters.kubo.blocks.mismatch import fits
from veriframe.adapters.kubo.blocks.unixfs import MAX_BLOCK_BYTES
from veriframe.adapters.kubo.fetching.fetcher import BlockSource
from veriframe.adapters.kubo.node.public_addresses import NotPublic, PublicResolver, is_address, is_public
from veriframe.causes import cause_of
from veriframe.errors import Code, JobRejected, SettingsError, StoreUnavailable
from veriframe.model.content.cid import Cid
from veriframe.model.quantities import format_size, format_span

log = structlog.get_logger()

_MEDIA_TYPE = "application/vnd.ipld.raw"
_HEADERS = {"Accept": _MEDIA_TYPE, "Accept-Encoding": "identity", "User-Agent": "VeriFrame"}
_PIECE_BYTES = 2**16
_PROBE = "bafkqaaa"
"""The CID of the empty block, which has its bytes in itself. Source: the Trustless Gateway specification."""
_OTHER_BYTES = "it returned bytes that do not match the CID"
_BUSY = (401, 407, 429, 503)
"""Statuses that concern us or the gateway, and never one CID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLimits:
    """How slow a gateway may be: the first byte, and then this many bytes a second on average.

    A gateway that could not serve is skipped for `rest_seconds`; one that returned wrong bytes is not asked
    again.
    """

    first_byte_seconds: float = 30
    bytes_per_second: float = 16_384
    rest_seconds: float = 60


class GatewayFault(StrEnum):
    """Why a gateway is skipped, in the log. Stable."""

    OTHER_BYTES = "OTHER_BYTES"
    CUT_OFF = "CUT_OFF"
    ENDLESS = "ENDLESS"
    SLOW = "SLOW"
    NOT_A_BLOCK = "NOT_A_BLOCK"
    REDIRECT = "REDIRECT"
    COMPRESSED = "COMPRESSED"
    NOT_HTTP = "NOT_HTTP"
    NO_CONNECTION = "NO_CONNECTION"
    BUSY = "BUSY"


class _Absent(Exception):
    """The gateway says that this block does not exist."""


class _NotReturned(Exception):
    """The gateway does not return this block. That may be due to a hostile CID, not to the gateway."""


class _CannotServe(Exception):
    """The gateway cannot serve now."""

    def __init__(self, fault: GatewayFault, why: str) -> None:
        super().__init__(why)
        self.fault = fault


class _Lied(_CannotServe):
    """The gateway returned something that was not asked for."""


class _Gateway:
    """One gateway, and why and until when it is skipped."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.why = ""
        self.until = -math.inf  # by the event loop's clock

    def skip(self, fault: _CannotServe, rest_seconds: float) -> None:
        """Skips it for `rest_seconds`, or for good if it returned wrong bytes."""
        is_liar = isinstance(fault, _Lied)
        self.why, self.until = str(fault), math.inf if is_liar else _now() + rest_seconds
        log.warning(
            "gateway_left",
            gateway=self.url.host,
            code=fault.fault,
            reason=self.why,
            seconds=None if is_liar else rest_seconds,
        )


class Gateways(BlockSource):
    """Several gateways as one source of blocks: `async with`, or `close`.

    Hosts are resolved here, and the connection goes to the very address that was checked: private and local
    addresses are refused, unless `allow_private`. Redirects are not followed; no proxies or cookies are used.
    Raises `SettingsError` for an address that is not a valid gateway URL.
    """

    def __init__(
        self, urls: Sequence[str], *, allow_private: bool = False, limits: GatewayLimits | None = None
    ) -> None:
        self._gateways = [_Gateway(_gateway_url(url, allow_private)) for url in urls]
        self._allow_private = allow_private
        self._limits = limits or GatewayLimits()
        self._opened: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes all connections. May be called twice."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    async def block(self, cid: Cid) -> bytes:
        """Returns the checked bytes of a block, from the first gateway that has it.

        Raises `JobRejected` (NOT_FOUND) if every gateway answers that it does not exist, and
        `StoreUnavailable`, which names each gateway and why it did not serve.
        """
        absent, reasons = 0, list[str]()
        for gateway in tuple(self._gateways):
            if gateway.until <= _now():
                try:
                    return await self._ask(gateway, cid)
                except _Absent as error:
                    absent += 1
                    reasons.append(f"{gateway.url.host}: {error}")
                except _NotReturned as error:
                    reasons.append(f"{gateway.url.host}: {error}")
                except _CannotServe as error:
                    gateway.skip(error, self._limits.rest_seconds)
                # The gateway that served last is asked first, so that one slow gateway does not slow down
                # every block.
                self._gateways.remove(gateway)
                self._gateways.append(gateway)
            if gateway.why and gateway.until > _now():
                reasons.append(f"{gateway.url.host}: {gateway.why}")
        if self._gateways and absent == len(self._gateways):
            raise JobRejected(Code.NOT_FOUND, f"No gateway finds {cid}. Check that it is still shared.")
        raise StoreUnavailable(f"No gateway provides {cid} now ({'; '.join(reasons) or 'none is set'}).")

    async def reach(self) -> Mapping[str, str]:
        """Asks each for the empty block. Returns, by host and port, why it does not serve, or nothing."""
        reasons = await asyncio.gather(*(self._reason(gateway) for gateway in self._gateways))
        return dict(zip((gateway.url.authority for gateway in self._gateways), reasons, strict=True))

    async def _reason(self, gateway: _Gateway) -> str:
        try:
            block = await self._get(gateway, _PROBE)
        except (_Absent, _NotReturned, _CannotServe) as error:
            return str(error)
        return _OTHER_BYTES if block else ""

    async def _ask(self, gateway: _Gateway, cid: Cid) -> bytes:
        """Returns one block from one gateway, checked. Raises `_Absent`, `_NotReturned`, `_CannotServe`."""
        block = await self._get(gateway, str(cid))
        if not fits(cid, block):
            raise _Lied(GatewayFault.OTHER_BYTES, _OTHER_BYTES)
        return block

    async def _get(self, gateway: _Gateway, cid: str) -> bytes:
        """Returns what one gateway sends for a CID. Raises `_Absent`, `_NotReturned`, `_CannotServe`."""
        url = gateway.url.joinpath("ipfs", cid).with_query(format="raw")
        get = self._session().get(url, headers=_HEADERS, allow_redirects=False)
        async with self._in_time() as deadline, _translated(), get as response:
            # Leaving early closes the connection: the rest of an endless body is not awaited.
            _check_head(response)
            return await self._read(response, deadline)

    async def _read(self, response: aiohttp.ClientResponse, deadline: asyncio.Timeout) -> bytes:
        """Returns the body, limited in size and time."""
        block, start = bytearray(), _now()
        async for piece in response.content.iter_chunked(_PIECE_BYTES):
            block += piece
            if len(block) > MAX_BLOCK_BYTES:
                raise _CannotServe(
                    GatewayFault.ENDLESS,
                    f"it sent more than the {format_size(MAX_BLOCK_BYTES)} that a block may have",
                )
            allowed = len(block) / self._limits.bytes_per_second
            deadline.reschedule(start + self._limits.first_byte_seconds + allowed)
        return bytes(block)

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[asyncio.Timeout]:
        """Ends a transfer that is slower than required; the body extends the deadline as it arrives."""
        first = self._limits.first_byte_seconds
        due = _now() + first
        try:
            async with asyncio.timeout_at(due) as deadline:
                yield deadline
        except TimeoutError as error:
            if deadline.when() != due:
                why = f"it sent less than {format_size(round(self._limits.bytes_per_second))} a second"
                raise _CannotServe(GatewayFault.SLOW, why) from error
            # A CID that nobody has looks the same: it must not take the gateways away from other jobs.
            raise _NotReturned(f"nothing came within {format_span(first)}") from error

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            resolver = PublicResolver(allow_private=self._allow_private)
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver, limit=16),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._opened


def _check_head(response: aiohttp.ClientResponse) -> None:
    """Raises if status or headers say that no block follows."""
    status = response.status
    if status in (404, 410):
        raise _Absent(f"it answers {status}: not found")
    if 300 <= status < 400:
        raise _Lied(GatewayFault.REDIRECT, f"it answers {status}, a redirect, which is not followed")
    if status in _BUSY:
        raise _CannotServe(GatewayFault.BUSY, f"it answers {status}")
    if status != 200:
        # Such as 451 for banned content, or 504 for content not found in time: the CID may be the reason.
        raise _NotReturned(f"it answers {status}")
    if response.content_type != _MEDIA_TYPE:
        why = f"it sent {response.content_type[:60]!a} instead of {_MEDIA_TYPE}"
        raise _CannotServe(GatewayFault.NOT_A_BLOCK, why)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _Lied(GatewayFault.COMPRESSED, "it sent a compressed body, which was not requested")
    if (response.content_length or 0) > MAX_BLOCK_BYTES:
        raise _NotReturned(f"it announced more than the {format_size(MAX_BLOCK_BYTES)} that a block may have")


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """Turns the errors of aiohttp into `_CannotServe`."""
    try:
        yield
    except aiohttp.ClientPayloadError as error:
        raise _CannotServe(GatewayFault.CUT_OFF, "its answer was cut off") from error
    except aiohttp.ClientConnectorError as error:
        reason = error.os_error
        cause = str(reason) if isinstance(reason, NotPublic) else cause_of(reason)
        why = f"no connection: {cause}"
        raise _CannotServe(GatewayFault.NO_CONNECTION, why) from error
    except aiohttp.ClientError as error:
        why = f"its answer is not valid HTTP ({type(error).__name__})"
        raise _CannotServe(GatewayFault.NOT_HTTP, why) from error


def _gateway_url(text: str, allow_private: bool) -> URL:
    try:
        url = URL(text)
        port = url.port
    except ValueError as error:
        raise SettingsError(
            f"{text!a} is not the address of a gateway: its host or its port is not valid."
        ) from error
    if url.scheme not in ("http", "https") or not url.host or port is None:
        raise SettingsError(
            f"{text!a} is not the address of a gateway. Give one like https://trustless-gateway.link."
        )
    if url.user is not None or url.query_string or url.fragment:
        raise SettingsError(f"{text!a} is not the address of a gateway: skip out user, password, ? and #.")
    # aiohttp does not resolve IP addresses.
    if is_address(url.host) and not allow_private and not is_public(url.host):
        raise SettingsError(f"{text!a} is private; a gateway must be public. A node is set by IPFS_API.")
    return url


def _now() -> float:
    return asyncio.get_running_loop().time()
