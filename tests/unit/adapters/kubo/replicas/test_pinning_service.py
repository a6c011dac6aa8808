"""A pinning service as a replica: used as its API says, and never trusted beyond what it shows."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio
import structlog.testing
from aiohttp import web
from tests.pinning import TOKEN, FakePinningService, Reply, Request, failure, pinning_service
from tests.unit.adapters.kubo.lying_node import LyingNode, lying_node

from veriframe.adapters.kubo.node.api import KuboApi
from veriframe.adapters.kubo.node.swarm import Swarm, is_dialable
from veriframe.adapters.kubo.replicas import pinning_service as module
from veriframe.adapters.kubo.replicas.pinning_service import PinningService
from veriframe.adapters.kubo.replicas.replica import ReplicaRefused
from veriframe.errors import SettingsError, StoreUnavailable
from veriframe.model.content.cid import Cid, Codec
from veriframe.ports.store import Pin

PIN = Pin(cid=str(Cid(Codec.RAW, sha256(b"picture").digest())), name="job-result-0x1-7")
OTHER = str(Cid(Codec.RAW, sha256(b"another").digest()))
SOURCE = Path("picture.png")


@pytest_asyncio.fixture
async def node() -> AsyncIterator[LyingNode]:
    """The node whose content is pinned."""
    async with lying_node() as started:
        yield started


@pytest_asyncio.fixture
async def service() -> AsyncIterator[FakePinningService]:
    """A service that follows the API."""
    async with pinning_service() as started:
        yield started


@pytest_asyncio.fixture
async def replica(
    service: FakePinningService, node: LyingNode, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PinningService]:
    """The replica over both, with fast polls."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    made = PinningService(service.url, TOKEN, Swarm(KuboApi(node.url)))
    yield made
    await made.close()


async def test_content_is_kept_under_its_pin_s_name(
    replica: PinningService, service: FakePinningService
) -> None:
    """fault_54: requested once, polled until it is pinned; a second call finds it."""
    service.polls = 2
    await replica.keep(PIN, SOURCE)
    assert [(PIN.cid, "veriframe:job-result-0x1-7")] == [
        (request.cid, request.name) for request in service.requests.values()
    ]
    assert service.asked == [
        "GET /psa/pins",
        "POST /psa/pins",
        "GET /psa/pins/id/1",
        "GET /psa/pins/id/1",
    ]
    await replica.keep(PIN, SOURCE)
    assert service.asked.count("POST /psa/pins") == 1


async def test_content_is_released_by_name(replica: PinningService, service: FakePinningService) -> None:
    """fault_56: every request for this content and name is deleted, failed ones too, and no other."""
    other = Pin(cid=PIN.cid, name="job-result-0x1-8")
    await replica.keep(PIN, SOURCE)
    await replica.keep(other, SOURCE)
    service.ending = "failed"
    for _ in range(2):
        await replica.release(PIN)
    assert service.names() == ["veriframe:job-result-0x1-8"]


async def test_requests_of_others_stay_if_a_service_does_not_filter(
    replica: PinningService, service: FakePinningService
) -> None:
    """Other entries of the list belong to others, and stay."""
    service.filters = False
    service.requests["a"] = Request("a", OTHER, "veriframe:job-result-0x1-7", [])
    service.requests["b"] = Request("b", PIN.cid, "holiday", [])
    await replica.release(PIN)
    assert sorted(service.requests) == ["a", "b"]


