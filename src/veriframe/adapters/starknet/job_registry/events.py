"""The contract's events: the jobs that a transaction changed, and a feed of jobs that may have changed.

Events are only a hint: nodes lose some, and a reorganisation reverts some. The contract's state decides.
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
"""How many blocks before the newest one are read again each time."""
CHUNK = 200
"""The most events in one answer. Nodes allow about 1000."""
PAGES_MAX = 50
"""How many pages are read in a row before the feed starts again at the newest block."""

_ID_END = 2**64
_NAMES = {
    get_selector_from_name(name): name
    for name in (
        *("OrderCreated", "JobClaimed", "JobReleased", "ClaimLapsed", "ResultSubmitted", "ResultDisputed"),
        *("DisputeResolved", "JobPaid", "JobRefunded"),
    )
}
_OWN_ONLY = frozenset({"JobClaimed", "ResultSubmitted", "JobPaid"})
"""Events that matter only for our own account: for others, the job is no longer available."""


def jobs_of(receipt: Receipt, registry: int, name: str) -> frozenset[int]:
    """The jobs in a transaction's events of this name."""
    selector = get_selector_from_name(name)
    return frozenset(
        event.keys[1]
        for event in receipt.events
        if event.from_address == registry and len(event.keys) > 1 and event.keys[0] == selector
    )


def posted_jobs(receipt: Receipt, registry: int) -> range:
    """The jobs of the order that a transaction posted; empty if it posted none."""
    selector = get_selector_from_name("OrderCreated")
    for event in receipt.events:
        if event.from_address == registry and event.keys[:1] == (selector,):
            return _new_jobs(event.data)
    return range(0)


class Feed:
    """The stream of events of the registry at `address`, filtered for the jobs of `account`."""

    def __init__(self, node: Node, address: int, account: int) -> None:
        self._node, self._address, self._account = node, address, account
        self._head = 0
        self._page: tuple[int, str, int] | None = None  # first block, the node's token, pages so far
        self._seen: dict[object, int] = {}
        self._is_refused = False

    def note_head(self, block: int) -> None:
        """Records the newest block: the next delta starts shortly before it."""
        self._head = block

    async def delta(self) -> Collection[int]:
        """The jobs in the events since the last call, by one request. Raises `RegistryUnavailable`."""
        if self._is_refused:
            return ()
        first = self._page[0] if self._page else max(0, self._head - REORG_BLOCKS)
        start: object = {"block_number": first} if self._head else "latest"
        asked: dict[str, object] = {
            "from_block": start,
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
        self._seen = {key: block for key, block in self._seen.items() if block >= first}
        return self._read(answer)

    def _refuse(self, error: RpcError) -> None:
        if self._page:
            # Tokens expire; the next call starts again without one.
            self._page = None
            return
        self._is_refused = True
        log.warning("events_unavailable", reason=str(error), remedy="all jobs are polled in turn instead")

    def _turn_page(self, first: int, answer: object) -> None:
        token = answer.get("continuation_token") if isinstance(answer, dict) else None
        before, pages = (self._page[1], self._page[2]) if self._page else ("", 0)
        has_more = isinstance(token, str) and token != before and pages < PAGES_MAX
        self._page = (first, token, pages + 1) if has_more and isinstance(token, str) else None

    def _read(self, answer: object) -> Collection[int]:
        events = answer.get("events") if isinstance(answer, dict) else None
        found: set[int] = set()
        for event in events[:CHUNK] if isinstance(events, list) else ():
            try:
                found.update(self._jobs(event))
            except (AttributeError, KeyError, TypeError, ValueError, IndexError):
                continue  # not an event; the poll that follows reads the state
        return found

    def _jobs(self, event: Mapping[str, Any]) -> Sequence[int]:
        keys = tuple(int(key, 16) for key in event["keys"])
        name = _NAMES.get(keys[0], "")
        if int(event["from_address"], 16) != self._address or not name:
            return ()
        data = tuple(int(felt, 16) for felt in event["data"])
        # The same event in another block comes from a reorganisation, so it is new.
        mark = (str(event["block_hash"]), str(event["transaction_hash"]), keys, data)
        if mark in self._seen:
            return ()
        self._seen[mark] = int(event["block_number"])
        if name == "OrderCreated":
            return _new_jobs(data)
        is_ours = keys[2] == self._account
        return (keys[1],) if keys[1] < _ID_END and (is_ours or name not in _OWN_ONLY) else ()


def _new_jobs(data: Sequence[int]) -> range:
    first, jobs = data[0], data[1]
    return range(first, first + jobs) if first < _ID_END and jobs <= JOBS_MAX else range(0)
