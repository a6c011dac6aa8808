"""A transaction's receipt and the reason of a revert, parsed from untrusted JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from veriframe.errors import MoveRefused, RegistryUnavailable

REASON_MAX_CHARACTERS = 1000

_HEX = re.compile(r"0x([0-9a-fA-F]{4,62})\b")
_QUOTED = re.compile(r"'([A-Za-z][A-Za-z0-9_:./ -]{2,30})'")
_NOISE = frozenset({"ENTRYPOINT_FAILED", "ENTRYPOINT_NOT_FOUND", "argent/multicall-failed"})
_TEXT_MAX = 50_000


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
        rules = [word for word in words if word not in _NOISE]
        rule = rules[0] if rules else "REVERTED"
        super().__init__(rule, f"The chain refuses the move: {rule}.", fee_fri=fee_fri)
        self.reason = clean(reason)
        self.words = words
        self.hash = transaction_hash


def clean(text: str) -> str:
    """Puts untrusted text on one line, without control characters, truncated at the front."""
    # The cause is at the end, after the names of the calling contracts.
    flat = "".join(character if character.isprintable() else " " for character in text)
    return flat[-REASON_MAX_CHARACTERS:].strip()


def short_strings(text: str) -> tuple[str, ...]:
    """The short strings in a revert's reason, in order: given in hex, in quotes, or both."""
    found: list[str] = []
    text = text[-_TEXT_MAX:]
    marks = sorted([*_HEX.finditer(text), *_QUOTED.finditer(text)], key=lambda mark: mark.start())
    for mark in marks:
        word = mark.group(1)
        if mark.re is _HEX:
            if len(word) % 2:
                continue
            raw = bytes.fromhex(word)
            if len(raw) < 3 or not all(0x20 <= byte < 0x7F for byte in raw):
                continue
            word = raw.decode("ascii")
        if word not in found:
            found.append(word)
    return tuple(found)


def reason_of(data: object) -> str:
    """The reason in an RPC error's data of any shape: the text of the innermost error."""
    for _ in range(50):
        if not isinstance(data, Mapping):
            break
        data = next((data[name] for name in ("execution_error", "revert_error", "error") if name in data), "")
    return data[-_TEXT_MAX:] if isinstance(data, str) else json.dumps(data)[-_TEXT_MAX:]


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
