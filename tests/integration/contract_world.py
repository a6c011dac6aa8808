"""The deployed contract on devnet: calls, views and receipts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starknet_py.hash.selector import get_selector_from_name
from starknet_py.net.account.account import Account
from starknet_py.net.client_models import Call as ChainCall
from starknet_py.net.client_models import Hash, ResourceBounds, ResourceBoundsMapping
from tests.contracts import deployment
from tests.nodes import Devnet

from veriframe.adapters.starknet.cairo.abi import Abi, read_abi
from veriframe.adapters.starknet.cairo.codec import Codec, Value, short_bytes
from veriframe.model.registry.ledger import EventKind, Rule

BOUNDS = ResourceBoundsMapping(
    l1_gas=ResourceBounds(1_000_000, 10**10),
    l1_data_gas=ResourceBounds(1_000_000, 10**10),
    l2_gas=ResourceBounds(10_000_000_000, 10**10),
)
"""Enough for any call here; only the used amount is paid."""
ALLOWANCE = 2**128 - 1
RULES = {rule.value for rule in Rule} | {"UNKNOWN_ORDER"}


@dataclass(frozen=True)
class EmittedEvent:
    """One event, with its amount, if it has one."""

    kind: EventKind
    subject: int
    party: int
    amount: int


@dataclass(frozen=True)
class Receipt:
    """A transaction's outcome. `rule` is the rule that refused it; empty if it succeeded."""

    rule: str
    time: int
    block: int
    fee: int
    l2_gas: int
    l1_data_gas: int
    events: tuple[EmittedEvent, ...]


class Chain:
    """The contract on devnet, called by accounts by number."""

    def __init__(self, node: Devnet, accounts: Sequence[Account], address: int, abi: Abi) -> None:
        self.node, self.address, self.abi = node, address, abi
        self._accounts, self._codec = accounts, Codec(abi)
        self._nonces: dict[int, int] = {}

    @property
    def people(self) -> tuple[int, ...]:
        """The accounts' addresses."""
        return tuple(int(account.address) for account in self._accounts)

    async def send(self, caller: int, *calls: tuple[str, Sequence[Value]]) -> Receipt:
        """Sends one or more calls of the contract in one transaction."""
        return await self.send_raw(caller, [self.call(name, values) for name, values in calls])

    def call(self, name: str, values: Sequence[Value]) -> ChainCall:
        """Builds a call of the contract, by the names and types of its ABI."""
        function = self.abi.functions[name]
        felts = [
            felt
            for field, value in zip(function.inputs, values, strict=True)
            for felt in self._codec.encode(field.type, value)
        ]
        return ChainCall(self.address, get_selector_from_name(name), felts)

    async def send_raw(self, caller: int, calls: Sequence[ChainCall]) -> Receipt:
        """Sends any calls in one transaction."""
        account = self._accounts[caller]
        # devnet's clock stands still between blocks: the contract sees the previous block's time.
        now = self.node.now()
        nonce = self._nonces[caller] if caller in self._nonces else await account.get_nonce()
        sent = await account.execute_v3(list(calls), resource_bounds=BOUNDS, nonce=nonce, tip=0)
        self._nonces[caller] = nonce + 1
        return self._receipt(sent.transaction_hash, now)

    async def approve(self, caller: int) -> None:
        """Allows the contract to take deposits from the account."""
        felts = [self.address, ALLOWANCE, 0]
        token = self.node.strk_address
        approved = await self.send_raw(caller, [ChainCall(token, get_selector_from_name("approve"), felts)])
        assert approved.rule == ""

    def view(self, name: str, *values: Value) -> Any:
        """Calls a view."""
        return self._codec.decode(self.abi.functions[name].outputs[0], self.ask(self.call(name, values)))

    def ask(self, call: ChainCall) -> list[int]:
        """Calls any contract's view. Returns felts."""
        request = {
            "contract_address": hex(call.to_addr),
            "entry_point_selector": hex(call.selector),
            "calldata": [hex(felt) for felt in call.calldata],
        }
        answer = self.node.ask("starknet_call", request=request, block_id="latest")
        return [int(felt, 16) for felt in answer]

    def balance(self, account: int) -> int:
        """An address's balance of the token."""
        selector = get_selector_from_name("balance_of")
        return self.ask(ChainCall(self.node.strk_address, selector, [account]))[0]

    def _receipt(self, transaction_hash: Hash, now: int) -> Receipt:
        answer = self.node.ask("starknet_getTransactionReceipt", transaction_hash=_hex(transaction_hash))
        events = [event for event in answer["events"] if int(event["from_address"], 16) == self.address]
        return Receipt(
            rule=_rule(answer["revert_reason"]) if answer["execution_status"] == "REVERTED" else "",
            time=now,
            block=answer["block_number"],
            fee=int(answer["actual_fee"]["amount"], 16),
            l2_gas=answer["execution_resources"]["l2_gas"],
            l1_data_gas=answer["execution_resources"]["l1_data_gas"],
            events=tuple(_decode_event(event) for event in events),
        )


def _hex(value: Hash) -> str:
    return value if isinstance(value, str) else hex(value)


def _rule(reason: str) -> str:
    """The short string of a contract's panic: the first of our rules in the node's text."""
    names = [
        short_bytes(int(felt, 16)).decode(errors="replace") for felt in re.findall(r"0x[0-9a-f]+", reason)
    ]
    return next((name for name in names if name in RULES), reason)


_NUMBERS = {"OrderCreated": 2, "DisputeResolved": None, "ResultSubmitted": None}
"""The index of the amount in an event's data, if not 0."""


def _decode_event(event: Mapping[str, Any]) -> EmittedEvent:
    keys, data = ([int(felt, 16) for felt in event[name]] for name in ("keys", "data"))
    kind = next(kind for kind in EventKind if get_selector_from_name(kind.value) == keys[0])
    money = kind in (EventKind.DEPOSITED, EventKind.WITHDRAWN)
    at = 1 if kind is EventKind.WITHDRAWN else _NUMBERS.get(kind.value, 0)
    subject, party = (0, keys[1]) if money else (keys[1], keys[2])
    return EmittedEvent(kind, subject, party, 0 if at is None else data[at])


@asynccontextmanager
async def deployed(node: Devnet) -> AsyncIterator[Chain]:
    """Deploys the contract, with all accounts' approval for the token."""
    accounts = [deployment.signer(node, known) for known in node.accounts]
    artifact = deployment.load("job_registry", deployment.MAIN_ARTIFACTS)
    address = (await deployment.deploy(accounts[0], artifact, node.strk_address)).address
    deployed_class = node.ask("starknet_getClassAt", contract_address=hex(address), block_id="latest")
    chain = Chain(node, accounts, address, read_abi(deployed_class["abi"]))
    for number in range(len(accounts)):
        await chain.approve(number)
    yield chain
