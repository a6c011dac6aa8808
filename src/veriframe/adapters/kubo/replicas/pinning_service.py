"""A remote pinning service as a replica: asked to pin what this node has, and polled until it has done so.

Source: the IPFS Pinning Service API, version 0.1.2. A service may be unavailable, slow, or something else:
its answers are validated, limited in size, and never repeated together with the token.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from yarl import URL

from veriframe.adapters.kubo.node.swarm import Swarm
from veriframe.adapters.kubo.replicas.replica import Replica, ReplicaRefused
from veriframe.causes import connection_cause
from veriframe.errors import JobRejected, SettingsError, StoreUnavailable
from veriframe.model.content.cid import canonical
from veriframe.model.quantities import format_size
from veriframe.model.text import printable
from veriframe.ports.store import Pin, StoreRoom

ANSWER_BYTES = 2**20
CALL_SECONDS = 20.0
POLL_SECONDS = 1.0
POLL_MAX_SECONDS = 15.0

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "VeriFrame"}
_UNDER_WAY = "queued,pinning,pinned"
_ALL = f"{_UNDER_WAY},failed"


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _Content(_Message):
    cid: str = Field(max_length=200)
    name: str | None = Field(None, max_length=1000)


class _Status(_Message):
    requestid: str = Field(min_length=1, max_length=200)
    status: Literal["queued", "pinning", "pinned", "failed"]
    pin: _Content
    delegates: list[str] = Field(default_factory=list, max_length=1000, fail_fast=True)
    info: dict[str, Any] | None = None


class _Results(_Message):
    results: list[_Status] | None = Field(None, max_length=1000, fail_fast=True)


class _Reason(_Message):
    reason: str = ""
    details: str = ""


class _Failure(_Message):
    error: _Reason


Expected = TypeVar("Expected", bound=_Message)


class PinningService(Replica):
    """The service at `url`. `swarm` is the node whose content it is to pin.

    Raises `SettingsError` for an invalid address or token.
    """

    def __init__(self, url: str, token: str, swarm: Swarm) -> None:
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise SettingsError(
                "The token of the pinning service has spaces or special characters. Give only the token."
            )
        self._url, self._token, self._swarm = _service_url(url), token, swarm
        self._opened: aiohttp.ClientSession | None = None

    @property
    def name(self) -> str:
        """The service's host."""
        return str(self._url.host)

    async def keep(self, pin: Pin, source: Path | None) -> None:
        """Waits until the service says that it has pinned the content. Raises `StoreUnavailable`."""
        status = await self._found(pin) or await self._request(pin)
        if status.status != "pinned":
            await self._swarm.connect(status.delegates)
        wait = POLL_SECONDS
        while status.status in ("queued", "pinning"):
            await asyncio.sleep(wait)
            wait = min(wait * 2, POLL_MAX_SECONDS)
            status = await self._poll(status.requestid, pin)
        if status.status == "failed":
            why = str((status.info or {}).get("status_details", "it does not say why"))
            raise ReplicaRefused(f"{self.name} could not pin {pin.cid}: {self._harmless(why)}.")

    async def release(self, pin: Pin) -> None:
        """Deletes every request for this content under this name. Raises `StoreUnavailable`."""
        for status in await self._list(pin, _ALL):
            await self._call("DELETE", f"pins/{_segment(status.requestid)}", None, allow_absent=True)

    async def room(self) -> StoreRoom:
        """Always unknown: services do not report their free space."""
        return StoreRoom()

    async def check(self) -> None:
        """Lists one of its requests, which needs the token. Raises `StoreUnavailable`."""
        self._parse(await self._call("GET", "pins", None, query={"limit": "1"}), _Results)

    async def close(self) -> None:
        """Closes all connections. May be called twice."""
        await self._swarm.close()
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    async def _found(self, pin: Pin) -> _Status | None:
        found = await self._list(pin, _UNDER_WAY)
        return min(found, key=lambda status: status.status != "pinned", default=None)

    async def _list(self, pin: Pin, statuses: str) -> list[_Status]:
        query = {"cid": pin.cid, "name": _label(pin), "match": "exact", "status": statuses, "limit": "100"}
        listed = self._parse(await self._call("GET", "pins", None, query=query), _Results).results or []
        # If a service does not filter, requests that others made must not be deleted.
        return [status for status in listed if _is(status, pin) and status.pin.name == _label(pin)]

    async def _request(self, pin: Pin) -> _Status:
        wanted: dict[str, Any] = {"cid": pin.cid, "name": _label(pin)}
        if origins := await self._swarm.addresses():
            wanted["origins"] = list(origins)
        return self._fitting(await self._call("POST", "pins", wanted), pin)

    async def _poll(self, requestid: str, pin: Pin) -> _Status:
        status = self._fitting(await self._call("GET", f"pins/{_segment(requestid)}", None), pin)
        if status.requestid != requestid:
            raise self._senseless("about another request than this one")
        return status

    def _fitting(self, text: bytes, pin: Pin) -> _Status:
        status = self._parse(text, _Status)
        if not _is(status, pin):
            raise self._senseless("about other content than was requested")
        return status

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        query: Mapping[str, str] | None = None,
        allow_absent: bool = False,
    ) -> bytes:
        url = URL(f"{self._url}/{path}", encoded=True).with_query(query)
        call = self._session().request(method, url, json=body, allow_redirects=False)
        async with self._translated(), call as response:
            text = await self._body(response)
            if allow_absent and response.status == 404:
                return text
            self._check(response, text)
            return text

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for piece in response.content.iter_chunked(2**16):
            body += piece
            if len(body) > ANSWER_BYTES:
                raise self._senseless(f"with more than {format_size(ANSWER_BYTES)}")
        return bytes(body)

    def _check(self, response: aiohttp.ClientResponse, text: bytes) -> None:
        status = response.status
        if 300 <= status < 400:
            raise self._senseless(f"with {status}, a redirect, which is not followed")
        if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            raise self._senseless("with a compressed body, which was not requested")
        if status in (200, 202):
            return
        if status in (401, 403):
            raise ReplicaRefused(f"{self.name} refuses the token ({status}). Check pinning_token_file.")
        error = ReplicaRefused if status < 500 and status != 429 else StoreUnavailable
        raise error(f"{self.name} answers {status}{self._why(text)}")

    def _why(self, text: bytes) -> str:
        try:
            failure = _Failure.model_validate_json(text).error
        except ValidationError:
            return "."
        return f": {self._harmless(f'{failure.reason} {failure.details}'.strip())}."

    def _harmless(self, text: str) -> str:
        """Returns an untrusted text shortened, on one line, and without the token."""
        return ascii(text.replace(self._token, "…")[:200])[1:-1]

    def _parse(self, text: bytes, expected: type[Expected]) -> Expected:
        try:
            return expected.model_validate_json(text)
        except ValidationError:
            raise self._senseless("with something else than the expected JSON") from None

    def _senseless(self, what: str) -> ReplicaRefused:
        return ReplicaRefused(
            f"The server at {self.name} answers {what}. Check that pinning_service is the address of an IPFS"
            " Pinning Service API."
        )

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise StoreUnavailable(f"{self.name} does not answer in time.") from error
        except aiohttp.ClientError as error:
            raise StoreUnavailable(f"{self.name} does not answer ({connection_cause(error)}).") from error

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                headers={**_HEADERS, "Authorization": f"Bearer {self._token}"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
            )
        return self._opened


