"""An IPFS pinning service on the loopback, by the Pinning Service API 0.1.2, that can also misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN = "opensesame-7"

GatewayFault = Callable[[web.Request], web.StreamResponse]


@dataclass
class Request:
    """One pin request that the service holds."""

    requestid: str
    cid: str
    name: str
    origins: list[str]
    looks: int = 0


@dataclass
class FakePinningService:
    """Pins what it is asked to after so many `looks` at a request; lists and takes back as the API says.

    `misdeed`, while set, answers in its place; `asked` lists methods and paths. With `ending` "failed", it
    fails to pin; `delegates` are whom it tells to meet.
    """

    requests: dict[str, Request] = field(default_factory=dict)
    looks: int = 0
    ending: str = "pinned"
    delegates: list[str] = field(default_factory=lambda: ["/dnsaddr/pins.example"])
    misdeed: GatewayFault | None = None
    filters: bool = True
    asked: list[str] = field(default_factory=list)
    url: str = ""
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def names(self) -> list[str]:
        """Under which names it keeps something."""
        return sorted(request.name for request in self.requests.values())

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any call."""
        self.asked.append(f"{request.method} {request.path}")
        if self.misdeed is not None:
            return self.misdeed(request)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return failure(401, "UNAUTHORIZED", "access token is missing or invalid")
        requestid = request.match_info.get("requestid")
        if requestid is None:
            return await self._create(request) if request.method == "POST" else self._list(request)
        if requestid not in self.requests:
            return failure(404, "NOT_FOUND", "the specified resource was not found")
        if request.method == "DELETE":
            del self.requests[requestid]
            return web.Response(status=202)
        self.requests[requestid].looks += 1
        return web.json_response(self.told(self.requests[requestid]))

    def told(self, request: Request) -> dict[str, Any]:
        """A request as the API tells it (PinStatus)."""
        done = request.looks >= self.looks
        status = self.ending if done else ("pinning" if request.looks else "queued")
        pin = {"cid": request.cid, "name": request.name, "origins": request.origins}
        return {
            "requestid": request.requestid,
            "status": status,
            "created": "2026-01-01T00:00:00Z",
            "pin": pin,
            "delegates": self.delegates,
            "info": {"status_details": "no room"} if status == "failed" else {},
        }

    async def _create(self, request: web.Request) -> web.StreamResponse:
        pin = json.loads(await request.text())
        made = Request(f"id/{next(self._numbers)}", pin["cid"], pin.get("name", ""), pin.get("origins", []))
        self.requests[made.requestid] = made
        return web.json_response(self.told(made), status=202)

    def _list(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        statuses = query.get("status", "pinned").split(",")
        results = [
            told
            for told in map(self.told, self.requests.values())
            if not self.filters
            or (
                told["status"] in statuses
                and told["pin"]["cid"] in query.get("cid", told["pin"]["cid"]).split(",")
                and told["pin"]["name"] == query.get("name", told["pin"]["name"])
            )
        ]
        return web.json_response({"count": len(results), "results": results})


def failure(status: int, reason: str, details: str) -> web.Response:
    """As the API says no."""
    return web.json_response({"error": {"reason": reason, "details": details}}, status=status)


@asynccontextmanager
async def pinning_service() -> AsyncIterator[FakePinningService]:
    """The service, listening."""
    service, app = FakePinningService(), web.Application()
    app.router.add_route("*", "/psa/pins", service.answer)
    app.router.add_route("*", "/psa/pins/{requestid}", service.answer)
    async with TestServer(app) as server:
        service.url = f"http://127.0.0.1:{server.port}/psa"
        yield service


async def forever(request: web.Request) -> web.StreamResponse:
    """No answer, ever."""
    await asyncio.Event().wait()
    raise AssertionError
