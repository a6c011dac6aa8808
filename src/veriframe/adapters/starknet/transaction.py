"""An invoke transaction, version 3: its calldata, its digest, and the JSON that is sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

from starknet_py.hash.selector import get_selector_from_name
from starknet_py.net.client_models import ResourceBounds, ResourceBoundsMapping
from starknet_py.net.models.transaction import InvokeV3

from veriframe.adapters.starknet.fees import Bounds


class Signer(Protocol):
    """Whoever holds the key. May block for some 100 ms; called in a thread."""

    def sign(self, message_hash: int, /) -> tuple[int, int]:
        """The signature's `r` and `s` for a transaction's digest."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a contract's function; `calldata` in felts."""

    to: int
    selector: int
    calldata: tuple[int, ...]

    @classmethod
    def named(cls, to: int, function: str, calldata: Sequence[int]) -> Self:
        """A call of the function of this name."""
        return cls(to, get_selector_from_name(function), tuple(calldata))


def encode_calls(calls: Sequence[Call]) -> tuple[int, ...]:
    """Calls as an account of Cairo 1 takes them: their number, then each with the length of its calldata."""
    flat = [len(calls)]
    for call in calls:
        flat += [call.to, call.selector, len(call.calldata), *call.calldata]
    return tuple(flat)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """All of a transaction but its signature. Numbers are felts."""

    chain_id: int
    account: int
    nonce: int
    calldata: tuple[int, ...]
    bounds: Bounds

    @classmethod
    def parse(cls, chain_id: int, text: str) -> Self:
        """What was once signed, out of its JSON."""
        sent = json.loads(text)
        return cls(
            chain_id=chain_id,
            account=int(sent["sender_address"], 16),
            nonce=int(sent["nonce"], 16),
            calldata=tuple(int(felt, 16) for felt in sent["calldata"]),
            bounds=Bounds.parse(sent["resource_bounds"], int(sent["tip"], 16)),
        )

    def digest(self) -> int:
        """The transaction's hash, which its signature is on."""
        bounds = ResourceBoundsMapping(*(ResourceBounds(*pair) for pair in self.bounds.pairs()))
        invoke = InvokeV3(
            version=3,
            signature=[],
            nonce=self.nonce,
            resource_bounds=bounds,
            tip=self.bounds.tip_fri,
            calldata=list(self.calldata),
            sender_address=self.account,
        )
        return int(invoke.calculate_hash(self.chain_id))

    def payload(self, signature: Sequence[int]) -> dict[str, Any]:
        """The JSON of JSON-RPC 0.10's `BROADCASTED_INVOKE_TXN`."""
        return {
            "type": "INVOKE",
            "version": "0x3",
            "sender_address": hex(self.account),
            "calldata": [hex(felt) for felt in self.calldata],
            "signature": [hex(felt) for felt in signature],
            "nonce": hex(self.nonce),
            "resource_bounds": self.bounds.payload(),
            "tip": hex(self.bounds.tip_fri),
            "paymaster_data": [],
            "account_deployment_data": [],
            "nonce_data_availability_mode": "L1",
            "fee_data_availability_mode": "L1",
        }
