"""An account's transactions, version 3: their content, their hash, and the JSON that is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from starknet_py.hash.selector import get_selector_from_name
from starknet_py.net.client_models import ResourceBounds, ResourceBoundsMapping
from starknet_py.net.models.transaction import DeclareV3, InvokeV3
from starknet_py.net.schemas.rpc.contract import SierraContractClassSchema

from veriframe.adapters.starknet.transactions.fees import FeeBounds


class Signer(Protocol):
    """Holds the key and signs. May block for some milliseconds; called in a thread."""

    def sign(self, message_hash: int, /) -> tuple[int, int]:
        """The signature `(r, s)` of a transaction's hash."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a contract's function, with `calldata` in felts."""

    to: int
    selector: int
    calldata: tuple[int, ...]

    @classmethod
    def named(cls, to: int, function: str, calldata: Sequence[int]) -> Self:
        """A call of the function with this name."""
        return cls(to, get_selector_from_name(function), tuple(calldata))


def encode_calls(calls: Sequence[Call]) -> tuple[int, ...]:
    """Encodes calls for a Cairo 1 account: their number, then each with the length of its calldata."""
    flat = [len(calls)]
    for call in calls:
        flat += [call.to, call.selector, len(call.calldata), *call.calldata]
    return tuple(flat)


@dataclass(frozen=True, slots=True)
class Invoke:
    """Calls of contracts, in felts as the account expects them."""

    calldata: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Declare:
    """A class to declare: `contract_class` is the JSON of JSON-RPC's `CONTRACT_CLASS`.

    `compiled_class_hash` is that of its CASM, which every node compiles itself.
    """

    contract_class: Mapping[str, Any]
    compiled_class_hash: int


Action = Invoke | Declare
"""What a transaction does."""

_SUBMISSIONS = {
    "INVOKE": ("starknet_addInvokeTransaction", "invoke_transaction"),
    "DECLARE": ("starknet_addDeclareTransaction", "declare_transaction"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedTransaction:
    """A transaction without its signature. Numbers are felts."""

    chain_id: int
    account: int
    nonce: int
    act: Action
    bounds: FeeBounds

    @classmethod
    def parse(cls, chain_id: int, text: str) -> Self:
        """Parses a signed transaction's JSON."""
        sent = json.loads(text)
        return cls(
            chain_id=chain_id,
            account=int(sent["sender_address"], 16),
            nonce=int(sent["nonce"], 16),
            act=_parse_act(sent),
            bounds=FeeBounds.parse(sent["resource_bounds"], int(sent["tip"], 16)),
        )

    def digest(self) -> int:
        """The transaction's hash, which is signed. Takes about a second for a class."""
        shared: dict[str, Any] = {
            "version": 3,
            "signature": [],
            "nonce": self.nonce,
            "resource_bounds": ResourceBoundsMapping(
                *(ResourceBounds(*pair) for pair in self.bounds.pairs())
            ),
            "tip": self.bounds.tip_fri,
            "sender_address": self.account,
        }
        if isinstance(self.act, Invoke):
            return int(InvokeV3(calldata=list(self.act.calldata), **shared).calculate_hash(self.chain_id))
        declare = DeclareV3(
            contract_class=SierraContractClassSchema().load(dict(self.act.contract_class)),
            compiled_class_hash=self.act.compiled_class_hash,
            **shared,
        )
        return int(declare.calculate_hash(self.chain_id))

    def payload(self, signature: Sequence[int]) -> dict[str, Any]:
        """The JSON of JSON-RPC 0.10's `BROADCASTED_INVOKE_TXN` or `BROADCASTED_DECLARE_TXN`."""
        return {
            "version": "0x3",
            "sender_address": hex(self.account),
            "signature": [hex(felt) for felt in signature],
            "nonce": hex(self.nonce),
            "resource_bounds": self.bounds.payload(),
            "tip": hex(self.bounds.tip_fri),
            "paymaster_data": [],
            "account_deployment_data": [],
            "nonce_data_availability_mode": "L1",
            "fee_data_availability_mode": "L1",
            **_act_payload(self.act),
        }


def submission(payload: str) -> tuple[str, dict[str, Any]]:
    """The RPC method that submits a signed transaction, and its parameters."""
    sent = json.loads(payload)
    method, name = _SUBMISSIONS[sent["type"]]
    return method, {name: sent}


def _act_payload(act: Action) -> dict[str, Any]:
    if isinstance(act, Invoke):
        return {"type": "INVOKE", "calldata": [hex(felt) for felt in act.calldata]}
    return {
        "type": "DECLARE",
        "contract_class": act.contract_class,
        "compiled_class_hash": hex(act.compiled_class_hash),
    }


def _parse_act(sent: Mapping[str, Any]) -> Action:
    if sent["type"] == "INVOKE":
        return Invoke(tuple(int(felt, 16) for felt in sent["calldata"]))
    return Declare(sent["contract_class"], int(sent["compiled_class_hash"], 16))
