"""A hostile JSON-RPC server on loopback, before a real or fake node.

It plays the given faults in order, one for each request, and then behaves correctly. `only` limits the faults
to requests with one method.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

import aiohttp
from aiohttp import web

Answerer = Callable[[str, dict[str, Any]], Any]
"""A fake node: returns the result of a method with parameters, or raises `FakeRpcError`."""


class Fault(StrEnum):
    """The fault of one request."""

    NONE = "none"
    TOO_MANY = "429 before the node acts"
    BROKEN = "500 before the node acts"
    BROKEN_AFTER = "500 after the node acted"
    HANG_BEFORE = "no answer, and the node did not receive it"
    HANG_AFTER = "no answer, though the node acted"
    RESET_AFTER = "connection cut after the node acted"
    TRUNCATED = "half of the JSON"
    GARBAGE = "a page of HTML"
    HUGE = "a body without end"
    WRONG_ID = "an answer to another question"
    BOTH = "a result and an error"
    NAN = "a number that is not JSON"
    DEEP = "brackets without end"
    GZIP = "a compressed answer"
    REDIRECT = "a redirect"
    TROUBLE = "an internal error of the server"


class FakeRpcError(Exception):
    """The fake node answers with an error."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, "data": data}


@dataclass
class Proxy:
    """A server at `url`: `async with Proxy(answerer)` or `Proxy("http://…")`. `seen`: the methods called."""

    node: Answerer | str
    faults: list[Fault] = field(default_factory=list)
    only: str | None = None
    retry_after: str | None = None
    port: int = 0
    """Where it listens; 0: anywhere."""
    seen: list[str] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        self._released = asyncio.Event()
        application = web.Application(client_max_size=1 << 24)
        application.router.add_post("/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/rpc"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._released.set()
        await self._runner.cleanup()
        await self._session.close()

    def count(self, method: str) -> int:
        """How often a method was called."""
        return self.seen.count(method)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        asked = json.loads(await request.text())
        calls = asked if isinstance(asked, list) else [asked]
        self.seen += [call["method"] for call in calls]
        self.sent += [call for call in calls if call["method"].startswith("starknet_add")]
        fits = self.only is None or self.only in {call["method"] for call in calls}
        fault = self.faults.pop(0) if self.faults and fits else Fault.NONE
        if early := await self._before(fault):
            return early
        answers = [await self._answer(call) for call in calls]
        return await self._after(fault, request, answers if isinstance(asked, list) else answers[0])

    async def _before(self, fault: Fault) -> web.Response | None:
        if fault is Fault.HANG_BEFORE:
            await self._released.wait()
        if fault is Fault.TOO_MANY:
            headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            return web.Response(status=429, headers=headers)
        if fault is Fault.REDIRECT:
            return web.Response(status=307, headers={"Location": self.url})
        return web.Response(status=500) if fault in {Fault.BROKEN, Fault.HANG_BEFORE} else None

    async def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        envelope = {"jsonrpc": "2.0", "id": call["id"]}
        if isinstance(self.node, str):
            async with self._session.post(self.node, json=call) as response:
                answer: dict[str, Any] = await response.json(content_type=None)
                return answer
        try:
            return envelope | {"result": self.node(call["method"], call["params"])}
        except FakeRpcError as error:
            return envelope | {"error": error.error}

    async def _after(self, fault: Fault, request: web.Request, answer: Any) -> web.StreamResponse:
        if fault is Fault.HANG_AFTER:
            await self._released.wait()
        if fault is Fault.RESET_AFTER:
            assert request.transport is not None
            request.transport.abort()
        if fault is Fault.HUGE:
            return await self._endless(request, json.dumps(answer).encode())
        if fault in {Fault.BROKEN_AFTER, Fault.HANG_AFTER, Fault.RESET_AFTER}:
            return web.Response(status=500)
        headers = {"Content-Encoding": "gzip"} if fault is Fault.GZIP else {}
        body = _body(fault, answer)
        return web.Response(body=body, content_type="application/json", headers=headers)

    async def _endless(self, request: web.Request, answer: bytes) -> web.StreamResponse:
        # A valid answer followed by blanks: only its size is wrong.
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await response.write(answer)
            for _ in range(20):
                await response.write(b" " * (1 << 20))
        except ConnectionError:
            pass
        return response


def _body(fault: Fault, answer: Any) -> bytes:
    plain = json.dumps(answer).encode()
    if fault is Fault.TRUNCATED:
        return plain[: len(plain) // 2]
    if fault is Fault.GARBAGE:
        return b"<html><body>Bad gateway</body></html>"
    if fault is Fault.DEEP:
        return b"[" * 200_000
    if fault is Fault.NAN:
        return b'{"jsonrpc": "2.0", "id": %d, "result": NaN}' % answer["id"]
    bent: dict[Fault, dict[str, Any]] = {
        Fault.WRONG_ID: {"id": 10**9},
        Fault.BOTH: {"result": "0x1", "error": {"code": 1, "message": "both"}},
        Fault.TROUBLE: {"error": {"code": -32603, "message": "Internal error"}},
    }
    if fault not in bent:
        return plain
    changed = {**answer, **bent[fault]}
    if fault is Fault.TROUBLE:
        changed.pop("result", None)
    return json.dumps(changed).encode()


def fake_chain(chain_id: int = 0x534E5F5345504F4C4941, head: int = 5) -> Answerer:
    """A node with a chain id and a head that answers `starknet_echo` with its parameters."""

    def answer(method: str, params: dict[str, Any]) -> Any:
        if method == "starknet_chainId":
            return hex(chain_id)
        if method == "starknet_blockNumber":
            return head
        if method == "starknet_echo":
            return params
        raise FakeRpcError(40, "Contract error", {"revert_error": "0x4e4f545f4f50454e"})

    return answer


def every(faults: Sequence[Fault], times: int) -> list[Fault]:
    """The same faults, repeated."""
    return list(faults) * times
