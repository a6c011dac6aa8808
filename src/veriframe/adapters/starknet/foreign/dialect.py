"""How to call a deployed registry, decided only by the names and types in its ABI.

Job ids are `felt252`, `u64`, `u256` or another integer. A CID is a `ByteArray`, one short string, or
two joined short strings: as two parameters, as a tuple or struct, or as a list of felts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from veriframe.adapters.starknet.cairo.abi import Abi, Function
from veriframe.adapters.starknet.cairo.codec import Codec, Value, short_string
from veriframe.adapters.starknet.foreign.shapes import WORDS, flattened, joined, misfit, put_cid

NAMES: Mapping[str, tuple[str, ...]] = {
    "creator": ("get_job_creator",),
    "worker": ("get_job_worker",),
    "reward": ("get_job_reward",),
    "asset_cid": ("get_job_asset_cid", "get_job_asset"),
    "result_cid": ("get_job_result_cid", "get_job_result", "get_result_cid"),
    "deadline": ("get_job_deadline",),
    "counter": ("get_job_counter", "get_job_count"),
    "eligible": ("is_worker_eligible",),
    "completed": ("is_job_completed",),
    "registered": ("is_worker_registered", "is_registered"),
    "verified": ("is_worker_verified", "is_verified"),
    "status": ("get_worker_status",),
    "minimum_reputation": ("get_minimum_reputation_for_job",),
    "paused": ("paused", "is_paused"),
    "claim": ("claim_job",),
    "release": ("release_job",),
    "submit": ("submit_result",),
    "finalize": ("finalize_job",),
    "register": ("register_worker",),
}
"""Our word for each function, and the names that registries use for it."""

NEEDED = ("creator", "reward", "asset_cid", "submit")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a registry offers: `functions` by the words of `NAMES`.

    `missing` says in one line why the registry cannot be used; it is empty if it can.
    """

    abi: Abi
    functions: Mapping[str, Function]
    missing: str

    def has(self, word: str) -> bool:
        """Whether the registry offers this."""
        return word in self.functions

    def name(self, word: str) -> str:
        """The function's own name. Raises `KeyError` if there is none."""
        return self.functions[word].name

    def calldata(self, word: str, *values: int | str) -> list[int]:
        """A call's felts; the last value may be a CID. Raises `ValueError` if a value does not fit."""
        inputs = [field.type for field in self.functions[word].inputs]
        codec = Codec(self.abi)
        felts: list[int] = []
        for at, value in enumerate(values):
            if isinstance(value, str):
                return felts + put_cid(codec, inputs[at:], value.encode())
            felts += codec.encode(inputs[at] if at < len(inputs) else "", value)
        if len(values) != len(inputs):
            raise ValueError(f"{self.name(word)} takes {len(inputs)} values, not {len(values)}.")
        return felts

    def eligible_of(self, account: int, job_id: int) -> tuple[int, int]:
        """The arguments of the eligibility check for an account and a job, in the ABI's order."""
        first, _ = self.functions["eligible"].inputs
        id_type = self.functions["creator"].inputs[0].type
        is_account = first.type == "ContractAddress" or first.type != id_type or "worker" in first.name
        return (account, job_id) if is_account else (job_id, account)

    @property
    def lets_register(self) -> bool:
        """Whether a worker can register itself through a supported function."""
        if not self.has("register"):
            return False
        try:
            self.registration("")
        except ValueError:
            return False
        return True

    def registration(self, info: str) -> list[int]:
        """The arguments that register a worker, in felts. Raises `ValueError`, with the ABI's types."""
        inputs = [field.type for field in self.functions["register"].inputs]
        match inputs:
            case []:
                return []
            case ["ByteArray"]:
                return Codec(self.abi).encode("ByteArray", info.encode())
            case [kind] if kind in WORDS:
                return [short_string(info.encode())]
        raise ValueError(f"its {self.name('register')} wants ({', '.join(inputs)})"[:200])

    def number(self, word: str, answer: Sequence[int]) -> int:
        """Decodes an answer that is a number, an address or a boolean. Raises `RegistryUnavailable`."""
        numbers = self.numbers(word, answer)
        return numbers[0] if numbers else 0

    def numbers(self, word: str, answer: Sequence[int]) -> list[int]:
        """All numbers and booleans of an answer, in order. Raises `RegistryUnavailable`."""
        return flattened(self.value(word, answer))

    def text(self, word: str, answer: Sequence[int]) -> str:
        """Decodes an answer that is a CID. Bytes that are not UTF-8 become U+FFFD, which no CID has."""
        return joined(self.value(word, answer)).decode(errors="replace")

    def value(self, word: str, answer: Sequence[int]) -> Value:
        """Decodes an answer of any type; several outputs form a list. Raises `RegistryUnavailable`."""
        outputs = self.functions[word].outputs
        whole = outputs[0] if len(outputs) == 1 else f"({','.join(outputs)})"
        return Codec(self.abi).decode(whole, answer)


def choose_dialect(abi: Abi) -> Dialect:
    """Chooses the dialect for a contract with this ABI. Never raises: `missing` says what does not fit."""
    functions: dict[str, Function] = {}
    faults: list[str] = []
    for word, names in NAMES.items():
        found = [abi.functions[name] for name in names if name in abi.functions]
        # Leave out a function of the same name with another shape.
        fitting = [function for function in found if not misfit(abi, word, function)]
        if fitting:
            functions[word] = fitting[0]
        elif word in NEEDED:
            fault = misfit(abi, word, found[0]) if found else "not there"
            faults.append(f"{found[0].name if found else names[0]} ({fault})")
    missing = (
        f"This contract is no job registry that VeriFrame can serve: {', '.join(faults)}." if faults else ""
    )
    return Dialect(abi, functions, missing)
