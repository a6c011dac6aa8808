"""Past events of one contract, read page by page and within bounds, with the times of their blocks.

Nodes lose events, and could invent them. So they are only told to people, and decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from veriframe.adapters.starknet.cairo.codec import PRIME
from veriframe.adapters.starknet.contract.contract import Contract, Node, Question
from veriframe.adapters.starknet.contract.view_batches import ViewBatches
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.model.registry.ledger import TIME_MAX
from veriframe.model.text import printable

PAGE = 200
"""The most events in one answer. Nodes allow about 1000."""
PAGES_MOST = 50
"""The most answers that are read. Nodes that search many blocks send empty ones in between."""
EVENTS_MOST = 200

CUT_OFF = "There are more events than are read here: the newest are missing."
NO_TIME = "The node does not show the blocks of some events: they are missing."

Keys = Sequence[Collection[int]]
"""For each place of an event's keys the values that are wanted; empty: any."""


Fits = Callable[[Sequence[int], Sequence[int]], bool]
"""Whether an event with these keys and data is wanted."""


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event in an accepted block, `at` the block's time in chain seconds; keys and data in felts."""

    at: int
    keys: tuple[int, ...]
    data: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    block: int
    keys: tuple[int, ...]
    data: tuple[int, ...]


class EventLog:
    """The events of the contract at `address`."""

    def __init__(self, node: Node, address: int) -> None:
        self._node, self._contract, self._batches = node, Contract(node, address), ViewBatches(node)

    async def read(
        self, keys: Keys, *, since: int = 0, fits: Fits = lambda _keys, _data: True
    ) -> tuple[Sequence[PastEvent], str]:
        """The events with these keys, of those that fit, from the time `since` on (chain seconds), in order.

        The text says in one sentence what is missing, or is empty. Raises `RegistryUnavailable`.
        """
        try:
            found, gap = await self._pages(keys, fits, await self._first_block(since))
        except RpcError as error:
            return (), f"The node tells no events ({printable(str(error), 100)})."
        times = await self._times({event.block for event in found})
        dated = [
            PastEvent(times[event.block], event.keys, event.data)
            for event in sorted(found, key=lambda event: event.block)
            if event.block in times
        ]
        return dated, gap or (NO_TIME if len(dated) < len(found) else "")

    async def _pages(self, keys: Keys, fits: Fits, first: int) -> tuple[list[_Found], str]:
        found: list[_Found] = []
        token: str | None = None
        for _ in range(PAGES_MOST):
            answer = await self._node.call("starknet_getEvents", {"filter": self._filter(keys, first, token)})
            found += [one for one in self._wanted(answer, keys) if fits(one.keys, one.data)]
            before, token = token, _token(answer)
            if token is None:
                return found[:EVENTS_MOST], CUT_OFF if len(found) > EVENTS_MOST else ""
            if token == before or len(found) > EVENTS_MOST:
                break
        return found[:EVENTS_MOST], CUT_OFF

    def _filter(self, keys: Keys, first: int, token: str | None) -> dict[str, object]:
        asked: dict[str, object] = {
            "from_block": {"block_number": first},
            "to_block": "latest",
            "address": hex(self._contract.address),
            "keys": [[hex(value) for value in sorted(values)] for values in keys],
            "chunk_size": PAGE,
        }
        return asked if token is None else {**asked, "continuation_token": token}

    def _wanted(self, answer: object, keys: Keys) -> list[_Found]:
        """The events of an answer that were asked for; whatever else it holds is left out."""
        listed = answer.get("events") if isinstance(answer, dict) else None
        events = (self._event(one) for one in (listed[:PAGE] if isinstance(listed, list) else ()))
        return [event for event in events if event is not None and _matches(event.keys, keys)]

    def _event(self, answer: object) -> _Found | None:
        try:
            block = answer["block_number"]  # type: ignore[index]
            keys, data = _felts(answer["keys"]), _felts(answer["data"])  # type: ignore[index]
            is_ours = int(answer["from_address"], 16) == self._contract.address  # type: ignore[index]
        except (KeyError, TypeError, ValueError):
            return None
        return _Found(block, keys, data) if is_ours and _is_number(block) else None

    async def _first_block(self, since: int) -> int:
        """A block before the time `since`, found in one request by ever larger steps back; 0 if in doubt."""
        newest = await self._contract.newest_block()
        head = newest.get("block_number") if isinstance(newest, dict) else None
        if since <= 0 or not _is_number(head):
            return 0
        steps = range(3, head.bit_length() // 2 + 1)
        times = await self._times([head - 4**step for step in steps if head >= 4**step])
        return max((block for block, time in times.items() if time < since), default=0)

    async def _times(self, blocks: Collection[int]) -> dict[int, int]:
        """The times of those of these blocks that the node shows."""
        asked: list[Question] = [
            ("starknet_getBlockWithTxHashes", {"block_id": {"block_number": block}}) for block in blocks
        ]
        answers = await self._batches.ask(asked) if asked else []
        return {
            block: answer["timestamp"]
            for block, answer in zip(blocks, answers, strict=True)
            if isinstance(answer, dict) and _is_number(answer.get("timestamp"), TIME_MAX)
        }


def _token(answer: object) -> str | None:
    token = answer.get("continuation_token") if isinstance(answer, dict) else None
    return token if isinstance(token, str) and token else None


def _matches(found: Sequence[int], keys: Keys) -> bool:
    if len(found) < len(keys):
        return False
    return all(not values or key in values for key, values in zip(found, keys, strict=False))


def _felts(values: Sequence[str]) -> tuple[int, ...]:
    felts = tuple(int(value, 16) for value in values)
    if not all(0 <= felt < PRIME for felt in felts):
        raise ValueError("not a felt")
    return felts


def _is_number(value: object, most: int = 2**63) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= most
