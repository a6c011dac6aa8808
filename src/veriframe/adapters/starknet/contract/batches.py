"""Many questions in few requests, also to a node that takes few of them in one request, or only one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from veriframe.adapters.starknet.contract.contract import Node, Question
from veriframe.errors import RegistryUnavailable

log = structlog.get_logger()

QUESTIONS_AT_ONCE = 100
"""In one request. Public nodes take from some tens to a thousand."""
REQUESTS_AT_ONCE = 16


class Batches:
    """A node's answers to any number of questions."""

    def __init__(self, node: Node) -> None:
        self._node, self._most = node, QUESTIONS_AT_ONCE
        self._turns = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def ask(self, questions: Sequence[Question]) -> list[Any]:
        """The answers in their order, as JSON; an `RpcError` where the node says that one cannot be.

        Raises `RegistryUnavailable` where it does not even answer the first of them alone.
        """
        parts = [questions[at : at + self._most] for at in range(0, len(questions), self._most)]
        answered = await asyncio.gather(*map(self._ask, parts))
        return [answer for part in answered for answer in part]

    async def _ask(self, questions: Sequence[Question]) -> list[Any]:
        async with self._turns:
            try:
                return list(await self._node.batch(questions))
            except RegistryUnavailable as error:
                if len(questions) == 1:
                    raise
                first = await self._node.batch(questions[:1])
                fewer = max(1, len(questions) // 4)
                if fewer < self._most:
                    log.warning("fewer_questions_at_once", most=fewer, reason=str(error))
                self._most = min(self._most, fewer)
        return [*first, *await self.ask(questions[1:])]
