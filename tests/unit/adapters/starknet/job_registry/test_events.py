"""The feed of changed jobs from a node's events. It is only a hint: no failure here may fail a poll."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from starknet_py.hash.selector import get_selector_from_name
from tests.fakes.chain import REGISTRY

from veriframe.adapters.starknet.job_registry.events import PAGES_MAX, REORG_BLOCKS, Feed
from veriframe.adapters.starknet.rpc.envelope import RpcError

ME, OTHER = 0xA, 0xB


class Node:
    """A node with events; `answer` replaces them. Records its calls."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.answer: Any = None
        self.token: str | None = None
        self.asked: list[Mapping[str, Any]] = []

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Events from a block on."""
        assert method == "starknet_getEvents"
        asked = (params or {})["filter"]
        self.asked.append(asked)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        begin = asked["from_block"]
        first = begin["block_number"] if isinstance(begin, dict) else 10**9
        answer: dict[str, Any] = {"events": [one for one in self.events if one["block_number"] >= first]}
        return answer | ({"continuation_token": self.token} if self.token else {})

    async def batch(self, calls: Sequence[tuple[str, Mapping[str, Any] | None]]) -> Sequence[Any]:
        """Not needed."""
        raise AssertionError(calls)

    def tell(self, name: str, job: int, party: int, block: int, *data: int, block_hash: str = "0xb") -> None:
        """Adds an event."""
        self.events.append(
            {
                "from_address": hex(REGISTRY),
                "keys": [hex(get_selector_from_name(name)), hex(job), hex(party)],
                "data": [hex(felt) for felt in data],
                "block_hash": block_hash,
                "block_number": block,
                "transaction_hash": hex(len(self.events)),
            }
        )


@pytest.fixture
def node() -> Node:
    """A node without events."""
    return Node()


@pytest.fixture
def feed(node: Node) -> Feed:
    """A feed that has seen block 100."""
    fed = Feed(node, REGISTRY, ME)
    fed.note_head(100)
    return fed


async def test_new_and_released_jobs_are_reported(node: Node, feed: Feed) -> None:
    """All jobs of an order, a released job, and one whose claim lapsed."""
    node.tell("OrderCreated", 7, OTHER, 101, 20, 3, 1000)
    node.tell("JobReleased", 4, OTHER, 101)
    node.tell("ClaimLapsed", 5, OTHER, 102)
    assert set(await feed.delta()) == {20, 21, 22, 4, 5}


async def test_moves_between_other_accounts_are_not_reported(node: Node, feed: Feed) -> None:
    """Their claims, submissions and payments; our own are reported."""
    for name in ("JobClaimed", "ResultSubmitted", "JobPaid"):
        node.tell(name, 1, OTHER, 101)
        node.tell(name, 2, ME, 101)
    assert set(await feed.delta()) == {2}


async def test_an_event_is_reported_once_though_it_is_read_again(node: Node, feed: Feed) -> None:
    """fault_12: the last blocks are read each time."""
    node.tell("JobReleased", 4, OTHER, 99)
    assert await feed.delta() == {4}
    feed.note_head(101)
    assert await feed.delta() == set()
    assert [asked["from_block"] for asked in node.asked] == [
        {"block_number": 100 - REORG_BLOCKS},
        {"block_number": 101 - REORG_BLOCKS},
    ]


async def test_an_event_that_a_reorganisation_moved_is_reported_again(node: Node, feed: Feed) -> None:
    """fault_11: the same move in another block may have led to another state."""
    node.tell("JobReleased", 4, OTHER, 99)
    assert await feed.delta() == {4}
    node.events[0]["block_hash"] = "0xc"
    assert await feed.delta() == {4}


async def test_a_chain_that_went_back_is_followed(node: Node, feed: Feed) -> None:
    """The next delta starts below the current head."""
    feed.note_head(50)
    node.tell("JobReleased", 4, OTHER, 45)
    assert await feed.delta() == {4}


async def test_before_any_head_only_the_newest_block_is_read(node: Node) -> None:
    """Earlier jobs are found by polling."""
    feed = Feed(node, REGISTRY, ME)
    assert await feed.delta() == set()
    assert node.asked[0]["from_block"] == "latest"


async def test_many_events_are_read_page_by_page(node: Node, feed: Feed) -> None:
    """fault_13: one page for each call; the next call continues where the last one ended."""
    node.token = "next"
    await feed.delta()
    node.token = None
    await feed.delta()
    await feed.delta()
    assert [asked.get("continuation_token") for asked in node.asked] == [None, "next", None]


async def test_a_token_that_never_advances_is_dropped(node: Node, feed: Feed) -> None:
    """The same token again is not progress."""
    node.token = "stuck"
    for _ in range(4):
        await feed.delta()
    tokens = [asked.get("continuation_token") for asked in node.asked]
    assert tokens == [None, "stuck", None, "stuck"]


async def test_endless_pages_are_dropped(node: Node, feed: Feed) -> None:
    """A node that always says that there is more."""
    for page in range(PAGES_MAX + 3):
        node.token = f"page {page}"
        await feed.delta()
    assert [asked.get("continuation_token") for asked in node.asked].count(None) == 2


async def test_an_expired_token_is_dropped(node: Node, feed: Feed) -> None:
    """The node refuses it, and the feed starts again."""
    node.token = "old"
    await feed.delta()
    node.answer, node.token = RpcError(33, "The supplied continuation token is invalid"), None
    assert list(await feed.delta()) == []
    node.answer = None
    node.tell("JobReleased", 4, OTHER, 101)
    assert await feed.delta() == {4}


async def test_a_node_without_events_is_asked_once(node: Node, feed: Feed) -> None:
    """Jobs are found by polling all in turn."""
    node.answer = RpcError(-32602, "no such method")
    for _ in range(3):
        assert list(await feed.delta()) == []
    assert len(node.asked) == 1


HOSTILE: list[Any] = [
    "text",
    {"events": "text"},
    {"events": [None, 5, {}, {"keys": []}]},
    {"events": [{"from_address": "0x1", "keys": ["0x1"], "data": []}], "continuation_token": 7},
    {"events": [{"from_address": hex(REGISTRY), "keys": ["zz"], "data": []}]},
]


@pytest.mark.parametrize("answer", HOSTILE)
async def test_values_that_are_not_events_are_skipped(node: Node, feed: Feed, answer: Any) -> None:
    """fault_59: events are only a hint."""
    node.answer = answer
    assert list(await feed.delta()) == []


async def test_a_hostile_order_cannot_name_a_million_jobs(node: Node, feed: Feed) -> None:
    """Nor ids that no job can have."""
    node.tell("OrderCreated", 1, OTHER, 101, 1, 10**9, 0)
    node.tell("OrderCreated", 2, OTHER, 101, 2**70, 1, 0)
    node.tell("JobReleased", 2**70, OTHER, 101)
    assert await feed.delta() == set()


async def test_another_contracts_events_are_skipped(node: Node, feed: Feed) -> None:
    """Whatever the node sends."""
    node.tell("JobReleased", 4, OTHER, 101)
    node.events[0]["from_address"] = "0x1"
    assert await feed.delta() == set()
