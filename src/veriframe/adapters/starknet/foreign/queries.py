"""Queries to a foreign registry, all at one block, sent together."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from veriframe.adapters.starknet.contract.contract import (
    CONTRACT_ERROR,
    NO_FUNCTION,
    Contract,
    Question,
    felts_of,
)
from veriframe.adapters.starknet.contract.view_batches import ViewBatches
from veriframe.adapters.starknet.foreign.dialect import Dialect
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.errors import RegistryUnavailable
from veriframe.model.registry.job import Head
from veriframe.model.text import printable

_HASH = re.compile(r"0x[0-9a-fA-F]{1,64}")

Key = tuple[str, tuple[int, ...]]
"""A word of the dialect, and its arguments."""


class BlockGone(RegistryUnavailable):
    """The queried block no longer exists, or the node has no state for it: query a newer one."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block, identified by its hash, so that all nodes answer from the same state."""

    head: Head
    hash: str
    parent: str

    @property
    def id(self) -> dict[str, str]:
        """The block id of JSON-RPC."""
        return {"block_hash": self.hash}


class Queries:
    """Queries at one block. Answers are available after `ask`; the same query may be added twice."""

    def __init__(self, contract: Contract, dialect: Dialect, block: Block) -> None:
        self._contract, self.dialect, self.block = contract, dialect, block
        self._questions: dict[Key, Question] = {}
        self._answers: dict[Key, list[int] | None] = {}

    def put(self, word: str, *values: int) -> None:
        """Adds a query, if the registry has the function. Values that do not fit their type get no answer."""
        if not self.dialect.has(word):
            return
        try:
            calldata = self.dialect.calldata(word, *values)
        except ValueError:
            return
        name = self.dialect.name(word)
        self._questions[word, values] = self._contract.question(name, calldata, self.block.id)

    async def ask(self, batches: ViewBatches, *more: Question) -> list[Any]:
        """Sends all queries. Returns the answers to `more`, as JSON or `RpcError`.

        Raises `BlockGone`, `RegistryUnavailable`.
        """
        keys = list(self._questions)
        answers = await batches.ask([*more, *(self._questions[key] for key in keys)])
        for key, answer in zip(keys, answers[len(more) :], strict=True):
            self._answers[key] = self._felts(self.dialect.name(key[0]), answer)
        return answers[: len(more)]

    def number(self, word: str, *values: int) -> int | None:
        """The answer as a number; None without an answer or after a panic. Raises `RegistryUnavailable`."""
        answer = self._answers.get((word, values))
        return None if answer is None else self.dialect.number(word, answer)

    def numbers(self, word: str, *values: int) -> list[int] | None:
        """The answer as several numbers; otherwise as `number`."""
        answer = self._answers.get((word, values))
        return None if answer is None else self.dialect.numbers(word, answer)

    def boolean(self, word: str, *values: int) -> bool | None:
        """The answer as a boolean: true if it is not 0; otherwise as `number`."""
        answer = self.number(word, *values)
        return None if answer is None else answer != 0

    def text(self, word: str, *values: int) -> str | None:
        """The answer as a CID; otherwise as `number`."""
        answer = self._answers.get((word, values))
        return None if answer is None else self.dialect.text(word, answer)

    def _felts(self, name: str, answer: object) -> list[int] | None:
        if not isinstance(answer, RpcError):
            return felts_of(answer, name)
        if answer.code in (CONTRACT_ERROR, NO_FUNCTION):
            return None  # It panics, as some registries do for unknown ids.
        raise BlockGone(f"The node answers {name} with an error: {printable(str(answer), 200)}.")


def read_block(answer: object) -> Block:
    """Parses the block in a node's answer. Raises `RegistryUnavailable` if a field is missing."""
    block = answer if isinstance(answer, dict) else {}
    number, time = block.get("block_number"), block.get("timestamp")
    digest, parent = hash_of(answer), hash_of(answer, "parent_hash")
    if type(number) is not int or type(time) is not int or digest is None or parent is None:
        raise RegistryUnavailable("The node's newest block lacks its number, time or hash. Use another node.")
    return Block(Head(number, time), digest, parent)


def hash_of(answer: object, name: str = "block_hash") -> str | None:
    """The hash in an answer, without the leading zeros that some nodes write; None if there is none."""
    digest = answer.get(name) if isinstance(answer, dict) else None
    return hex(int(digest, 16)) if isinstance(digest, str) and _HASH.fullmatch(digest) else None
