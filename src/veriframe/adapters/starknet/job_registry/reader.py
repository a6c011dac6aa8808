"""Reads our contract: jobs with their orders, credits, totals, the newest block.

One `snapshot` is one call: block, time, counter, jobs and, unless they are cached, the orders of the jobs.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection

from veriframe.adapters.starknet.cairo.codec import Value, refuse
from veriframe.adapters.starknet.chain_reader import ChainReader
from veriframe.adapters.starknet.contract.contract import TOKEN_ABI, Contract, Node, View
from veriframe.adapters.starknet.contract.event_log import EventLog
from veriframe.adapters.starknet.job_registry.decoding import (
    list_in,
    number,
    number_in,
    order_of,
    read_job,
    read_order,
)
from veriframe.adapters.starknet.job_registry.events import Feed
from veriframe.adapters.starknet.job_registry.history import read_history
from veriframe.adapters.starknet.trust.head_clock import HeadClock
from veriframe.adapters.starknet.trust.shown_orders import ShownOrders
from veriframe.adapters.starknet.trust.witnesses import Witnesses
from veriframe.model.registry.history import JobHistory
from veriframe.model.registry.job import NOBODY, Address, Head, Job, Order
from veriframe.ports.registry import Funds, Snapshot, Totals

JOBS_AT_ONCE = 200
ORDERS_KEPT = 50_000
SETTLED_SECONDS = 7200
"""How old an order must be before it is cached: a reorganisation could replace a younger one."""
_ID_MAX = 2**64 - 1


class StarknetReader(ChainReader):
    """The registry at `address`, with the token at `token`, as read by `account`."""

    def __init__(  # noqa: PLR0913 - its parts
        self,
        node: Node,
        address: int,
        *,
        token: int,
        account: int = NOBODY,
        clock: HeadClock | None = None,
        witnesses: Witnesses | None = None,
    ) -> None:
        super().__init__(node, address, witnesses)
        self._token = Contract(node, token, TOKEN_ABI)
        self._feed, self._events = Feed(node, address, account), EventLog(node, address)
        self._orders: dict[int, Order] = {}
        self._shown = ShownOrders()
        self._clock = clock or HeadClock()
        self._settled: set[tuple[int, int]] = set()

    @property
    def jobs_at_once(self) -> int:
        """The contract's own limit."""
        return JOBS_AT_ONCE

    async def snapshot(self, first: int, count: int) -> Snapshot:
        """Block, counter and jobs in one call; in a second one if an order turns out not to be cached."""
        first, count = _within(first, min(count, JOBS_AT_ONCE))
        knows = count == 0 or (first, count) in self._settled
        snapshot = await self._poll(first, count, with_orders=not knows)
        snapshot = snapshot or await self._poll(first, count, with_orders=True)
        return self._show(snapshot) if snapshot else refuse("an order of a job is missing")

    async def changed(self) -> Collection[int]:
        """The jobs of new orders, released jobs, and our own jobs that changed."""
        return await self._feed.delta()

    async def history(self, job: Job) -> JobHistory:
        """The job's events from its posting on, as far as the node has them."""
        return await read_history(self._events, job)

    async def funds(self, account: Address) -> Funds:
        """The money that an account holds."""
        credit, wallet = await self._contract.views(
            View(self._contract, "get_credit", (account,)), View(self._token, "balance_of", (account,))
        )
        return Funds(wallet_fri=number(wallet), credit_fri=number(credit))

    async def totals(self) -> Totals:
        """The money that the registry holds; `token_fri` is its balance in the token's contract."""
        totals, held = await self._contract.views(
            View(self._contract, "get_totals"), View(self._token, "balance_of", (self._contract.address,))
        )
        return Totals(
            token_fri=number(held),
            escrow_fri=number_in(totals, "escrow"),
            credit_fri=number_in(totals, "credits"),
            burned_fri=number_in(totals, "burned"),
        )

    async def _poll(self, first: int, count: int, *, with_orders: bool) -> Snapshot | None:
        snapshot = self._read(await self._contract.view("look", first, count, with_orders), first, count)
        if snapshot is not None:
            self._feed.note_head(snapshot.head.number)
        return snapshot

    def _show(self, snapshot: Snapshot) -> Snapshot:
        """Records what callers are shown, since a claim is made under these terms or not at all."""
        self._clock.note(snapshot.head)
        self._shown.note({job.order.id: job.order for job in snapshot.jobs}.values())
        return snapshot

    def _read(self, answer: Value, first: int, count: int) -> Snapshot | None:
        """Decodes the answer of the view `look`; None if it has a job whose order is not cached."""
        head = Head(number_in(answer, "block"), number_in(answer, "now"))
        fresh = {order.id: order for order in map(read_order, list_in(answer, "orders"))}
        orders = ChainMap(fresh, self._orders)
        listed = list_in(answer, "jobs")
        if any(order_of(one) not in orders for one in listed):
            return None
        jobs = [read_job(one, orders[order_of(one)]) for one in listed]
        ids = [job.id for job in jobs]
        if ids != sorted(set(ids)) or any(not first <= job_id < first + count for job_id in ids):
            refuse("the jobs are not those that were asked for")
        self._remember(fresh.values(), head.time - SETTLED_SECONDS)
        if len(jobs) == count and all(job.order.id in self._orders for job in jobs):
            self._settled.add((first, count))
        return Snapshot(head=head, job_counter=number_in(answer, "job_counter"), jobs=jobs)

    def _remember(self, orders: Collection[Order], settled_before: int) -> None:
        for order in orders:
            if order.created_at < settled_before and len(self._orders) < ORDERS_KEPT:
                self._orders[order.id] = order


def _within(first: int, count: int) -> tuple[int, int]:
    """The same range without ids that no job can have."""
    last = min(first + count - 1, _ID_MAX)
    first = min(max(first, 1), _ID_MAX)
    return first, max(0, last - first + 1)
