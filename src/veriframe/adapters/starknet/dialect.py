"""How one deployed registry is spoken to, decided by the names and types in its ABI and by nothing else.

Job ids are `felt252`, `u64`, `u256` or another integer. A CID is a `ByteArray`, one short string, or
two of them, joined: as two parameters, as a tuple or struct, or as a list of felts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from veriframe.adapters.starknet.abi import Abi, Function
from veriframe.adapters.starknet.codec import (
    WORD_BYTES,
    Codec,
    Value,
    element,
    halves,
    parts,
    short_bytes,
    short_string,
)

NAMES: Mapping[str, tuple[str, ...]] = {
    "creator": ("get_job_creator",),
    "worker": ("get_job_worker",),
    "reward": ("get_job_reward",),
    "asset_cid": ("get_job_asset_cid", "get_job_asset"),
    "result_cid": ("get_job_result_cid", "get_job_result", "get_result_cid"),
    "deadline": ("get_job_deadline",),
    "counter": ("get_job_counter", "get_job_count"),
    "eligible": ("is_worker_eligible",),
    "registered": ("is_worker_registered",),
    "verified": ("is_worker_verified",),
    "get_job": ("get_job",),
    "get_jobs": ("get_jobs",),
    "claim": ("claim_job",),
    "release": ("release_job",),
    "submit": ("submit_result",),
    "finalize": ("finalize_job",),
    "register": ("register_worker",),
}
"""What we call a function, and the names by which registries have it."""

NEEDED = ("creator", "reward", "asset_cid", "submit")

_NUMBERS = ("felt252", "u8", "u16", "u32", "u64", "u128", "u256", "ContractAddress")
_WORDS = ("felt252", "bytes31")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a registry offers: `functions` by the words of `NAMES`; `missing` says why it cannot serve.

    `missing` is one clear line, and empty where the registry serves.
    """

    abi: Abi
    functions: Mapping[str, Function]
    missing: str

    def has(self, word: str) -> bool:
        """Whether the registry offers this."""
        return word in self.functions

    def name(self, word: str) -> str:
        """The function's own name. Raises `KeyError` where there is none."""
        return self.functions[word].name

    def calldata(self, word: str, *values: int | str) -> list[int]:
        """A call's felts; the last value may be a CID. Raises `ValueError` where one does not fit."""
        inputs = [field.type for field in self.functions[word].inputs]
        codec = Codec(self.abi)
        felts: list[int] = []
        for at, value in enumerate(values):
            if isinstance(value, str):
                return felts + _put_cid(codec, inputs[at:], value.encode())
            felts += codec.encode(inputs[at] if at < len(inputs) else "", value)
        if len(values) != len(inputs):
            raise ValueError(f"{self.name(word)} takes {len(inputs)} values, not {len(values)}.")
        return felts

    def number(self, word: str, answer: Sequence[int]) -> int:
        """An answer that is a number, an address or a truth. Raises `RegistryUnavailable`."""
        value = self.value(word, answer)
        return value if isinstance(value, int) else 0

    def text(self, word: str, answer: Sequence[int]) -> str:
        """An answer that is a CID. What is no UTF-8 shows as U+FFFD, which no CID has."""
        outputs = self.functions[word].outputs
        whole = outputs[0] if len(outputs) == 1 else f"({','.join(outputs)})"
        return _joined(Codec(self.abi).decode(whole, answer)).decode(errors="replace")

    def value(self, word: str, answer: Sequence[int]) -> Value:
        """An answer of any type. Raises `RegistryUnavailable` where it does not fit."""
        outputs = self.functions[word].outputs
        return Codec(self.abi).decode(outputs[0] if outputs else "()", answer)


def choose_dialect(abi: Abi) -> Dialect:
    """How to speak to a contract of this ABI. Never raises: `missing` tells what does not fit."""
    functions = {
        word: abi.functions[name] for word, names in NAMES.items() for name in names if name in abi.functions
    }
    for word in [word for word in functions if _misfit(abi, word, functions[word])]:
        if word not in NEEDED:
            # A namesake with another shape: better without it.
            del functions[word]
    faults = [
        f"{NAMES[word][0]} ({_misfit(abi, word, functions[word]) if word in functions else 'not there'})"
        for word in NEEDED
        if word not in functions or _misfit(abi, word, functions[word])
    ]
    missing = (
        f"This contract is no job registry that VeriFrame can serve: {', '.join(faults)}." if faults else ""
    )
    return Dialect(abi, functions, missing)


def _misfit(abi: Abi, word: str, function: Function) -> str:
    """Why a function cannot be used; empty where it can."""
    inputs = [field.type for field in function.inputs]
    match word:
        case "counter":
            fits = not inputs and _is_number(function.outputs)
        case "creator" | "worker" | "reward" | "deadline":
            fits = len(inputs) == 1 and inputs[0] in _NUMBERS and _is_number(function.outputs)
        case "asset_cid" | "result_cid":
            fits = len(inputs) == 1 and inputs[0] in _NUMBERS and _is_cid(abi, function.outputs)
        case "submit":
            fits = len(inputs) > 1 and inputs[0] in _NUMBERS and _is_cid(abi, inputs[1:])
        case "eligible":
            fits = len(inputs) == 2 and all(kind in _NUMBERS for kind in inputs)
            fits = fits and function.outputs == ("bool",)
        case "registered" | "verified":
            fits = inputs == ["ContractAddress"] and function.outputs == ("bool",)
        case "claim" | "finalize":
            fits = len(inputs) == 1 and inputs[0] in _NUMBERS
        case _:
            fits = True
    shape = f"({', '.join(inputs)}) -> {', '.join(function.outputs) or 'nothing'}"
    return "" if fits else f"its shape {shape} is not understood"[:200]


def _is_number(outputs: Sequence[str]) -> bool:
    return len(outputs) == 1 and outputs[0] in _NUMBERS


def _is_cid(abi: Abi, types: Sequence[str]) -> bool:
    """Whether a CID goes into these types: one text, one list of felts, or one or two felts."""
    if len(types) != 1:
        return len(types) == 2 and all(kind in _WORDS for kind in types)
    if types[0] in ("ByteArray", *_WORDS):
        return True
    inner = element(types[0])
    return inner in _WORDS if inner is not None else _is_pair(abi, types[0])


def _is_pair(abi: Abi, kind: str) -> bool:
    inner = parts(kind) if kind.startswith("(") else [member.type for member in abi.structs.get(kind, ())]
    return len(inner) == 2 and all(part in _WORDS for part in inner)


def _put_cid(codec: Codec, types: Sequence[str], cid: bytes) -> list[int]:
    if len(types) != 1:
        return list(halves(cid))
    kind = types[0]
    if kind == "ByteArray":
        return codec.encode(kind, cid)
    if kind in _WORDS:
        return [short_string(cid)]
    if element(kind) is not None:
        words = [cid[at : at + WORD_BYTES] for at in range(0, len(cid), WORD_BYTES)]
        return codec.encode(kind, [short_string(word) for word in words])
    return list(halves(cid))


def _joined(value: Value) -> bytes:
    match value:
        case bytes():
            return value
        case int():
            return short_bytes(value)
        case list():
            return b"".join(_joined(part) for part in value)
        case dict():
            return b"".join(_joined(part) for part in value.values())
        case _:
            return b""
