"""What the contract tells in events: which jobs a transaction touched, and a feed of jobs worth a look.

Events are a hint: nodes lose some, and a reorganisation takes some back. What counts is the contract's state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog
from starknet_py.hash.selector import get_selector_from_name

from veriframe.adapters.starknet.contract.contract import Node
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.adapters.starknet.transactions.receipt import Receipt
from veriframe.model.registry.order import JOBS_MAX

log = structlog.get_logger()

REORG_BLOCKS = 10
"""How many blocks behind the newest one are read again each time."""
CHUNK = 200
"""Events in one answer. Nodes allow 1000 or so."""
PAGES_MAX = 50
"""How often a node may say that there is more, before the feed begins anew at the newest block."""

_ID_END = 2**64
_NAMES = {
    get_selector_from_name(name): name
    for name in (
        *("OrderCreated", "JobClaimed", "JobReleased", "ClaimLapsed", "ResultSubmitted", "ResultDisputed"),
        *("DisputeResolved", "JobPaid", "JobRefunded"),
    )
}
_OWN_ONLY = frozenset({"JobClaimed", "ResultSubmitted", "JobPaid"})
"""Of interest only where they are about the own account: for others the job is gone."""


def jobs_of(receipt: Receipt, registry: int, name: str) -> frozenset[int]:
    """The jobs that a transaction's events of this name are about."""
    selector = get_selector_from_name(name)
    return frozenset(
        event.keys[1]
        for event in receipt.events
        if event.from_address == registry and len(event.keys) > 1 and event.keys[0] == selector
    )


def posted_jobs(receipt: Receipt, registry: int) -> range:
    """The jobs of the order that a transaction posted; empty where it posted none."""
    selector = get_selector_from_name("OrderCreated")
    for event in receipt.events:
        if event.from_address == registry and event.keys[:1] == (selector,):
            return _new_jobs(event.data)
    return range(0)


class Feed:
    """The events of the registry at `address` as they come; `account` is whose jobs are of interest."""

    def __init__(self, node: Node, address: int, account: int) -> None:
        self._node, self._address, self._account = node, address, account
        self._head = 0
        self._page: tuple[int, str, int] | None = None  # from where, the node's token, how many pages so far
        self._told: dict[object, int] = {}
        self._is_refused = False

    def note_head(self, block: int) -> None:
        """Somebody has seen this block: the next delta begins shortly before it."""
        self._head = block

    async def delta(self) -> Collection[int]:
        """The jobs in events since the last call, by one call of the node. Raises `RegistryUnavailable`."""
        if self._is_refused:
            return ()
        first = self._page[0] if self._page else max(0, self._head - REORG_BLOCKS)
        begin: object = {"block_number": first} if self._head else "latest"
        asked: dict[str, object] = {
            "from_block": begin,
            "to_block": "latest",
            "address": hex(self._address),
            "keys": [],
            "chunk_size": CHUNK,
        }
        if self._page:
            asked["continuation_token"] = self._page[1]
        try:
            answer = await self._node.call("starknet_getEvents", {"filter": asked})
        except RpcError as error:
            self._refuse(error)
            return ()
        self._turn_page(first, answer)
        self._told = {key: block for key, block in self._told.items() if block >= first}
        return self._read(answer)

    def _refuse(self, error: RpcError) -> None:
        if self._page:
            # A token grows old; the next call begins anew.
            self._page = None
            return
        self._is_refused = True
        log.warning("events_not_told", reason=str(error), remedy="jobs are found by looking at all in turn")

    def _turn_page(self, first: int, answer: object) -> None:
        token = answer.get("continuation_token") if isinstance(answer, dict) else None
        before, pages = (self._page[1], self._page[2]) if self._page else ("", 0)
        goes_on = isinstance(token, str) and token != before and pages < PAGES_MAX
        self._page = (first, token, pages + 1) if goes_on and isinstance(token, str) else None

    def _read(self, answer: object) -> Collection[int]:
        events = answer.get("events") if isinstance(answer, dict) else None
        found: set[int] = set()
        for event in events[:CHUNK] if isinstance(events, list) else ():
            try:
                found.update(self._jobs(event))
            except (AttributeError, KeyError, TypeError, ValueError, IndexError):
                continue  # no event; the look that follows tells the truth
        return found

    def _jobs(self, event: Mapping[str, Any]) -> Sequence[int]:
        keys = tuple(int(key, 16) for key in event["keys"])
        name = _NAMES.get(keys[0], "")
        if int(event["from_address"], 16) != self._address or not name:
            return ()
        data = tuple(int(felt, 16) for felt in event["data"])
        # The same event again in another block was put there by a reorganisation: that is news.
        mark = (str(event["block_hash"]), str(event["transaction_hash"]), keys, data)
        if mark in self._told:
            return ()
        self._told[mark] = int(event["block_number"])
        if name == "OrderCreated":
            return _new_jobs(data)
        is_ours = keys[2] == self._account
        return (keys[1],) if keys[1] < _ID_END and (is_ours or name not in _OWN_ONLY) else ()


def _new_jobs(data: Sequence[int]) -> range:
    first, jobs = data[0], data[1]
    return range(first, first + jobs) if first < _ID_END and jobs <= JOBS_MAX else range(0)
