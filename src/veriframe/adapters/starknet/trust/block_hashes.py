"""The hash of an accepted block. It draws what is verified, so a single lying node must not choose it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from veriframe.adapters.starknet.cairo.codec import PRIME
from veriframe.adapters.starknet.contract.contract import Node, Question
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.adapters.starknet.trust.witnesses import Witnesses
from veriframe.errors import RegistryUnavailable
from veriframe.model.text import printable

log = structlog.get_logger()

SECOND_SECONDS = 10.0
"""How long the second and the third endpoint may take."""

_BLOCK_NOT_FOUND = 24
_ACCEPTED = ("ACCEPTED_ON_L2", "ACCEPTED_ON_L1")
_LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class _Told:
    endpoint: str
    hash: int | None


class BlockHashes:
    """Hashes of blocks by number. Without `witnesses`, or with one endpoint, that endpoint is trusted."""

    def __init__(self, node: Node, witnesses: Witnesses | None = None) -> None:
        self._node = node
        self._witnesses = witnesses if witnesses is not None and len(witnesses.names) > 1 else None

    async def read(self, number: int) -> int | None:
        """The hash of a block; None until it is accepted, and until both endpoints have it.

        Raises `RegistryUnavailable`, also if two endpoints show different hashes.
        """
        if not 0 <= number <= _LARGEST_NUMBER:
            return None
        if self._witnesses is None:
            return _hash_in((await self._node.batch([_question(number)]))[0], number)
        first = await _ask(self._witnesses, number)
        try:
            async with asyncio.timeout(SECOND_SECONDS):
                second = await _ask(self._witnesses, number, first.endpoint)
        except (RegistryUnavailable, TimeoutError) as error:
            raise RegistryUnavailable(
                f"The hash of block {number} needs two nodes, but only {first.endpoint} answers now"
                f" ({error or 'not in time'}). Repair the others, or remove them from STARKNET_RPC."
            ) from error
        if first.hash is None or second.hash is None:
            return None  # A node may be a block behind.
        if first.hash != second.hash:
            raise await _difference(self._witnesses, number, first, second)
        return first.hash


async def _ask(witnesses: Witnesses, number: int, *but: str) -> _Told:
    answered = await witnesses.ask([_question(number)], but=but)
    return _Told(answered.endpoint, _hash_in(answered.results[0], number))


async def _difference(witnesses: Witnesses, number: int, first: _Told, second: _Told) -> RegistryUnavailable:
    """The error for two hashes. An endpoint that a third one contradicts is not asked for an hour."""
    names, odd = [first.endpoint, second.endpoint], None
    if len(witnesses.names) > 2:
        try:
            async with asyncio.timeout(SECOND_SECONDS):
                third = await _ask(witnesses, number, *names)
        except (RegistryUnavailable, TimeoutError):
            third = _Told("", None)
        if third.hash in (first.hash, second.hash):
            odd = second.endpoint if third.hash == first.hash else first.endpoint
            witnesses.distrust(odd)
    log.error("nodes_differ", endpoints=names, reason=f"hashes of block {number}", distrusted=odd)
    left = f" {odd} is not queried for an hour." if odd else ""
    return RegistryUnavailable(
        f"The nodes {names[0]} and {names[1]} show different hashes of block {number}: nothing is drawn from"
        f" it.{left} Remove the wrong one from STARKNET_RPC, or add a third."
    )


def _question(number: int) -> Question:
    return "starknet_getBlockWithTxHashes", {"block_id": {"block_number": number}}


def _hash_in(answer: object, number: int) -> int | None:
    """The hash in a node's answer; None for a block that is unknown or not accepted yet."""
    if isinstance(answer, RpcError):
        if answer.code == _BLOCK_NOT_FOUND:
            return None
        why = printable(str(answer), 200)
        raise RegistryUnavailable(f"The node does not show block {number}: {why}.") from answer
    if isinstance(answer, dict) and answer.get("status") not in _ACCEPTED:
        return None
    try:
        found = int(answer["block_hash"], 16)  # type: ignore[index]
        if answer["block_number"] != number or not 0 < found < PRIME:  # type: ignore[index]
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise RegistryUnavailable(
            f"The node's answer for block {number} is not that block. Use another node in STARKNET_RPC."
        ) from None
    return found
