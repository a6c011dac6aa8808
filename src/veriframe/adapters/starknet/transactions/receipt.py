"""A transaction's receipt, parsed from untrusted JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from veriframe.adapters.starknet.transactions.revert_reason import (
    clean,
    innermost,
    own_words,
    short_strings,
)
from veriframe.errors import MoveRefused, RegistryUnavailable


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a transaction, in felts."""

    from_address: int
    keys: tuple[int, ...]
    data: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A transaction in an accepted block. `revert_reason` is empty if it succeeded."""

    hash: int
    label: str
    block_number: int
    fee_fri: int
    events: tuple[Event, ...]
    revert_reason: str = ""


class Reverted(MoveRefused):
    """The contract refused. `rule` is its short string, such as NOT_OPEN; `reason` the node's whole text.

    `fee_fri` is the cost of the revert: 0 if the estimate already failed (then `hash` is 0).
    """

    def __init__(self, reason: str, *, transaction_hash: int = 0, fee_fri: int = 0) -> None:
        words = short_strings(reason)
        rules = own_words(words)
        rule = rules[0] if rules else "REVERTED"
        super().__init__(rule, f"The chain refuses the move: {innermost(reason)}.", fee_fri=fee_fri)
        self.reason = clean(reason)
        self.words = words
        self.hash = transaction_hash


def parse_receipt(answer: object, wanted: int, label: str) -> Receipt | None:
    """Parses a receipt of JSON-RPC 0.10; `None` while the transaction is in no accepted block.

    Raises `RegistryUnavailable` if it is not a receipt, or belongs to another transaction.
    """
    try:
        return _parse(answer, wanted, label)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise RegistryUnavailable(
            f"The StarkNet node's receipt of {wanted:#x} cannot be read. Try another node in STARKNET_RPC."
        ) from error


def _parse(answer: Any, wanted: int, label: str) -> Receipt | None:  # noqa: ANN401 - JSON
    if int(answer["transaction_hash"], 16) != wanted:
        raise ValueError("the receipt of another transaction")
    if answer["finality_status"] not in {"ACCEPTED_ON_L2", "ACCEPTED_ON_L1"}:
        return None
    block_number, status = answer["block_number"], answer["execution_status"]
    if type(block_number) is not int or status not in {"SUCCEEDED", "REVERTED"}:
        raise ValueError("no block, or an unknown end")
    reason = clean(str(answer.get("revert_reason") or "no reason given")) if status == "REVERTED" else ""
    return Receipt(
        hash=wanted,
        label=label,
        block_number=block_number,
        fee_fri=int(answer["actual_fee"]["amount"], 16),
        events=tuple(_event(event) for event in answer["events"]),
        revert_reason=reason,
    )


def _event(event: Mapping[str, Any]) -> Event:
    return Event(int(event["from_address"], 16), _felts(event["keys"]), _felts(event["data"]))


def _felts(values: Sequence[str]) -> tuple[int, ...]:
    return tuple(int(value, 16) for value in values)