def _label(pin: Pin) -> str:
    return f"veriframe:{pin.name}"[:255]


def _is(status: _Status, pin: Pin) -> bool:
    try:
        return canonical(status.pin.cid) == canonical(pin.cid)
    except JobRejected:
        return False


def _segment(requestid: str) -> str:
    """Returns one segment of a path, whatever the service calls its requests."""
    if not requestid.strip("."):
        raise ReplicaRefused("The pinning service gave a request an invalid id.")
    return quote(requestid, safe="")


def _service_url(text: str) -> URL:
    try:
        url = URL(text.rstrip("/"))
        port = url.port
    except ValueError as error:
        raise SettingsError(
            f"pinning_service is “{printable(text)}”, which is not an address. Give a URL such as https://pins.example/psa."
        ) from error
    if url.scheme not in ("http", "https") or not url.host or port is None:
        raise SettingsError(
            f"pinning_service is “{printable(text)}”. Give a URL such as https://pins.example/psa."
        )
    if url.user is not None or url.query_string or url.fragment:
        raise SettingsError(
            f"pinning_service is “{printable(url.host)}” with more than host, port and path. Remove the rest."
        )
    if url.scheme == "http" and not _is_local(url.host):
        raise SettingsError(f"“{printable(text)}” would send the token unencrypted. Use https.")
    return url


def _is_local(host: str) -> bool:
    """Whether a host is this machine or in its own network: a private address, or a name without a dot."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host
