"""JSON-RPC to StarkNet nodes, over one or more endpoints that may fail, lie or lag.

All calls share one HTTP session. A call goes to the first available endpoint and, if it fails, to the next. A
failed endpoint pauses, longer each time, and is then tried with one call. An answer is accepted only if its
size, its JSON and its envelope are valid, and its endpoint serves the right chain and is not far behind. Logs
and errors name endpoints by host only: paths and users often contain a secret.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog
from yarl import URL

from veriframe.adapters.starknet.rpc.endpoint import Endpoint, EndpointLimits, RateLimit, parse_endpoint
from veriframe.adapters.starknet.rpc.envelope import (
    RESPONSE_MAX_BYTES,
    EndpointFailed,
    RpcError,
    parse_answers,
    parse_pause,
)
from veriframe.causes import connection_cause
from veriframe.errors import RegistryUnavailable, SettingsError
from veriframe.model.quantities import format_size

__all__ = ["RESPONSE_MAX_BYTES", "EndpointLimits", "Endpoints", "Params", "RpcError"]

log = structlog.get_logger()

Params = Mapping[str, Any]
"""A call's parameters by name."""

CONNECT_SECONDS = 5.0
ROUNDS = 3
"""How often one call may try the same endpoint."""
SURVEY_SECONDS = 30.0
"""The interval at which the endpoints' heads are compared."""
LAG_BLOCKS = 10
"""How many blocks an endpoint may be behind the best one."""


@dataclass(frozen=True, slots=True)
class EndpointAnswer:
    """The results of several methods, and the name of the endpoint that returned them."""

    endpoint: str
    results: Sequence[Any]


