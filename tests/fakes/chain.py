"""Our contract behind a node, in memory: its views and moves in felts, by the model's rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from starknet_py.hash.selector import get_selector_from_name
from tests.fakes.blocks import hash_of_block
from tests.fakes.chain_abi import (
    ABI,
    BY_SELECTOR,
    abi_entries,
    arguments,
    decode_terms,
    encode_job,
    encode_order,
)
from tests.fakes.registry import FakeRegistry, Shared

from veriframe.adapters.starknet.cairo.codec import Codec, Value, encode_text, short_bytes
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.adapters.starknet.transactions.receipt import Event, Receipt, Reverted
from veriframe.adapters.starknet.transactions.transaction import Call
from veriframe.errors import Code, MoveRefused
from veriframe.model.registry.job import Verdict
from veriframe.model.registry.ledger import Event as ModelEvent
from veriframe.model.registry.ledger import EventKind

REGISTRY, TOKEN, CLASS_HASH = 0xA11CE, 0x704E4, 0xC1A55
CHAIN = int.from_bytes(b"SN_FAKE")


class FakeChain:
    """A node that knows one registry, of the class `class_hash`, and its token."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.class_hash = CLASS_HASH
        self.gas_price_fri = 0
        self.chain_id = CHAIN
        self.asked: list[str] = []

    async def batch(self, calls: Sequence[tuple[str, Mapping[str, Any] | None]]) -> Sequence[Any]:
        """Answers as a node, with an error for each call that fails."""
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
        """Answers as a node."""
        self.asked.append(method)
        params = params or {}
        if method == "starknet_getEvents":
            return self._events(params["filter"])
        if method == "starknet_chainId":
            return hex(self.chain_id)
        if method == "starknet_getBlockWithTxHashes":
            return self._block(params["block_id"])
        assert params["block_id"] == "latest"
        match method:
            case "starknet_getClassAt":
                return {"abi": json.dumps(abi_entries())}
            case "starknet_getClassHashAt":
                return hex(self.class_hash)
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
                return [encode_job(job) for job in (await reader.snapshot(values[0], values[1])).jobs]
            case "get_order":
                orders = {job.order.id: job.order for job in self.shared.jobs.values()}
                return encode_order(orders[values[0]])
            case "is_barred":
                return (values[0], values[1]) in self.shared.bars
            case "get_totals":
                totals = await reader.totals()
                return {
                    "escrow": totals.escrow_fri,
                    "credits": totals.credit_fri,
                    "burned": totals.burned_fri,
                }
        return await self._number(reader, name, values)

    async def _look(self, reader: FakeRegistry, first: int, count: int, with_orders: bool) -> Value:
        snapshot = await reader.snapshot(first, count)
        orders = {job.order.id: encode_order(job.order) for job in snapshot.jobs} if with_orders else {}
        return {
            "block": snapshot.head.number,
            "now": snapshot.head.time,
            "job_counter": snapshot.job_counter,
            "jobs": [encode_job(job) for job in snapshot.jobs],
            "orders": list(orders.values()),
        }

    def _block(self, at: Any) -> Any:
        """The newest block, or one by its number in which a move was made."""
        price = {"price_in_fri": hex(self.gas_price_fri), "price_in_wei": "0x1"}
        shared = self.shared
        number, time = shared.block, shared.now
        if at != "latest":
            number = at["block_number"]
            if number > shared.block:
                raise RpcError(24, "Block not found")
            time = max((head.time for head in shared.heads if head.number <= number), default=0)
        block_hash = hex(hash_of_block(number))
        told = {"block_number": number, "block_hash": block_hash, "status": "ACCEPTED_ON_L2"}
        return {**told, "timestamp": time, "l2_gas_price": price}

    def _events(self, asked: Mapping[str, Any]) -> Any:
        """All events that fit, in one page; the feed finds what is new."""
        assert asked["address"] == hex(REGISTRY)
        first = asked["from_block"]["block_number"] if isinstance(asked["from_block"], dict) else 0
        told = []
        for at, (event, head) in enumerate(zip(self.shared.events, self.shared.heads, strict=True)):
            keys, data = encode_event(self.shared, event, head.time)
            wanted = zip(map(hex, keys), asked["keys"], strict=False)
            if head.number >= first and all(not values or key in values for key, values in wanted):
                told.append(
                    {
                        "from_address": hex(REGISTRY),
                        "keys": [hex(key) for key in keys],
                        "data": [hex(felt) for felt in data],
                        "block_hash": "0xb10c",
                        "block_number": head.number,
                        "transaction_hash": hex(at),
                    }
                )
        return {"events": told}

    async def _number(self, reader: FakeRegistry, name: str, values: list[Any]) -> int:
        match name:
            case "get_job_counter":
                return (await reader.snapshot(1, 0)).job_counter
            case "get_credit":
                return (await reader.funds(values[0])).credit_fri
            case "balance_of" if values[0] == REGISTRY:
                return (await reader.totals()).token_fri
            case "balance_of":
                return (await reader.funds(values[0])).wallet_fri
        raise AssertionError(name)


