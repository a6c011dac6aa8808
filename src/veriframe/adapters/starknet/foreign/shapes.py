"""The supported shapes of a foreign registry's functions, and the encodings of a CID in felts."""

from __future__ import annotations

from collections.abc import Sequence

from veriframe.adapters.starknet.cairo.abi import Abi, Function
from veriframe.adapters.starknet.cairo.codec import (
    WORD_BYTES,
    Codec,
    Value,
    element,
    halves,
    parts,
    short_bytes,
    short_string,
)

NUMBERS = ("felt252", "u8", "u16", "u32", "u64", "u128", "u256", "ContractAddress")
WORDS = ("felt252", "bytes31")
RESULT_CHARACTERS = 59
"""The length of a result's CID: version 1, sha2-256, base 32."""

_BOOLEANS = ("bool", *NUMBERS)


def misfit(abi: Abi, word: str, function: Function) -> str:
    """Why a function cannot be used as `word`; empty if it can."""
    inputs = [field.type for field in function.inputs]
    if word == "submit" and len(inputs) == 2 and inputs[1] in WORDS:
        return f"one short string holds {WORD_BYTES} characters, and a result's CID has {RESULT_CHARACTERS}"
    shape = f"({', '.join(inputs)}) -> {', '.join(function.outputs) or 'nothing'}"
    return "" if _fits(abi, word, inputs, function.outputs) else f"its shape {shape} is not supported"[:200]


def _fits(abi: Abi, word: str, inputs: Sequence[str], outputs: Sequence[str]) -> bool:
    of_job = len(inputs) == 1 and inputs[0] in NUMBERS
    of_worker = len(inputs) == 1 and inputs[0] in ("ContractAddress", "felt252")
    match word:
        case "counter":
            fits = not inputs and _is_number(outputs)
        case "creator" | "worker" | "reward" | "deadline" | "minimum_reputation":
            fits = of_job and _is_number(outputs)
        case "completed":
            fits = of_job and _is_boolean(outputs)
        case "asset_cid" | "result_cid":
            fits = of_job and _is_cid(abi, outputs)
        case "submit":
            fits = len(inputs) > 1 and inputs[0] in NUMBERS and _is_cid(abi, inputs[1:])
        case "eligible":
            fits = len(inputs) == 2 and all(kind in NUMBERS for kind in inputs) and _is_boolean(outputs)
        case "registered" | "verified":
            fits = of_worker and _is_boolean(outputs)
        case "status":
            fits = of_worker and bool(outputs)
        case "paused":
            fits = not inputs and _is_boolean(outputs)
        case "claim" | "finalize":
            fits = of_job
        case "release":
            fits = len(inputs) in (1, 2) and inputs[0] in NUMBERS and inputs[-1] in NUMBERS
        case _:
            fits = True
    return fits


def put_cid(codec: Codec, types: Sequence[str], cid: bytes) -> list[int]:
    """Encodes a CID for parameters of these types. Raises `ValueError` if it does not fit."""
    if len(types) != 1:
        return list(halves(cid))
    kind = types[0]
    if kind == "ByteArray":
        return codec.encode(kind, cid)
    if kind in WORDS:
        return [short_string(cid)]
    if element(kind) is not None:
        words = [cid[at : at + WORD_BYTES] for at in range(0, len(cid), WORD_BYTES)]
        return codec.encode(kind, [short_string(word) for word in words])
    return list(halves(cid))


def joined(value: Value) -> bytes:
    """The bytes of a decoded CID that may have several parts."""
    match value:
        case bytes():
            return value
        case int():
            return short_bytes(value)
        case list():
            return b"".join(joined(part) for part in value)
        case dict():
            return b"".join(joined(part) for part in value.values())
        case _:
            return b""


def flattened(value: Value) -> list[int]:
    """The numbers and booleans in a decoded value, in order."""
    match value:
        case int():
            return [int(value)]
        case list():
            return [number for part in value for number in flattened(part)]
        case dict():
            return [number for part in value.values() for number in flattened(part)]
        case _:
            return []


def _is_number(outputs: Sequence[str]) -> bool:
    return len(outputs) == 1 and outputs[0] in NUMBERS


def _is_boolean(outputs: Sequence[str]) -> bool:
    return len(outputs) == 1 and outputs[0] in _BOOLEANS


def _is_cid(abi: Abi, types: Sequence[str]) -> bool:
    """Whether these types can hold a CID: one text, one list of felts, or one or two felts."""
    if len(types) != 1:
        return len(types) == 2 and all(kind in WORDS for kind in types)
    if types[0] in ("ByteArray", *WORDS):
        return True
    inner = element(types[0])
    return inner in WORDS if inner is not None else _is_pair(abi, types[0])


def _is_pair(abi: Abi, kind: str) -> bool:
    inner = parts(kind) if kind.startswith("(") else [member.type for member in abi.structs.get(kind, ())]
    return len(inner) == 2 and all(part in WORDS for part in inner)
