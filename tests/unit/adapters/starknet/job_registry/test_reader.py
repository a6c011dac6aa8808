"""Reading our contract: one call for each poll, cached orders, and answers that do not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from starknet_py.hash.selector import get_selector_from_name
from tests.fakes.chain import REGISTRY
from tests.unit.adapters.starknet.job_registry.clients import WORKER, Clients

from veriframe.adapters.starknet.job_registry.registry import StarknetRegistry
from veriframe.errors import RegistryUnavailable


@pytest.fixture
def clients() -> Clients:
    """Two accounts."""
    return Clients()


async def test_a_poll_is_one_call(clients: Clients) -> None:
    """Block, counter, jobs and their orders, cached or not."""
    await clients.posted(jobs=3)
    worker = clients.as_account(WORKER)
    await worker.snapshot(1, 3)
    clients.chain.asked.clear()
    assert len((await worker.snapshot(1, 3)).jobs) == 3
    assert clients.chain.asked == ["starknet_call"]


async def test_settled_orders_are_not_requested_again(clients: Clients) -> None:
    """Recent ones are requested each time: a reorganisation may replace them."""
    await clients.posted(jobs=3)
    worker = clients.as_account(WORKER)
    assert await _asked_orders(clients, worker) == [True]
    assert await _asked_orders(clients, worker) == [True]
    clients.shared.now += 8000
    assert await _asked_orders(clients, worker) == [True]
    assert await _asked_orders(clients, worker) == [False]


async def test_an_order_that_is_not_cached_is_requested(clients: Clients) -> None:
    """A reorganisation replaced a job by one of a new order."""
    first = await clients.posted(jobs=3)
    worker = clients.as_account(WORKER)
    clients.shared.now += 8000
    await worker.snapshot(1, 3)
    job = clients.shared.jobs[first]
    clients.shared.jobs[first] = replace(job, order=replace(job.order, id=7, jobs=1))
    assert await _asked_orders(clients, worker) == [False, True]
    assert (await worker.snapshot(1, 3)).jobs[0].order.id == 7


async def _asked_orders(clients: Clients, worker: StarknetRegistry) -> list[bool]:
    """For each call of one poll, whether it requested the orders."""
    asked: list[bool] = []
    ask = clients.chain.call

    async def note(method: str, params: Any = None) -> Any:
        if method == "starknet_call":
            asked.append(bool(int(params["request"]["calldata"][2], 16)))
        return await ask(method, params)

    clients.chain.call = note  # type: ignore[method-assign]
    await worker.snapshot(1, 3)
    clients.chain.call = ask  # type: ignore[method-assign]
    return asked


@pytest.mark.parametrize(("first", "count"), [(2, 1), (1, 1), (4, 200)])
async def test_jobs_that_were_not_requested_are_refused(clients: Clients, first: int, count: int) -> None:
    """An answer with other or more jobs is refused."""
    await clients.posted(jobs=3)
    worker, ask = clients.as_account(WORKER), clients.chain.call
    everything = await ask("starknet_call", request_of("look", 1, 200, 1))

    async def lie(method: str, params: Any = None) -> Any:
        asks_jobs = method == "starknet_call" and params["request"]["entry_point_selector"] == SELECTOR
        return everything if asks_jobs else await ask(method, params)

    clients.chain.call = lie  # type: ignore[method-assign]
    with pytest.raises(RegistryUnavailable):
        await worker.snapshot(first, count)


SELECTOR = hex(get_selector_from_name("look"))


def request_of(name: str, *values: int) -> dict[str, Any]:
    """A view's call as a node receives it."""
    request = {
        "contract_address": hex(REGISTRY),
        "entry_point_selector": hex(get_selector_from_name(name)),
        "calldata": [hex(value) for value in values],
    }
    return {"request": request, "block_id": "latest"}