class FakeSender:
    """One account's transactions on a fake chain. `sent` lists the called functions, by transaction.

    `before` and `after` are awaited around each; while it `lags`, transactions have no visible effect.
    """

    def __init__(self, account: int, chain: FakeChain) -> None:
        self.account, self.chain = account, chain
        self.sent: list[list[str]] = []
        self.before: Callable[[], Awaitable[object]] | None = None
        self.after: Callable[[], Awaitable[object]] | None = None
        self.lags = False

    async def send(self, calls: Sequence[Call], label: str) -> Receipt:
        """Executes the calls. Raises `Reverted`."""
        names = [BY_SELECTOR[call.selector] for call in calls]
        self.sent.append(names)
        await asyncio.sleep(0)  # as on a network, other tasks run in the meantime
        if self.before is not None:
            await self.before()
        start = len(self.chain.shared.events)
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
            Event(REGISTRY, *encode_event(shared, event))
            for event in shared.events[start:]
            if event.party == self.account or event.kind is not EventKind.JOB_CLAIMED
        )
        return Receipt(hash=1, label=label, block_number=shared.block, fee_fri=5, events=events)

    async def refusal(self, calls: Sequence[Call]) -> Reverted | None:
        """Only foreign registries are asked."""
        raise AssertionError(calls)

    async def _play(self, name: str, values: list[Any]) -> None:
        desk = FakeRegistry(self.account, self.chain.shared)
        played: dict[str, Callable[..., Awaitable[object]]] = {
            "approve": _nothing,
            "deposit": desk.deposit,
            "withdraw": desk.withdraw,
            "create_order": lambda cid, terms, jobs: desk.create_order(
                cid.decode(), decode_terms(terms), jobs
            ),
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
    """A call without an effect here."""


async def _each(moves: Iterable[Awaitable[object]]) -> None:
    """A plural call: skips what is refused."""
    for move in moves:
        with suppress(MoveRefused):
            await move


def encode_event(shared: Shared, event: ModelEvent, now: int = 0) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Encodes the keys and data of an event that happened `now`, in chain seconds."""
    keys = (get_selector_from_name(event.kind.value), event.subject, event.party)
    amount, text = (event.amount_fri,), event.note.encode()
    jobs = sorted(shared.jobs_of(event)) or [0]
    verdict, _, evidence = event.note.partition(" ")
    verdicts = {name.value: at for at, name in enumerate((Verdict.WORKER, Verdict.CREATOR, Verdict.NEITHER))}
    terms = shared.jobs[jobs[0]].terms if jobs[0] in shared.jobs else None
    lease, review, arbitration = (
        (now + terms.lease_seconds, now + terms.review_seconds, now + terms.arbitration_seconds)
        if terms
        else (0, 0, 0)
    )
    data: dict[EventKind, tuple[int, ...]] = {
        EventKind.ORDER_CREATED: (jobs[0], len(jobs), *amount),
        EventKind.JOB_CLAIMED: (*amount, lease),
        EventKind.JOB_RELEASED: (*amount, int.from_bytes(text[:31])),
        EventKind.RESULT_SUBMITTED: (review, *encode_text(text)),
        EventKind.RESULT_DISPUTED: (*amount, arbitration, *encode_text(text)),
        EventKind.DISPUTE_RESOLVED: (verdicts.get(verdict, 0), *encode_text(evidence.encode())),
    }
    return keys, data.get(event.kind, amount)
