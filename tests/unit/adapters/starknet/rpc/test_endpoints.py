"""Endpoints against a node that misbehaves in every way that a stranger's server can."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.proxy import Fault, Proxy, fake_chain

from veriframe.adapters.starknet.rpc.endpoints import EndpointLimits, Endpoints, RpcError
from veriframe.errors import RegistryUnavailable, SettingsError

SEPOLIA = 0x534E5F5345504F4C4941
HURRIED = EndpointLimits(request_seconds=0.25, call_seconds=2.0, pause_seconds=0.02)


@asynccontextmanager
async def opened(*proxies: Proxy, chain_id: int | None = None) -> AsyncIterator[Endpoints]:
    """Endpoints that wait for little, closed at the end."""
    endpoints = Endpoints([proxy.url for proxy in proxies], chain_id=chain_id, pace=HURRIED)
    try:
        yield endpoints
    finally:
        await endpoints.close()


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
async def test_after_any_fault_the_same_endpoint_is_asked_again(fault: Fault) -> None:
    """fault_58, fault_59: whatever goes wrong once, the call comes back with the right answer."""
    async with Proxy(fake_chain(), faults=[fault], only="starknet_echo") as proxy, opened(proxy) as endpoints:
        assert await endpoints.call("starknet_echo", {"a": 1}) == {"a": 1}
        assert proxy.count("starknet_echo") == 2


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
async def test_a_fault_that_stays_is_one_sentence(fault: Fault) -> None:
    """fault_58, fault_59: where it goes wrong each time, the registry is unavailable, and nothing else."""
    async with Proxy(fake_chain(), faults=[fault] * 20) as proxy, opened(proxy) as endpoints:
        with pytest.raises(RegistryUnavailable, match="STARKNET_RPC"):
            await endpoints.call("starknet_echo", {})


async def test_a_failing_endpoint_is_left_for_the_next() -> None:
    """fault_57, fault_58: the second endpoint answers, and the first rests."""
    async with Proxy(fake_chain(), faults=[Fault.BROKEN] * 50) as bad, Proxy(fake_chain()) as good:
        async with opened(bad, good) as endpoints:
            for number in range(10):
                assert {"n": number} == await endpoints.call("starknet_echo", {"n": number})
        assert good.count("starknet_echo") == 10
        assert len(bad.seen) < 4


async def test_an_endpoint_that_recovered_is_used_again() -> None:
    """After its rest, one call tries an endpoint; where that comes through, it is as before."""
    async with Proxy(fake_chain(), faults=[Fault.BROKEN]) as proxy, opened(proxy) as endpoints:
        answers = await asyncio.gather(*(endpoints.call("starknet_echo", {"n": n}) for n in range(5)))
        assert [{"n": n} for n in range(5)] == answers


async def test_retry_after_is_honoured() -> None:
    """fault_57: an endpoint that says when to come back is not asked before."""
    proxy = Proxy(fake_chain(), faults=[Fault.TOO_MANY], only="starknet_echo", retry_after="1")
    async with proxy, opened(proxy) as endpoints:
        began = time.monotonic()
        await endpoints.call("starknet_echo", {})
        assert time.monotonic() - began >= 1.0
        assert proxy.count("starknet_echo") == 2


async def test_a_long_retry_after_ends_the_call() -> None:
    """fault_57: nobody waits an hour inside of a call."""
    proxy = Proxy(fake_chain(), faults=[Fault.TOO_MANY], only="starknet_echo", retry_after="3600")
    async with proxy, opened(proxy) as endpoints:
        with pytest.raises(RegistryUnavailable, match="too many requests"):
            await endpoints.call("starknet_echo", {})
        with pytest.raises(RegistryUnavailable):
            await endpoints.call("starknet_echo", {})
        assert proxy.count("starknet_echo") == 1


async def test_an_endpoint_of_another_chain_is_dropped() -> None:
    """fault_60: the wrong chain's endpoint is asked for its chain once, and then never again."""
    async with Proxy(fake_chain(chain_id=1)) as wrong, Proxy(fake_chain()) as right:
        async with opened(wrong, right, chain_id=SEPOLIA) as endpoints:
            assert await endpoints.call("starknet_echo", {}) == {}
            assert await endpoints.call("starknet_echo", {}) == {}
            assert await endpoints.chain_id() == SEPOLIA
        assert wrong.seen == ["starknet_chainId"]