class Endpoints:
    """Calls the nodes at `urls`, in this order, on the chain `chain_id` (`None`: the first node's).

    Raises `SettingsError` if a URL is not an HTTP address. Use it in one event loop, and `close` it.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        chain_id: int | None = None,
        limits: EndpointLimits = EndpointLimits(),  # noqa: B008 - immutable
    ) -> None:
        if not urls:
            raise SettingsError("No address of a StarkNet node is given. Set STARKNET_RPC.")
        distinct = dict.fromkeys(urls)
        self._endpoints = [
            parse_endpoint(number, text, limits.pause_seconds) for number, text in enumerate(distinct, 1)
        ]
        self._chain_id = chain_id
        self._bucket = RateLimit(limits.requests_per_second)
        self._timeout = aiohttp.ClientTimeout(total=limits.request_seconds, sock_connect=CONNECT_SECONDS)
        self._call_seconds = limits.call_seconds
        self._session: aiohttp.ClientSession | None = None
        self._requests = 0
        self._failures = 0
        self._id = 0
        self._surveyed_at: float | None = None
        self._survey_lock = asyncio.Lock()

    @property
    def requests(self) -> int:
        """How many HTTP requests were sent so far."""
        return self._requests

    @property
    def failures(self) -> int:
        """How many requests got no valid answer so far. Their effect is unknown."""
        return self._failures

    @property
    def names(self) -> Sequence[str]:
        """The endpoints' names, as in logs and errors."""
        return [one.name for one in self._endpoints]

    @property
    def dropped(self) -> Mapping[str, int]:
        """The dropped endpoints, each with the chain that it reports."""
        return {one.name: one.chain_id or 0 for one in self._endpoints if one.dropped}

    async def close(self) -> None:
        """Closes the connections. A later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(self, method: str, params: Params | None = None) -> Any:  # noqa: ANN401 - JSON
        """The result of one method as JSON, not validated.

        Raises `RpcError` if the node answers with an error, `RegistryUnavailable` if no node answers. In the
        latter case the effect of the call is unknown.
        """
        answer = (await self.batch([(method, params)]))[0]
        if isinstance(answer, RpcError):
            raise answer
        return answer

    async def batch(self, calls: Sequence[tuple[str, Params | None]]) -> Sequence[Any]:
        """The results of several methods in one request, in order, with an `RpcError` for each that fails.

        Raises `RegistryUnavailable` as `call` does. A single call is sent as a plain request.
        """
        return (await self.ask(calls)).results if calls else []

    async def ask(
        self, calls: Sequence[tuple[str, Params | None]], *, but: Collection[str] = ()
    ) -> EndpointAnswer:
        """As `batch`, with the endpoint that answered. The endpoints named in `but` are not called."""
        await self._compare_heads()
        return await self._try_in_turn(calls, but)

    def distrust(self, name: str) -> None:
        """Stops calling this endpoint for an hour: others contradicted it."""
        for endpoint in self._endpoints:
            if endpoint.name == name:
                endpoint.distrust(time.monotonic())

    async def chain_id(self) -> int:
        """The chain that the endpoints serve. Raises `RegistryUnavailable`."""
        if self._chain_id is None:
            await self.call("starknet_chainId")
        assert self._chain_id is not None, "an answer comes only from an endpoint whose chain is known"
        return self._chain_id

    async def _try_in_turn(
        self, calls: Sequence[tuple[str, Params | None]], but: Collection[str]
    ) -> EndpointAnswer:
        until = time.monotonic() + self._call_seconds
        tries = dict.fromkeys(but, ROUNDS)
        problem: EndpointFailed | None = None
        while True:
            endpoint = await self._wait_for_fit(until, tries)
            if endpoint is None:
                raise self._unavailable(calls[0][0], problem) from problem
            tries[endpoint.name] = tries.get(endpoint.name, 0) + 1
            try:
                return EndpointAnswer(endpoint.name, await self._try(endpoint, calls))
            except EndpointFailed as error:
                problem = error
                # Once for each outage: what waits for it says so again and again.
                say = log.warning if endpoint.failures == 1 else log.debug
                say("endpoint_failed", endpoint=endpoint.name, reason=str(error))

    async def _wait_for_fit(self, until: float, tries: Mapping[str, int]) -> Endpoint | None:
        """The endpoint to try next, after its pause if that ends in time; `None` if there is none."""
        while True:
            now = time.monotonic()
            left = [one for one in self._endpoints if not one.dropped and tries.get(one.name, 0) < ROUNDS]
            if fit := [one for one in left if one.fit(now)]:
                return min(fit, key=lambda one: tries.get(one.name, 0))
            resting = [one.rests_until for one in left if not one.lags]
            if not resting or max(now, min(resting)) >= until:
                return None
            # The pause is over while another call tries the endpoint: check again soon.
            await asyncio.sleep(max(min(resting) - now, 0.02))

    async def _try(self, endpoint: Endpoint, calls: Sequence[tuple[str, Params | None]]) -> Sequence[Any]:
        started = time.monotonic()
        endpoint.trying = True
        try:
            async with endpoint.lock:
                if not endpoint.chain_checked:
                    await self._check_chain(endpoint)
            answers = await self._post(endpoint, calls)
        except EndpointFailed as error:
            self._failures += 1
            endpoint.note_failure(started, time.monotonic(), error.pause_seconds)
            raise
        finally:
            endpoint.trying = False
        endpoint.note_success(started)
        return answers

    async def _check_chain(self, endpoint: Endpoint) -> None:
        answer = (await self._post(endpoint, [("starknet_chainId", None)]))[0]
        try:
            found = int(answer, 16)
        except (TypeError, ValueError) as error:
            raise EndpointFailed("it does not report its chain") from error
        endpoint.chain_id = found
        if self._chain_id is None:
            self._chain_id = found
        if found != self._chain_id:
            endpoint.dropped = True
            log.error("endpoint_on_wrong_chain", endpoint=endpoint.name, chain_id=hex(found))
            raise EndpointFailed(f"it serves the chain {found:#x}, not {self._chain_id:#x}")
        endpoint.chain_checked = True

    async def _post(self, endpoint: Endpoint, calls: Sequence[tuple[str, Params | None]]) -> Sequence[Any]:
        """Sends one request. Raises `EndpointFailed` for anything but a valid answer."""
        first = self._id + 1
        self._id += len(calls)
        payload = [
            {"jsonrpc": "2.0", "id": first + place, "method": method, "params": dict(params or {})}
            for place, (method, params) in enumerate(calls)
        ]
        await self._bucket.take()
        self._requests += 1
        try:
            body = await self._read(endpoint.url, payload if len(calls) > 1 else payload[0])
        except TimeoutError as error:
            raise EndpointFailed("it did not answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EndpointFailed(connection_cause(error)) from error
        return await parse_answers(body, first, len(calls))

    async def _read(self, url: URL, payload: object) -> bytes:
        """The body of the answer, limited in size. Redirects and compressed bodies are refused."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        headers = {"Accept-Encoding": "identity"}
        async with self._session.post(url, json=payload, headers=headers, allow_redirects=False) as response:
            if response.status == 429:
                raise EndpointFailed("too many requests", parse_pause(response.headers.get("Retry-After")))
            if response.status != 200:
                pause = parse_pause(response.headers.get("Retry-After"))
                raise EndpointFailed(f"HTTP status {response.status}", pause)
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise EndpointFailed("it sent a compressed answer that was not asked for")
            body = bytearray()
            async for piece in response.content.iter_chunked(1 << 16):
                body += piece
                if len(body) > RESPONSE_MAX_BYTES:
                    raise EndpointFailed(f"its answer is larger than {format_size(RESPONSE_MAX_BYTES)}")
            return bytes(body)

    async def _compare_heads(self) -> None:
        """Compares the endpoints' heads from time to time, and sets aside those that are far behind."""
        if len(self._endpoints) == 1:
            return  # Nothing to compare with: a lower head may be a reorganisation.
        async with self._survey_lock:
            now = time.monotonic()
            if self._surveyed_at is not None and now - self._surveyed_at < SURVEY_SECONDS:
                return
            await asyncio.gather(*map(self._read_head, self._endpoints))
            self._surveyed_at = time.monotonic()
            self._judge_heads()

    async def _read_head(self, endpoint: Endpoint) -> None:
        endpoint.head = None
        now = time.monotonic()
        if endpoint.dropped or now < endpoint.rests_until:
            return
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                head = (await self._try(endpoint, [("starknet_blockNumber", None)]))[0]
        except TimeoutError:
            endpoint.note_failure(now, time.monotonic(), None)
        except EndpointFailed as error:
            log.warning("endpoint_failed", endpoint=endpoint.name, reason=str(error))
        else:
            endpoint.head = head if isinstance(head, int) and not isinstance(head, bool) else None

    def _judge_heads(self) -> None:
        """Marks endpoints that lag. Of three or more heads, the second highest counts, in case one lies."""
        heads = sorted(one.head for one in self._endpoints if one.head is not None)
        measure = (heads[-2] if len(heads) > 2 else heads[-1]) if heads else 0
        for one in self._endpoints:
            lags = one.head is not None and one.head < measure - LAG_BLOCKS
            if lags and not one.lags:
                log.warning("endpoint_lags", endpoint=one.name, block=one.head, best=measure)
            one.lags = lags

    def _unavailable(self, method: str, problem: EndpointFailed | None) -> RegistryUnavailable:
        names = ", ".join(one.name for one in self._endpoints)
        why = str(problem) if problem else "each of them failed recently, lags or was dropped"
        return RegistryUnavailable(
            f"No StarkNet node answers {method} now ({names}): {why}. Check that"
            " STARKNET_RPC names a running node."
        )
