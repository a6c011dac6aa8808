"""Questions to a foreign registry, all of one block, asked together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from veriframe.adapters.starknet.contract.batches import Batches
from veriframe.adapters.starknet.contract.contract import CONTRACT_ERROR, NO_FUNCTION, Contract, Question
from veriframe.adapters.starknet.foreign.dialect import Dialect
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.errors import RegistryUnavailable
from veriframe.model.registry.job import Head
from veriframe.model.text import printable

_HASH = re.compile(r"0x[0-9a-fA-F]{1,64}")

Key = tuple[str, tuple[int, ...]]
"""A word of the dialect, and the values it is asked of."""


class BlockGone(RegistryUnavailable):
    """The block that was asked of is none any more, or the node keeps no state of it: ask of a newer one."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block by its hash, so that all answers are of one state, whichever node gives them."""

    head: Head
    hash: str
    parent: str

    @property
    def id(self) -> dict[str, str]:
        """As a node wants it."""
        return {"block_hash": self.hash}


class Asking:
    """What is asked of one block. Answers are there after `done`; a question may be put twice."""

    def __init__(self, contract: Contract, spoken: Dialect, block: Block) -> None:
        self._contract, self.spoken, self.block = contract, spoken, block
        self._questions: dict[Key, Question] = {}
        self._answers: dict[Key, list[int] | None] = {}

    def put(self, word: str, *values: int) -> None:
        """Ask this, where the registry has it. A value that its type cannot hold has no answer."""
        if not self.spoken.has(word):
            return
        try:
            calldata = self.spoken.calldata(word, *values)
        except ValueError:
            return
        name = self.spoken.name(word)
        self._questions[word, values] = self._contract.question(name, calldata, self.block.id)

    async def done(self, batches: Batches, *more: Question) -> list[Any]:
        """Have it all answered. Returns the answers to `more`, as JSON or `RpcError`.

        Raises `BlockGone`, `RegistryUnavailable`.
        """
        keys = list(self._questions)
        answers = await batches.ask([*more, *(self._questions[key] for key in keys)])
        for key, answer in zip(keys, answers[len(more) :], strict=True):
            self._answers[key] = self._felts(self.spoken.name(key[0]), answer)
        return answers[: len(more)]

    def number(self, word: str, *values: int) -> int | None:
        """What the registry says; None where it does not, or panics. Raises `RegistryUnavailable`."""
        answer = self._answers.get((word, values))
        return None if answer is None else self.spoken.number(word, answer)

    def numbers(self, word: str, *values: int) -> list[int] | None:
        """The same, of an answer of several."""
        answer = self._answers.get((word, values))
        return None if answer is None else self.spoken.numbers(word, answer)

    def truth(self, word: str, *values: int) -> bool | None:
        """The same, as a truth: true is whatever is not 0."""
        answer = self.number(word, *values)
        return None if answer is None else answer != 0

    def text(self, word: str, *values: int) -> str | None:
        """The same, of a CID."""
        answer = self._answers.get((word, values))
        return None if answer is None else self.spoken.text(word, answer)

    def _felts(self, name: str, answer: object) -> list[int] | None:
        if not isinstance(answer, RpcError):
            return self._contract.felts(name, answer)
        if answer.code in (CONTRACT_ERROR, NO_FUNCTION):
            return None  # It panics, as some do for what is not there.
        raise BlockGone(f"The node answers {name} with an error: {printable(str(answer), 200)}.")


def read_block(told: object) -> Block:
    """The block in a node's answer. Raises `RegistryUnavailable` where it lacks what a block has."""
    block = told if isinstance(told, dict) else {}
    number, time = block.get("block_number"), block.get("timestamp")
    digest, parent = hash_of(told), hash_of(told, "parent_hash")
    if type(number) is not int or type(time) is not int or digest is None or parent is None:
        raise RegistryUnavailable("The node's newest block lacks its number, time or hash. Use another node.")
    return Block(Head(number, time), digest, parent)


def hash_of(told: object, name: str = "block_hash") -> str | None:
    """A hash in an answer, without the zeros that some nodes write in front; None where there is none."""
    digest = told.get(name) if isinstance(told, dict) else None
    return hex(int(digest, 16)) if isinstance(digest, str) and _HASH.fullmatch(digest) else None
