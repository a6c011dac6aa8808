"""Anyone's view of our contract: jobs with their orders, credits, totals, the newest block."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from veriframe.adapters.starknet.codec import Value, refuse
from veriframe.adapters.starknet.contract import TOKEN_ABI, Contract, Node
from veriframe.adapters.starknet.job_reading import number, number_in, order_of, read_job, read_order
from veriframe.model import ledger
from veriframe.model.job import Address, Head, Job, Order
from veriframe.ports import Funds, JobReader, Totals

JOBS_AT_ONCE = 200
CALLS_AT_ONCE = 16
ORDERS_KEPT = 10_000
SETTLED_SECONDS = 7200
"""How old an order must be before it is remembered: a reorg could put another in a younger one's place."""
_ID_MAX = 2**64 - 1


class StarknetReader(JobReader):
    """The registry at `address`, whose money is the token at `token`, without an account."""

    def __init__(self, node: Node, address: int, *, token: int) -> None:
        self._contract, self._token = Contract(node, address), Contract(node, token, TOKEN_ABI)
        self._orders: dict[int, Order] = {}
        self._turns = asyncio.Semaphore(CALLS_AT_ONCE)

    async def head(self) -> Head:
        """The newest accepted block."""
        return await self._contract.head()

    async def job_counter(self) -> int:
        """The highest job id so far."""
        return number(await self._contract.view("get_job_counter"))

    async def get_job(self, job_id: int) -> Job:
        """One job. Raises `MoveRefused` (UNKNOWN_JOB)."""
        for job in await self.get_jobs(job_id, 1):
            return job
        raise ledger.unknown_job(job_id)

    async def get_jobs(self, first: int, count: int) -> Sequence[Job]:
        """The jobs `first … first + count - 1` that exist, by id; more than 200 are cut to 200."""
        last = min(first + min(count, JOBS_AT_ONCE) - 1, _ID_MAX)
        first = max(first, 1)
        if first > last:
            return []
        told = await self._contract.view("get_jobs", first, last - first + 1)
        if not isinstance(told, list):
            refuse("the jobs are no list")
        orders = await self._orders_of({order_of(one) for one in told})
        jobs = [read_job(one, orders[order_of(one)]) for one in told]
        ids = [job.id for job in jobs]
        if ids != sorted(set(ids)) or any(not first <= job_id <= last for job_id in ids):
            refuse("the jobs are not those that were asked for")
        return jobs

    async def funds(self, account: Address) -> Funds:
        """What an account holds."""
        credit = number(await self._contract.view("get_credit", account))
        return Funds(wallet_fri=await self._balance(account), credit_fri=credit)

    async def totals(self) -> Totals:
        """What the registry holds; `token_fri` is the token's own word."""
        told: Value = await self._contract.view("get_totals")
        return Totals(
            token_fri=await self._balance(self._contract.address),
            escrow_fri=number_in(told, "escrow"),
            credit_fri=number_in(told, "credits"),
            burned_fri=number_in(told, "burned"),
        )

    async def _balance(self, account: Address) -> int:
        return number(await self._token.view("balance_of", account))

    async def _orders_of(self, ids: Iterable[int]) -> dict[int, Order]:
        found = {order_id: self._orders[order_id] for order_id in ids if order_id in self._orders}
        missing = sorted(set(ids) - set(found))
        if not missing:
            return found
        settled_before = (await self.head()).time - SETTLED_SECONDS
        for order in await asyncio.gather(*(self._order(order_id) for order_id in missing)):
            found[order.id] = order
            if order.created_at < settled_before:
                self._remember(order)
        return found

    async def _order(self, order_id: int) -> Order:
        async with self._turns:
            order = read_order(await self._contract.view("get_order", order_id))
        if order.id != order_id:
            refuse(f"order {order_id} is another one")
        return order

    def _remember(self, order: Order) -> None:
        if len(self._orders) >= ORDERS_KEPT:
            del self._orders[next(iter(self._orders))]
        self._orders[order.id] = order
