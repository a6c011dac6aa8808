"""Our contract behind a node, in memory: its views and moves in felts, by the model's rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from starknet_py.hash.selector import get_selector_from_name
from tests.fakes.registry import FakeRegistry, Shared

from veriframe.adapters.starknet.cairo.abi import Abi, read_abi
from veriframe.adapters.starknet.cairo.codec import Codec, Value, short_bytes
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.adapters.starknet.transactions.receipt import Event, Receipt, Reverted
from veriframe.adapters.starknet.transactions.transaction import Call
from veriframe.errors import Code, MoveRefused
from veriframe.model.registry.job import Address, Job, Order, Terms, Verdict
from veriframe.model.registry.ledger import Event as ModelEvent
from veriframe.model.registry.ledger import EventKind

REGISTRY, TOKEN, CLASS_HASH = 0xA11CE, 0x704E4, 0xC1A55
CHAIN = int.from_bytes(b"SN_FAKE")

STRUCTS = {
    "Terms": "reward:u128 bond:u128 deadline:u64 lease:u64 review:u64 arbitration:u64 arbiter:address"
    " worker:address",
    "Order": "id:u64 creator:address asset_cid:text terms:Terms first_job:u64 jobs:u32 created_at:u64",
    "Job": "id:u64 order:u64 part:u32 state:JobState worker:address claimed_at:u64 lease_end:u64"
    " review_end:u64 arbitration_end:u64 submitted_block:u64 disputed_block:u64 result_cid:text",
    "Look": "block:u64 now:u64 job_counter:u64 jobs:Array<Job> orders:Array<Order>",
    "Totals": "escrow:u128 credits:u128 burned:u128",
}
ENUMS = {"JobState": "Open Claimed Submitted Disputed Paid Refunded", "Verdict": "Worker Creator Neither"}
FUNCTIONS = {
    "deposit": "u128 ->",
    "withdraw": "u128 address ->",
    "create_order": "text Terms u32 -> u64",
    "claim_job": "u64 ->",
    "release_job": "u64 felt252 ->",
    "submit_result": "u64 text ->",
    "accept_result": "u64 ->",
    "dispute_result": "u64 text ->",
    "resolve_dispute": "u64 Verdict text ->",
    "finalize_job": "u64 ->",
    "claim_jobs": "Span<u64> -> Array<u64>",
    "submit_results": "Span<u64> Span<ByteArray> -> Array<u64>",
    "finalize_jobs": "Span<u64> -> Array<u64>",
    "look": "u64 u32 bool -> Look",
    "cancel_job": "u64 ->",
    "get_job_counter": "-> u64",
    "get_jobs": "u64 u32 -> Array<Job>",
    "get_order": "u64 -> Order",
    "get_credit": "address -> u128",
    "is_barred": "u64 address -> bool",
    "get_totals": "-> Totals",
    "balance_of": "address -> u256",
    "approve": "address u256 -> bool",
}
"""The interface of `contracts/src/job_registry.cairo` and of a token, as far as they are used."""


def _kind(word: str) -> str:
    return {"address": "ContractAddress", "text": "ByteArray"}.get(word, word)


def _told() -> list[object]:
    told: list[object] = []
    for name, members in STRUCTS.items():
        pairs = [member.split(":") for member in members.split()]
        told.append(
            {"type": "struct", "name": name, "members": [{"name": a, "type": _kind(b)} for a, b in pairs]}
        )
    for name, variants in ENUMS.items():
        told.append(
            {"type": "enum", "name": name, "variants": [{"name": v, "type": "()"} for v in variants.split()]}
        )
    for name, shape in FUNCTIONS.items():
        before, _, after = shape.partition("->")
        inputs = [{"name": str(at), "type": _kind(word)} for at, word in enumerate(before.split())]
        outputs = [{"type": _kind(word)} for word in after.split()]
        told.append({"type": "function", "name": name, "inputs": inputs, "outputs": outputs})
    return told


ABI: Abi = read_abi(_told())
BY_SELECTOR = {get_selector_from_name(name): name for name in FUNCTIONS}


class FakeChain:
    """A node that knows one registry, of the class `class_hash`, and its token."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.class_hash = CLASS_HASH
        self.gas_price_fri = 0
        self.chain_id = CHAIN
        self.asked: list[str] = []

    async def batch(self, calls: Sequence[tuple[str, Mapping[str, Any] | None]]) -> Sequence[Any]:
        """The answers of a node, an error in the place of each that fails."""
        self.asked.append(f"batch of {len(calls)}")
        answers: list[Any] = []
        for method, params in calls:
            try:
                answers.append(await self.call(method, params))
            except RpcError as error:
                answers.append(error)
            self.asked.pop()
        return answers

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """The answer of a node."""
        self.asked.append(method)
        params = params or {}
        if method == "starknet_getEvents":
            return self._events(params["filter"])
        if method == "starknet_chainId":
            return hex(self.chain_id)
        assert params["block_id"] == "latest"
        match method:
            case "starknet_getClassAt":
                return {"abi": json.dumps(_told())}
            case "starknet_getClassHashAt":
                return hex(self.class_hash)
            case "starknet_getBlockWithTxHashes":
                price = {"price_in_fri": hex(self.gas_price_fri), "price_in_wei": "0x1"}
                return {
                    "block_number": self.shared.block,
                    "timestamp": self.shared.now,
                    "l2_gas_price": price,
                }
            case "starknet_call":
                return await self._view(**params["request"])
        raise AssertionError(method)

    async def _view(self, contract_address: str, entry_point_selector: str, calldata: list[str]) -> list[str]:
        assert int(contract_address, 16) in (REGISTRY, TOKEN)
        name = BY_SELECTOR[int(entry_point_selector, 16)]
        values = arguments(name, [int(felt, 16) for felt in calldata])
        try:
            answer = await self._answer(name, values)
        except MoveRefused as error:
            panic = {"revert_error": {"error": hex(int.from_bytes(error.rule.encode(), "big"))}}
            raise RpcError(40, "Contract error", panic) from error
        return [hex(felt) for felt in Codec(ABI).encode(ABI.functions[name].outputs[0], answer)]

    async def _answer(self, name: str, values: list[Any]) -> Value:
        reader = FakeRegistry(0, self.shared)
        match name:
            case "look":
                return await self._look(reader, *values)
            case "get_jobs":
                return [_job(job) for job in await reader.get_jobs(values[0], values[1])]
            case "get_order":
                orders = {job.order.id: job.order for job in self.shared.jobs.values()}
                return _order(orders[values[0]])
            case "is_barred":
                return (values[0], values[1]) in self.shared.bars
            case "get_totals":
                told = await reader.totals()
                return {"escrow": told.escrow_fri, "credits": told.credit_fri, "burned": told.burned_fri}
        return await self._number(reader, name, values)

    async def _look(self, reader: FakeRegistry, first: int, count: int, with_orders: bool) -> Value:
        snapshot = await reader.snapshot(first, count)
        orders = {job.order.id: _order(job.order) for job in snapshot.jobs} if with_orders else {}
        return {
            "block": snapshot.head.number,
            "now": snapshot.head.time,
            "job_counter": snapshot.job_counter,
            "jobs": [_job(job) for job in snapshot.jobs],
            "orders": list(orders.values()),
        }

    def _events(self, asked: Mapping[str, Any]) -> Any:
        """All events as one block's, without cutting: what is new, the feed finds out."""
        assert asked["address"] == hex(REGISTRY)
        told = [tell_event(self.shared, event) for event in self.shared.events]
        return {
            "events": [
                {
                    "from_address": hex(REGISTRY),
                    "keys": [hex(key) for key in keys],
                    "data": [hex(felt) for felt in data],
                    "block_hash": "0xb10c",
                    "block_number": self.shared.block,
                    "transaction_hash": hex(at),
                }
                for at, (keys, data) in enumerate(told)
            ]
        }

    async def _number(self, reader: FakeRegistry, name: str, values: list[Any]) -> int:
        match name:
            case "get_job_counter":
                return await reader.job_counter()
            case "get_credit":
                return (await reader.funds(values[0])).credit_fri
            case "balance_of" if values[0] == REGISTRY:
                return (await reader.totals()).token_fri
            case "balance_of":
                return (await reader.funds(values[0])).wallet_fri
        raise AssertionError(name)


