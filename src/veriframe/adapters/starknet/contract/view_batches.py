"""Sends many questions in few requests, also to nodes that accept few questions in one request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from veriframe.adapters.starknet.contract.contract import Node, Question
from veriframe.errors import RegistryUnavailable

log = structlog.get_logger()

QUESTIONS_AT_ONCE = 100
"""The most questions in one request. Public nodes accept from some tens to a thousand."""
REQUESTS_AT_ONCE = 16


class ViewBatches:
    """Asks a node any number of questions."""

    def __init__(self, node: Node) -> None:
        self._node, self._most = node, QUESTIONS_AT_ONCE
        self._turns = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def ask(self, questions: Sequence[Question]) -> list[Any]:
        """The answers in order, as JSON, with an `RpcError` for each question that the node refuses.

        Raises `RegistryUnavailable` if it does not answer even the first question alone.
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
