"""Many questions in few requests, in order, whatever number a node accepts at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.proxy import Fault, Proxy, fake_chain

from veriframe.adapters.starknet.contract.view_batches import QUESTIONS_AT_ONCE, ViewBatches
from veriframe.adapters.starknet.rpc.endpoints import EndpointLimits, Endpoints
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.errors import RegistryUnavailable

HURRIED = EndpointLimits(request_seconds=1.0, call_seconds=2.0, pause_seconds=0.01)


class Node:
    """Answers each question with itself; refuses requests with more than `most`. `sizes`: the requests."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.sizes: list[int] = []

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """One."""
        return (await self.batch([(method, params)]))[0]

    async def batch(self, calls: Sequence[tuple[str, Mapping[str, Any] | None]]) -> Sequence[Any]:
        """Several."""
        self.sizes.append(len(calls))
        await asyncio.sleep(0)
        if len(calls) > self.most:
            raise RegistryUnavailable("Too many.")
        return [RpcError(40, "no") if method == "5" else method for method, _ in calls]


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 450])
@pytest.mark.parametrize("most", [1, 3, 30, 1000])
async def test_answers_come_in_order(count: int, most: int) -> None:
    """Each once, with an error in the place of its question."""
    node = Node(most)
    batches = ViewBatches(node)
    asked = [(str(number), None) for number in range(count)]
    for _ in range(2):
        answers = await batches.ask(asked)
        shown = ["error" if isinstance(answer, RpcError) else answer for answer in answers]
        assert shown == ["error" if method == "5" else method for method, _ in asked]


async def test_requests_are_large_if_the_node_accepts_them() -> None:
    """450 questions in 5 requests."""
    node = Node(1000)
    await ViewBatches(node).ask([(str(number), None) for number in range(450)])
    assert node.sizes == [QUESTIONS_AT_ONCE] * 4 + [50]


async def test_the_size_that_a_node_accepts_is_found_once() -> None:
    """The second time nothing is refused."""
    node = Node(30)
    batches = ViewBatches(node)
    asked = [(str(number), None) for number in range(100)]
    await batches.ask(asked)
    node.sizes.clear()
    await batches.ask(asked)
    assert max(node.sizes) <= 30


async def test_a_real_node_that_refuses_batches() -> None:
    """fault_58: status 500 for each of them, until the questions are sent one by one."""
    async with Proxy(fake_chain(), faults=[]) as proxy:
        endpoints = Endpoints([proxy.url], limits=HURRIED)
        await endpoints.call("starknet_chainId")
        proxy.faults += [Fault.BROKEN] * 3
        answers = await ViewBatches(endpoints).ask([("starknet_echo", {"n": number}) for number in range(4)])
        await endpoints.close()
    assert answers == [{"n": number} for number in range(4)]