class FakeSender:
    """One account's transactions on a fake chain. `sent` are the functions called, by transaction.

    `before` and `after` are played round each; while it `lags`, nothing of a transaction is to be seen.
    """

    def __init__(self, account: int, chain: FakeChain) -> None:
        self.account, self.chain = account, chain
        self.sent: list[list[str]] = []
        self.before: Callable[[], Awaitable[object]] | None = None
        self.after: Callable[[], Awaitable[object]] | None = None
        self.lags = False

    async def send(self, calls: Sequence[Call], label: str) -> Receipt:
        """Play the calls. Raises `Reverted`."""
        names = [BY_SELECTOR[call.selector] for call in calls]
        self.sent.append(names)
        await asyncio.sleep(0)  # as on a network, others get their turn meanwhile
        if self.before is not None:
            await self.before()
        begin = len(self.chain.shared.events)
        for name, call in zip(names, calls, strict=True):
            assert call.to == (TOKEN if name == "approve" else REGISTRY)
            if self.lags:
                break
            try:
                await self._play(name, arguments(name, call.calldata))
            except MoveRefused as error:
                reason = (
                    f"0x{error.rule.encode().hex()} ('{error.rule}'), 0x454e545259504f494e545f4641494c4544"
                )
                raise Reverted(reason, transaction_hash=1, fee_fri=7) from error
        if self.after is not None:
            await self.after()
        shared = self.chain.shared
        events = tuple(
            Event(REGISTRY, *tell_event(shared, event))
            for event in shared.events[begin:]
            if event.party == self.account or event.kind is not EventKind.JOB_CLAIMED
        )
        return Receipt(hash=1, label=label, block_number=shared.block, fee_fri=5, events=events)

    async def _play(self, name: str, values: list[Any]) -> None:
        desk = FakeRegistry(self.account, self.chain.shared)
        played: dict[str, Callable[..., Awaitable[object]]] = {
            "approve": _nothing,
            "deposit": desk.deposit,
            "withdraw": desk.withdraw,
            "create_order": lambda cid, terms, jobs: desk.create_order(cid.decode(), _terms(terms), jobs),
            "claim_job": desk.claim,
            "release_job": lambda job, reason: desk.release(job, Code(short_bytes(reason).decode())),
            "submit_result": lambda job, cid: desk.submit_result(job, cid.decode()),
            "accept_result": desk.accept_result,
            "dispute_result": lambda job, cid: desk.dispute_result(job, cid.decode()),
            "resolve_dispute": lambda job, verdict, cid: desk.resolve_dispute(
                job, Verdict(verdict[0].upper()), cid.decode()
            ),
            "finalize_job": desk.finalize,
            "cancel_job": desk.cancel_job,
            "claim_jobs": lambda jobs: _each(map(desk.claim, jobs)),
            "submit_results": lambda jobs, cids: _each(
                desk.submit_result(job, cid.decode()) for job, cid in zip(jobs, cids, strict=True)
            ),
            "finalize_jobs": lambda jobs: _each(map(desk.finalize, jobs)),
        }
        await played[name](*values)