async def test_origins_and_delegates_are_public_ones(
    replica: PinningService, service: FakePinningService, node: LyingNode
) -> None:
    """fault_52: only public addresses are sent, and the node connects to no private ones."""

    async def identity(_: web.Request) -> web.StreamResponse:
        own = ["/ip4/127.0.0.1/tcp/4001/p2p/Me", "/ip4/1.1.1.1/tcp/4001/p2p/Me"]
        return web.json_response({"Addresses": own})

    async def connected(_: web.Request) -> web.StreamResponse:
        return web.json_response({"Strings": ["connect success"]})

    node.replies |= {"id": identity, "swarm/connect": connected}
    service.polls = 1
    service.delegates = [
        "/ip4/10.0.0.1/tcp/4001/p2p/Q",
        "/ip4/9.9.9.9/tcp/4001/p2p/Q",
        "no address",
        "/dns4/a.example",
    ]
    await replica.keep(PIN, SOURCE)
    (request,) = service.requests.values()
    assert request.origins == ["/ip4/1.1.1.1/tcp/4001/p2p/Me"]
    assert [asked.query["arg"] for asked in node.requests if asked.path.endswith("swarm/connect")] == [
        "/ip4/9.9.9.9/tcp/4001/p2p/Q",
        "/dns4/a.example",
    ]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/ip4/1.1.1.1/tcp/4001/p2p/Q", True),
        ("/ip6/2606:4700:4700::1111/udp/4001/quic-v1/p2p/Q", True),
        ("/dnsaddr/pins.example", True),
        ("/dns4/localhost/tcp/4001/p2p/Q", False),
        ("/ip4/192.168.1.1/tcp/4001/p2p/Q", False),
        ("/ip4/1.1.1.1/tcp/4001/p2p/Q/p2p-circuit/p2p/R", False),
        ("/ip4/1.1.1.1/tcp/1/ip4/10.0.0.1", False),
        ("/ip6/::1/tcp/4001/p2p/Q", False),
        ("/unix/tmp/socket", False),
        ("/ip4/1.1.1.1/tcp/4001\n", False),
        ("", False),
    ],
)
def test_only_direct_addresses_of_public_hosts_are_dialled(address: str, expected: bool) -> None:
    """fault_52: no private address, no relay, nothing malformed."""
    assert expected == is_dialable(address)


def html(_: web.Request) -> web.StreamResponse:
    """A login page."""
    return web.Response(text="<html>Please log in</html>", content_type="text/html")


def huge(_: web.Request) -> web.StreamResponse:
    """A valid answer, but too long."""
    return web.Response(
        text='{"count": 0, "results": []' + " " * 2**21 + "}", content_type="application/json"
    )


def redirect(request: web.Request) -> web.StreamResponse:
    """A redirect to a private address, which would receive the token."""
    return web.Response(status=307, headers={"Location": str(request.url.with_path("/elsewhere"))})


def bomb(_: web.Request) -> web.StreamResponse:
    """A compressed answer."""
    body = gzip.compress(b'{"count": 0, "results": []}')
    return web.Response(body=body, headers={"Content-Encoding": "gzip"}, content_type="application/json")


def wrong_type(_: web.Request) -> web.StreamResponse:
    """JSON, but not of this API."""
    return web.json_response({"count": "0", "results": "none"})


HOSTILE: list[tuple[Reply, str]] = [
    (html, "JSON"),
    (huge, "1 MiB"),
    (redirect, "307"),
    (bomb, "compressed"),
    (wrong_type, "JSON"),
    (lambda _: failure(401, "UNAUTHORIZED", "no"), "401"),
    (lambda _: failure(409, "INSUFFICIENT_FUNDS", "Unable to process: pay first"), "pay first"),
]


@pytest.mark.parametrize(("reply", "why"), HOSTILE)
async def test_anything_but_a_pinning_service_is_refused(
    replica: PinningService, service: FakePinningService, reply: Reply, why: str
) -> None:
    """fault_51, fault_52, fault_55: one sentence, no redirect followed, nothing decompressed, no retry."""
    service.reply = reply
    with pytest.raises(ReplicaRefused, match=why) as caught:
        await replica.keep(PIN, SOURCE)
    assert str(caught.value).isprintable()
    assert service.asked == ["GET /psa/pins"]
    with pytest.raises(ReplicaRefused):
        await replica.check()


