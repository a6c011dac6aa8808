"""Past events: paged, bounded, each checked, at the times of their blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from veriframe.adapters.starknet.contract.event_log import (
    CUT_OFF,
    EVENTS_MOST,
    NO_TIME,
    PAGES_MOST,
    EventLog,
    PastEvent,
)
from veriframe.adapters.starknet.rpc.envelope import RpcError

ADDRESS, NAME, OTHER = 0xA11CE, 0x77, 0x78
HEAD = 5000
KEYS = [[NAME], [7]]


def told(block: object, *keys: int, **changes: object) -> dict[str, Any]:
    """An event as a node tells it."""
    event: dict[str, Any] = {
        "from_address": hex(ADDRESS),
        "keys": [hex(key) for key in keys or (NAME, 7)],
        "data": ["0x1"],
        "block_number": block,
    }
    return event | changes


@dataclass
class Node:
    """A node with pages of events. The time of a block is ten times its number."""

    pages: list[Any] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """A page, or the newest block."""
        if method == "starknet_getBlockWithTxHashes":
            return {"block_number": HEAD, "timestamp": HEAD * 10}
        assert method == "starknet_getEvents"
        self.asked.append((params or {})["filter"])
        answer = self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def batch(self, calls: Sequence[tuple[str, Mapping[str, Any] | None]]) -> Sequence[Any]:
        """The blocks, except hidden ones."""
        numbers = [(params or {})["block_id"]["block_number"] for _, params in calls]
        return [
            RpcError(24, "Block not found")
            if number in self.hidden
            else {"block_number": number, "timestamp": number * 10}
            for number in numbers
        ]


async def read(node: Node, since: int = 0) -> tuple[list[PastEvent], str]:
    """The events of job 7, and what is missing."""
    events, gap = await EventLog(node, ADDRESS).read(KEYS, since=since)
    return [*events], gap


async def test_events_are_told_at_the_times_of_their_blocks() -> None:
    """Over several pages, oldest first; only the wanted keys are asked for."""
    node = Node([{"events": [told(30)], "continuation_token": "more"}, {"events": [told(20)]}])
    assert await read(node) == (
        [PastEvent(200, (NAME, 7), (1,)), PastEvent(300, (NAME, 7), (1,))],
        "",
    )
    assert [one.get("continuation_token") for one in node.asked] == [None, "more"]
    assert node.asked[0]["keys"] == [[hex(NAME)], ["0x7"]]
    assert node.asked[0]["address"] == hex(ADDRESS)


@pytest.mark.parametrize("since", [1, 10, 40_000, 49_999, 50_000])
async def test_the_search_begins_shortly_before_the_first_event(since: int) -> None:
    """fault_138: a chain has millions of blocks. One request finds a block that is early enough."""
    node = Node([{"events": []}])
    await read(node, since)
    first = node.asked[0]["from_block"]["block_number"]
    assert first * 10 < since
    assert HEAD - first <= max(64, 4 * (HEAD - since // 10)) or first == 0


async def test_the_search_begins_at_the_first_block_if_the_node_shows_none() -> None:
    """It takes longer, but nothing is missed."""
    node = Node([{"events": []}], hidden=set(range(HEAD)))
    await read(node, 40_000)
    assert node.asked[0]["from_block"] == {"block_number": 0}


@pytest.mark.parametrize(
    "event",
    [
        told(30, OTHER, 7),
        told(30, NAME, 8),
        told(30, NAME),
        told(30, from_address="0x1"),
        told(30, data=["0x" + "f" * 64]),
        told(30, data=7),
        told(30, keys=["zz", "0x7"]),
        told(None),
        told(True),
        told(-1),
        told(2**70),
        {},
        None,
        "text",
    ],
)
async def test_whatever_was_not_asked_for_is_left_out(event: Any) -> None:
    """fault_59: other events, other contracts, and what is no event."""
    assert await read(Node([{"events": [event, told(31)]}])) == ([PastEvent(310, (NAME, 7), (1,))], "")


@pytest.mark.parametrize(
    "answer", ["text", None, [], {}, {"events": "text"}, {"events": [], "continuation_token": 7}]
)
async def test_answers_that_are_no_page_hold_no_events(answer: Any) -> None:
    """fault_59: no failure, and no endless reading."""
    node = Node([answer])
    assert await read(node) == ([], "")
    assert len(node.asked) == 1


async def test_endless_pages_end() -> None:
    """fault_138: the same token again, always another one, or too many events; and it is said."""
    stuck = Node([{"events": [], "continuation_token": "stuck"}])
    assert await read(stuck) == ([], CUT_OFF)
    assert len(stuck.asked) == 2
    endless = Node([{"events": [], "continuation_token": str(page)} for page in range(PAGES_MOST + 9)])
    assert await read(endless) == ([], CUT_OFF)
    assert len(endless.asked) == PAGES_MOST
    many = Node([{"events": [told(1)] * 150, "continuation_token": str(page)} for page in range(9)])
    events, gap = await read(many)
    assert (len(events), gap, len(many.asked)) == (EVENTS_MOST, CUT_OFF, 2)


async def test_events_of_blocks_that_the_node_hides_are_a_gap() -> None:
    """Nothing is told without its time, and it is said."""
    node = Node([{"events": [told(30), told(31)]}], hidden={30})
    assert await read(node) == ([PastEvent(310, (NAME, 7), (1,))], NO_TIME)


async def test_a_node_without_events_says_so() -> None:
    """As a gap, on one line; reading jobs goes on."""
    events, gap = await read(Node([RpcError(-32601, "no such\nmethod")]))
    assert events == []
    assert gap.isprintable()
    assert gap