async def _nothing(*_: object) -> None:
    """What has no effect that anything here looks at."""


async def _each(moves: Iterable[Awaitable[object]]) -> None:
    """A plural call: what is refused is skipped."""
    for move in moves:
        with suppress(MoveRefused):
            await move


def tell_event(shared: Shared, event: ModelEvent) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Keys and data of an event, as far as they are read."""
    keys = (get_selector_from_name(event.kind.value), event.subject, event.party)
    if event.kind is not EventKind.ORDER_CREATED:
        return keys, (event.amount_fri,)
    jobs = sorted(shared.jobs_of(event))
    return keys, (jobs[0], len(jobs), event.amount_fri)


def arguments(name: str, felts: Sequence[int]) -> list[Any]:
    """The values in a call's felts."""
    types = ",".join(field.type for field in ABI.functions[name].inputs)
    values = Codec(ABI).decode(f"({types})", felts)
    assert isinstance(values, list)
    return values


def _job(job: Job) -> Mapping[str, Value]:
    return {
        "id": job.id,
        "order": job.order.id,
        "part": job.part,
        "state": (job.state.value.capitalize(), []),
        "worker": job.worker,
        "claimed_at": job.claimed_at,
        "lease_end": job.lease_end,
        "review_end": job.review_end,
        "arbitration_end": job.arbitration_end,
        "submitted_block": job.submitted_block,
        "disputed_block": job.disputed_block,
        "result_cid": job.result_cid.encode(),
    }


def _order(order: Order) -> Mapping[str, Value]:
    terms = order.terms
    return {
        "id": order.id,
        "creator": order.creator,
        "asset_cid": order.asset_cid.encode(),
        "terms": {
            "reward": terms.reward_fri,
            "bond": terms.bond_fri,
            "deadline": terms.deadline,
            "lease": terms.lease_seconds,
            "review": terms.review_seconds,
            "arbitration": terms.arbitration_seconds,
            "arbiter": terms.arbiter,
            "worker": terms.worker,
        },
        "first_job": order.first_job,
        "jobs": order.jobs,
        "created_at": order.created_at,
    }


def _terms(told: Mapping[str, Any]) -> Terms:
    return Terms(
        reward_fri=told["reward"],
        bond_fri=told["bond"],
        deadline=told["deadline"],
        lease_seconds=told["lease"],
        review_seconds=told["review"],
        arbitration_seconds=told["arbitration"],
        arbiter=Address(told["arbiter"]),
        worker=Address(told["worker"]),
    )
