"""Endpoints with a node that misbehaves in every way that a third-party server can."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs
from tests.proxy import Fault, Proxy, fake_chain

from veriframe.adapters.starknet.rpc.endpoints import EndpointLimits, Endpoints, RpcError
from veriframe.errors import RegistryUnavailable, SettingsError

SEPOLIA = 0x534E5F5345504F4C4941
HURRIED = EndpointLimits(request_seconds=0.25, call_seconds=2.0, pause_seconds=0.02)


@asynccontextmanager
async def opened(*proxies: Proxy, chain_id: int | None = None) -> AsyncIterator[Endpoints]:
    """Endpoints with short timeouts, closed at the end."""
    endpoints = Endpoints([proxy.url for proxy in proxies], chain_id=chain_id, limits=HURRIED)
    try:
        yield endpoints
    finally:
        await endpoints.close()


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
async def test_after_any_fault_the_same_endpoint_is_tried_again(fault: Fault) -> None:
    """fault_58, fault_59: whatever fails once, the call returns the right answer."""
    async with Proxy(fake_chain(), faults=[fault], only="starknet_echo") as proxy, opened(proxy) as endpoints:
        assert await endpoints.call("starknet_echo", {"a": 1}) == {"a": 1}
        assert proxy.count("starknet_echo") == 2


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
async def test_a_permanent_fault_is_one_error(fault: Fault) -> None:
    """fault_58, fault_59: if it fails each time, only `RegistryUnavailable` is raised."""
    async with Proxy(fake_chain(), faults=[fault] * 20) as proxy, opened(proxy) as endpoints:
        with pytest.raises(RegistryUnavailable, match="STARKNET_RPC"):
            await endpoints.call("starknet_echo", {})


async def test_an_outage_is_one_line_of_the_log() -> None:
    """fault_167: however long it lasts; the next one is another line."""
    async with Proxy(fake_chain(), faults=[Fault.BROKEN] * 6) as proxy, opened(proxy) as endpoints:
        with capture_logs() as lines:
            for _ in range(2):
                with pytest.raises(RegistryUnavailable):
                    await endpoints.call("starknet_echo", {})
            await endpoints.call("starknet_echo", {})
            proxy.faults.append(Fault.BROKEN)
            await endpoints.call("starknet_echo", {})
    failed = [line["log_level"] for line in lines if line["event"] == "endpoint_failed"]
    assert (len(failed), failed.count("warning")) == (7, 2)


async def test_a_failing_endpoint_is_replaced_by_the_next() -> None:
    """fault_57, fault_58: the second endpoint answers, and the first pauses."""
    async with Proxy(fake_chain(), faults=[Fault.BROKEN] * 50) as bad, Proxy(fake_chain()) as good:
        async with opened(bad, good) as endpoints:
            for number in range(10):
                assert {"n": number} == await endpoints.call("starknet_echo", {"n": number})
        assert good.count("starknet_echo") == 10
        assert len(bad.seen) < 4


async def test_an_endpoint_that_recovered_is_used_again() -> None:
    """After its pause, one call tries an endpoint; if it succeeds, it is used as before."""
    async with Proxy(fake_chain(), faults=[Fault.BROKEN]) as proxy, opened(proxy) as endpoints:
        answers = await asyncio.gather(*(endpoints.call("starknet_echo", {"n": n}) for n in range(5)))
        assert [{"n": n} for n in range(5)] == answers


async def test_retry_after_is_honoured() -> None:
    """fault_57: an endpoint is not called before the time that it requests."""
    proxy = Proxy(fake_chain(), faults=[Fault.TOO_MANY], only="starknet_echo", retry_after="1")
    async with proxy, opened(proxy) as endpoints:
        began = time.monotonic()
        await endpoints.call("starknet_echo", {})
        assert time.monotonic() - began >= 1.0
        assert proxy.count("starknet_echo") == 2


async def test_a_long_retry_after_ends_the_call() -> None:
    """fault_57: no call waits for an hour."""
    proxy = Proxy(fake_chain(), faults=[Fault.TOO_MANY], only="starknet_echo", retry_after="3600")
    async with proxy, opened(proxy) as endpoints:
        with pytest.raises(RegistryUnavailable):
            await endpoints.call("starknet_echo", {})
        with pytest.raises(RegistryUnavailable):
            await endpoints.call("starknet_echo", {})
        assert proxy.count("starknet_echo") == 1


async def test_an_endpoint_of_another_chain_is_dropped() -> None:
    """fault_60: an endpoint of the wrong chain is called once, and then never again."""
    async with Proxy(fake_chain(chain_id=1)) as wrong, Proxy(fake_chain()) as right:
        async with opened(wrong, right, chain_id=SEPOLIA) as endpoints:
            assert await endpoints.call("starknet_echo", {}) == {}
            assert await endpoints.call("starknet_echo", {}) == {}
            assert await endpoints.chain_id() == SEPOLIA
        assert wrong.seen == ["starknet_chainId"]


async def test_only_the_wrong_chain_is_unavailable() -> None:
    """fault_60: without an endpoint of the right chain, the error says why."""
    async with Proxy(fake_chain(chain_id=1)) as wrong, opened(wrong, chain_id=SEPOLIA) as endpoints:
        with pytest.raises(RegistryUnavailable, match="0x1, not 0x534e5f"):
            await endpoints.call("starknet_echo", {})


async def test_an_endpoint_that_is_far_behind_is_set_aside() -> None:
    """fault_60: a lagging node is not called, although it answers correctly."""
    async with Proxy(fake_chain(head=100)) as stale, Proxy(fake_chain(head=200)) as fresh:
        async with opened(stale, fresh) as endpoints:
            await endpoints.call("starknet_echo", {})
        assert (stale.count("starknet_echo"), fresh.count("starknet_echo")) == (0, 1)


async def test_one_lying_head_sets_no_endpoint_aside() -> None:
    """fault_60: with three endpoints, a head that only one of them reports has no effect."""
    async with (
        Proxy(fake_chain(head=100)) as first,
        Proxy(fake_chain(head=101)) as second,
        Proxy(fake_chain(head=10**12)) as liar,
        opened(first, second, liar) as endpoints,
    ):
        await endpoints.call("starknet_echo", {})
        assert (first.count("starknet_echo"), liar.count("starknet_echo")) == (1, 0)


async def test_an_error_that_is_an_answer_is_not_retried() -> None:
    """The node's error is raised with its type, from the first endpoint that returns it."""
    async with Proxy(fake_chain()) as proxy, opened(proxy) as endpoints:
        with pytest.raises(RpcError) as caught:
            await endpoints.call("starknet_call", {})
        assert (caught.value.code, caught.value.data) == (40, {"revert_error": "0x4e4f545f4f50454e"})
        assert proxy.count("starknet_call") == 1


async def test_a_batch_keeps_its_order_and_its_errors() -> None:
    """Several calls are one request; one that fails does not affect the others."""
    async with Proxy(fake_chain()) as proxy, opened(proxy) as endpoints:
        await endpoints.chain_id()
        before = endpoints.requests
        calls = [("starknet_echo", {"n": 1}), ("starknet_call", {}), ("starknet_echo", {"n": 2})]
        first, error, second = await endpoints.batch(calls)
        assert (first, second) == ({"n": 1}, {"n": 2})
        assert isinstance(error, RpcError)
        assert endpoints.requests - before == 1


async def test_a_refused_connection_is_unavailable() -> None:
    """fault_58: with one clear message."""
    endpoints = Endpoints(["http://127.0.0.1:9/secret-token"], limits=EndpointLimits(call_seconds=0.5))
    with pytest.raises(RegistryUnavailable) as caught:
        await endpoints.call("starknet_chainId")
    assert "127.0.0.1:9" in str(caught.value)
    assert "secret-token" not in str(caught.value)
    await endpoints.close()


@pytest.mark.parametrize("url", ["", "localhost:5050", "ftp://node", "http://", "http://[", "http://h:99999"])
def test_an_invalid_address_is_refused_at_once(url: str) -> None:
    """The error does not repeat the address: it may contain a secret."""
    with pytest.raises(SettingsError, match="STARKNET_RPC"):
        Endpoints([url])


async def test_the_rate_is_limited() -> None:
    """fault_57: requests beyond the rate wait."""
    async with Proxy(fake_chain()) as proxy:
        endpoints = Endpoints([proxy.url], limits=EndpointLimits(requests_per_second=20))
        began = time.monotonic()
        await asyncio.gather(*(endpoints.call("starknet_echo", {}) for _ in range(30)))
        assert time.monotonic() - began >= 0.4
        assert proxy.count("starknet_chainId") == 1
        await endpoints.close()