async def test_a_check_needs_the_token_and_changes_nothing(
    replica: PinningService, service: FakePinningService, node: LyingNode
) -> None:
    """`doctor` calls it; it detects a wrong token without a pin."""
    await replica.check()
    wrong = PinningService(service.url, "another-token", Swarm(KuboApi(node.url)))
    with pytest.raises(ReplicaRefused, match="401"):
        await wrong.check()
    await wrong.close()
    assert service.asked == ["GET /psa/pins"] * 2


@pytest.mark.parametrize("change", [{"requestid": "id/2"}, {"pin": {"cid": OTHER}}, {"status": "done"}])
async def test_an_answer_about_something_else_is_refused(
    replica: PinningService, service: FakePinningService, change: dict[str, object]
) -> None:
    """fault_55: another request, other content, a status that the API does not have."""
    service.polls = 10**9
    as_json = service.as_json

    def other(request: web.Request) -> web.StreamResponse:
        if request.method == "GET" and request.path == "/psa/pins":
            return web.json_response({"count": 0, "results": []})
        answer = as_json(Request("id/1", PIN.cid, "veriframe:job-result-0x1-7", []))
        return web.json_response(answer if request.method == "POST" else answer | change)

    service.reply = other
    with pytest.raises(ReplicaRefused, match="pinning_service"):
        await replica.keep(PIN, SOURCE)


async def test_a_service_that_fails_or_is_unavailable_says_why(
    replica: PinningService, service: FakePinningService
) -> None:
    """A failed pin is not requested again at once; errors of the service itself may pass."""
    service.ending = "failed"
    with pytest.raises(ReplicaRefused, match="no room"):
        await replica.keep(PIN, SOURCE)
    service.reply = lambda _: failure(503, "INTERNAL_SERVER_ERROR", "later")
    with pytest.raises(StoreUnavailable, match="503: INTERNAL_SERVER_ERROR later") as caught:
        await replica.keep(PIN, SOURCE)
    assert not isinstance(caught.value, ReplicaRefused)


async def test_the_token_is_never_shown(service: FakePinningService, node: LyingNode) -> None:
    """Not even if the service sends it back: neither in messages nor in the log."""
    replica = PinningService(service.url, TOKEN, Swarm(KuboApi(node.url)))
    service.reply = lambda _: failure(400, TOKEN, f"bad token {TOKEN}")
    with structlog.testing.capture_logs() as lines, pytest.raises(StoreUnavailable) as caught:
        await replica.keep(PIN, SOURCE)
    await replica.close()
    assert TOKEN not in str(caught.value) + repr(lines) + repr(replica)


@pytest.mark.parametrize(
    "url",
    [
        "pins.example",
        "ftp://pins.example",
        "http://pins.example/psa",
        "http://1.1.1.1/psa",
        "https://me:secret@pins.example",
        "https://pins.example/?a=b",
        "https://pins.example:99999",
        "",
    ],
)
def test_an_invalid_address_of_a_service_is_refused(url: str) -> None:
    """fault_78: an invalid address, or one that would receive the token unencrypted."""
    with pytest.raises(SettingsError):
        PinningService(url, TOKEN, Swarm(KuboApi("http://127.0.0.1:1")))


@pytest.mark.parametrize(
    "url", ["https://pins.example/psa", "http://cluster:9097", "http://10.0.0.1:9097", "http://127.0.0.1:9"]
)
def test_local_services_may_be_unencrypted(url: str) -> None:
    """The user is responsible for their own network."""
    PinningService(url, TOKEN, Swarm(KuboApi("http://127.0.0.1:1")))


@pytest.mark.parametrize("token", ["", "a b", "a\r\nb", "ä"])
def test_a_malformed_token_is_refused(token: str) -> None:
    """fault_78: it never becomes a header."""
    with pytest.raises(SettingsError):
        PinningService("https://pins.example", token, Swarm(KuboApi("http://127.0.0.1:1")))