async def test_only_the_wrong_chain_is_unavailable() -> None:
    """fault_60: with no endpoint of the right chain, the sentence says why."""
    async with Proxy(fake_chain(chain_id=1)) as wrong, opened(wrong, chain_id=SEPOLIA) as endpoints:
        with pytest.raises(RegistryUnavailable, match="0x1, not 0x534e5f"):
            await endpoints.call("starknet_echo", {})


async def test_an_endpoint_that_is_far_behind_is_set_aside() -> None:
    """fault_60: a node that lags is not asked, though it answers well."""
    async with Proxy(fake_chain(head=100)) as stale, Proxy(fake_chain(head=200)) as fresh:
        async with opened(stale, fresh) as endpoints:
            await endpoints.call("starknet_echo", {})
        assert (stale.count("starknet_echo"), fresh.count("starknet_echo")) == (0, 1)


async def test_one_liar_about_its_head_sets_nobody_aside() -> None:
    """fault_60: with three endpoints, a head that only one of them tells is not believed."""
    async with (
        Proxy(fake_chain(head=100)) as first,
        Proxy(fake_chain(head=101)) as second,
        Proxy(fake_chain(head=10**12)) as liar,
        opened(first, second, liar) as endpoints,
    ):
        await endpoints.call("starknet_echo", {})
        assert (first.count("starknet_echo"), liar.count("starknet_echo")) == (1, 0)


async def test_an_error_that_is_an_answer_is_not_asked_again() -> None:
    """The node's own error comes back typed, from the first endpoint that gives it."""
    async with Proxy(fake_chain()) as proxy, opened(proxy) as endpoints:
        with pytest.raises(RpcError) as caught:
            await endpoints.call("starknet_call", {})
        assert (caught.value.code, caught.value.data) == (40, {"revert_error": "0x4e4f545f4f50454e"})
        assert proxy.count("starknet_call") == 1


async def test_a_batch_keeps_its_order_and_its_errors() -> None:
    """Several calls are one request; one that fails does not take the others with it."""
    async with Proxy(fake_chain()) as proxy, opened(proxy) as endpoints:
        await endpoints.chain_id()
        before = endpoints.requests
        calls = [("starknet_echo", {"n": 1}), ("starknet_call", {}), ("starknet_echo", {"n": 2})]
        first, error, second = await endpoints.batch(calls)
        assert (first, second) == ({"n": 1}, {"n": 2})
        assert isinstance(error, RpcError)
        assert endpoints.requests - before == 1


async def test_nobody_there_is_unavailable() -> None:
    """fault_58: a refused connection is a sentence too."""
    endpoints = Endpoints(["http://127.0.0.1:9/secret-token"], pace=EndpointLimits(call_seconds=0.5))
    with pytest.raises(RegistryUnavailable) as caught:
        await endpoints.call("starknet_chainId")
    assert "127.0.0.1:9" in str(caught.value)
    assert "secret-token" not in str(caught.value)
    await endpoints.close()


@pytest.mark.parametrize("url", ["", "localhost:5050", "ftp://node", "http://", "http://[", "http://h:99999"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    """An address that cannot be one stops the start, and is not repeated: it may hold a secret."""
    with pytest.raises(SettingsError, match="Address 1 in STARKNET_RPC"):
        Endpoints([url])


async def test_the_rate_is_limited() -> None:
    """fault_57: more requests than the rate allows wait for their turn."""
    async with Proxy(fake_chain()) as proxy:
        endpoints = Endpoints([proxy.url], pace=EndpointLimits(requests_per_second=20))
        began = time.monotonic()
        await asyncio.gather(*(endpoints.call("starknet_echo", {}) for _ in range(30)))
        assert time.monotonic() - began >= 0.4
        assert proxy.count("starknet_chainId") == 1
        await endpoints.close()
