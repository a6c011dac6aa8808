"""A fake IPFS pinning service on the loopback (Pinning Service API 0.1.2) that can also misbehave."""

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

Reply = Callable[[web.Request], web.StreamResponse]


@dataclass
class Request:
    """One pin request that the service holds."""

    requestid: str
    cid: str
    name: str
    origins: list[str]
    polls: int = 0


@dataclass
class FakePinningService:
    """Pins requested content after `polls` polls of a request; lists and deletes requests as the API says.

    `reply`, if set, answers all calls instead; `asked` lists methods and paths. With `ending` "failed", it
    fails to pin; `delegates` are the peers that it names.
    """

    requests: dict[str, Request] = field(default_factory=dict)
    polls: int = 0
    ending: str = "pinned"
    delegates: list[str] = field(default_factory=lambda: ["/dnsaddr/pins.example"])
    reply: Reply | None = None
    filters: bool = True
    asked: list[str] = field(default_factory=list)
    url: str = ""
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def names(self) -> list[str]:
        """Returns the names of its requests."""
        return sorted(request.name for request in self.requests.values())

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answers any call."""
        self.asked.append(f"{request.method} {request.path}")
        if self.reply is not None:
            return self.reply(request)
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
        self.requests[requestid].polls += 1
        return web.json_response(self.as_json(self.requests[requestid]))

    def as_json(self, request: Request) -> dict[str, Any]:
        """Returns a request as JSON (PinStatus)."""
        done = request.polls >= self.polls
        status = self.ending if done else ("pinning" if request.polls else "queued")
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
        return web.json_response(self.as_json(made), status=202)

    def _list(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        statuses = query.get("status", "pinned").split(",")
        results = [
            status_json
            for status_json in map(self.as_json, self.requests.values())
            if not self.filters
            or (
                status_json["status"] in statuses
                and status_json["pin"]["cid"] in query.get("cid", status_json["pin"]["cid"]).split(",")
                and status_json["pin"]["name"] == query.get("name", status_json["pin"]["name"])
            )
        ]
        return web.json_response({"count": len(results), "results": results})


def failure(status: int, reason: str, details: str) -> web.Response:
    """A refusal as the API sends it."""
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
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError
