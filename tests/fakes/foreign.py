"""A foreign registry behind a node, in memory. The test defines its functions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starknet_py.hash.selector import get_selector_from_name

from veriframe.adapters.starknet.cairo.codec import halves
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.adapters.starknet.transactions.receipt import Receipt, Reverted
from veriframe.adapters.starknet.transactions.transaction import Call
from veriframe.errors import RegistryUnavailable

REGISTRY, TOKEN, OURS, THEIRS, CREATOR = 0xA11CE, 0x704E4, 0xD, 0xE, 0xC
CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
RESULT = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
NOW = 1_700_000_000


class PanicError(Exception):
    """The contract panics."""


@dataclass
class TheirJob:
    """A job as such a registry stores it."""

    creator: int = CREATOR
    worker: int = 0
    reward: int = 5
    asset: str = CID
    result: str = ""
    deadline: int = NOW + 10**6
    is_completed: bool = False


Answer = Callable[..., Sequence[int]]
"""Felts in, felts out."""


@dataclass
class Fn:
    """A function: its types as in an ABI, and a view's answer."""

    inputs: str
    outputs: str
    answer: Answer = lambda *_: ()


@dataclass
class ForeignChain:
    """A node with one registry that has pairs of felts and, initially, no claims and no counter.

    `requests`: the number of questions in each request; `asked`: the called functions. A request with more
    than `most` questions is refused.
    """

    jobs: dict[int, TheirJob] = field(default_factory=dict)
    functions: dict[str, Fn] = field(default_factory=dict)
    block: int = 100
    fork: int = 0
    now: int = NOW
    wallet_fri: int = 10**24
    most: int = 10**6
    requests: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    before_batch: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        job, address, felt = "felt252", "ContractAddress", "felt252"
        self.functions = {
            "get_job_creator": Fn(job, address, lambda i: [self.job(i).creator]),
            "get_job_worker": Fn(job, address, lambda i: [self.job(i).worker]),
            "get_job_reward": Fn(job, "u256", lambda i: [self.job(i).reward, 0]),
            "get_job_asset_cid": Fn(job, f"{felt} {felt}", lambda i: halves(self.job(i).asset.encode())),
            "submit_result": Fn(f"{job} {felt} {felt}", ""),
            **self.functions,
        }

    def job(self, job_id: int) -> TheirJob:
        """The job; the values of empty storage if there is none."""
        return self.jobs.get(job_id, TheirJob(creator=0, reward=0, asset="", deadline=0))

    def known(self, job_id: int) -> TheirJob:
        """The job; panics if there is none."""
        if job_id not in self.jobs:
            raise PanicError
        return self.jobs[job_id]

    def with_results(self) -> None:
        """Adds a view of results."""
        pair = "felt252 felt252"
        self.functions["get_job_result_cid"] = Fn(
            "felt252", pair, lambda i: halves(self.job(i).result.encode())
        )

    def with_counter(self, counter: Callable[[], int]) -> None:
        """Adds a job counter."""
        self.functions["get_job_counter"] = Fn("", "felt252", lambda: [counter()])

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Answers as a node."""
        answer = (await self.batch([(method, params)]))[0]
        if isinstance(answer, RpcError):
            raise answer
        return answer

    async def batch(self, calls: Sequence[tuple[str, Mapping[str, Any] | None]]) -> Sequence[Any]:
        """Answers several questions."""
        self.requests.append(len(calls))
        if self.before_batch is not None and len(calls) > 1:
            self.before_batch()
        if len(calls) > self.most:
            raise RegistryUnavailable("Too many questions in one request.")
        return [self._answer(method, dict(params or {})) for method, params in calls]

    def _hash(self, number: int) -> str:
        # With leading zeros, as some nodes write it.
        return f"{number * 1000 + self.fork:#066x}"

    def _answer(self, method: str, params: dict[str, Any]) -> Any:
        match method:
            case "starknet_chainId":
                return hex(int.from_bytes(b"SN_FAKE"))
            case "starknet_getClassAt":
                return {"abi": json.dumps([self._entry(name, fn) for name, fn in self.functions.items()])}
            case "starknet_getBlockWithTxHashes":
                at = params["block_id"]
                number = self.block if at == "latest" else at["block_number"]
                if number > self.block:
                    return RpcError(24, "Block not found")
                return {
                    "block_number": number,
                    "status": "ACCEPTED_ON_L2",
                    "timestamp": self.now,
                    "block_hash": self._hash(number),
                    "parent_hash": self._hash(number - 1),
                    "l2_gas_price": {"price_in_fri": hex(10**10), "price_in_wei": "0x1"},
                }
            case "starknet_call":
                wanted = ("latest", {"block_hash": hex(int(self._hash(self.block), 16))})
                if params["block_id"] not in wanted:
                    return RpcError(24, "Block not found")
                return self._view(params["request"])
        raise AssertionError(method)

    def _view(self, request: Mapping[str, Any]) -> Any:
        if int(request["contract_address"], 16) == TOKEN:
            return [hex(self.wallet_fri), "0x0"]
        by_selector = {hex(get_selector_from_name(name)): name for name in self.functions}
        name = by_selector[request["entry_point_selector"]]
        self.asked.append(name)
        try:
            felts = self.functions[name].answer(*(int(felt, 16) for felt in request["calldata"]))
        except PanicError:
            return RpcError(40, "Contract error", {"revert_error": "0x4e4f5f535543485f4a4f42"})
        return [hex(felt) for felt in felts]

    def _entry(self, name: str, fn: Fn) -> dict[str, object]:
        words = fn.inputs.split()
        return {
            "type": "function",
            "name": name,
            "inputs": [
                {"name": "worker" if kind == "ContractAddress" else f"p{at}", "type": kind}
                for at, kind in enumerate(words)
            ],
            "outputs": [{"type": kind} for kind in fn.outputs.split()],
        }


@dataclass
class ForeignSender:
    """Our account's transactions. `play` executes a call, given its function and felts.

    `sent`: the functions of each transaction. `after` is awaited after a transaction is in a block,
    `at_refusal` after one is refused.
    """

    chain: ForeignChain
    account: int = OURS
    play: Callable[[str, Sequence[int]], None] = lambda *_: None
    sent: list[list[str]] = field(default_factory=list)
    calldata: list[list[int]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    after: Callable[[], Awaitable[None]] | None = None
    at_refusal: Callable[[], Awaitable[None]] | None = None

    async def send(self, calls: Sequence[Call], label: str) -> Receipt:
        """Executes all calls or none. Raises `Reverted`."""
        names = {get_selector_from_name(name): name for name in self.chain.functions}
        self.sent.append([names[call.selector] for call in calls])
        self.calldata += [list(call.calldata) for call in calls]
        self.labels.append(label)
        await asyncio.sleep(0)
        before = {job_id: TheirJob(**vars(job)) for job_id, job in self.chain.jobs.items()}
        for call in calls:
            assert call.to == REGISTRY
            try:
                self.play(names[call.selector], call.calldata)
            except PanicError as error:
                self.chain.jobs = before
                if self.at_refusal is not None:
                    await self.at_refusal()
                reason = f"0x{str(error).encode().hex()} ('{error}')"
                raise Reverted(reason, transaction_hash=1, fee_fri=7) from error
        self.chain.block += 1
        if self.after is not None:
            await self.after()
        return Receipt(hash=1, label=label, block_number=self.chain.block, fee_fri=5, events=())

    async def refusal(self, calls: Sequence[Call]) -> Reverted | None:
        """Executes all calls, and undoes them."""
        names = {get_selector_from_name(name): name for name in self.chain.functions}
        before = {job_id: TheirJob(**vars(job)) for job_id, job in self.chain.jobs.items()}
        try:
            for call in calls:
                self.play(names[call.selector], call.calldata)
        except PanicError as error:
            return Reverted(f"0x{str(error).encode().hex()} ('{error}')")
        finally:
            self.chain.jobs = before
        return None
