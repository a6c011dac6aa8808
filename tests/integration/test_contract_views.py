"""The deployed contract's views, and its refusal of bytes that are not text."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from starknet_py.hash.selector import get_selector_from_name
from starknet_py.net.client_models import Call as ChainCall
from tests.integration.contract_pair import CID, Pair
from tests.integration.contract_world import deployed
from tests.nodes import Devnet, NodeFailed

from veriframe.model.registry.job import Terms

pytestmark = pytest.mark.slow
CREATOR, WORKER, ARBITER = 0, 1, 2
CREDIT = 10**6
SIZES = (1, 1, 3, 1, 7, 2, 1, 40, 1, 1, 5)
"""How many jobs each order has: enough orders that a job's order must be searched."""


@pytest.fixture
async def pair(fresh_devnet: Devnet) -> AsyncIterator[Pair]:
    """A new contract; creator and worker have credit."""
    async with deployed(fresh_devnet) as chain:
        pair = Pair(chain)
        for person in (CREATOR, WORKER):
            await pair.deposit(person, CREDIT)
        yield pair


def _terms(pair: Pair) -> Terms:
    return Terms(
        reward_fri=100,
        bond_fri=10,
        deadline=pair.chain.node.now() + 86400,
        lease_seconds=600,
        review_seconds=300,
        arbitration_seconds=900,
        arbiter=pair.people[ARBITER],
    )


async def test_every_job_finds_its_order(pair: Pair) -> None:
    """An untouched job has no storage cell: its order is found among many."""
    terms = _terms(pair)
    for size in SIZES:
        await pair.post(CREATOR, terms, size)
    pair.compare()
    assert [pair.people.index(pair.chain.view("get_job_creator", job_id)) for job_id in range(1, 64)] == [
        CREATOR
    ] * 63


async def test_the_classic_getters_answer_for_any_id(pair: Pair) -> None:
    """The known facts of a job; nothing for an unknown id; no worker after a lapsed claim."""
    view = pair.chain.view
    job_id = await pair.post(CREATOR, _terms(pair), 2)
    await pair.move("claim", WORKER, job_id)
    people = (pair.people[CREATOR], pair.people[WORKER])
    assert people == (view("get_job_creator", job_id), view("get_job_worker", job_id))
    assert (100, CID.encode()) == (view("get_job_reward", job_id), view("get_job_asset_cid", job_id))
    for unknown in (0, 3, 2**64 - 1):
        answers = [view(f"get_job_{name}", unknown) for name in ("creator", "worker", "reward", "asset_cid")]
        assert answers == [0, 0, 0, b""]
    slots = view("get_job_slots", 0, 2000)
    assert [slot != 0 for slot in slots] == [True, False]
    assert not view("is_barred", job_id, pair.people[WORKER])
    pair.wait_until(pair.shared.jobs[job_id].lease_end)
    assert view("get_job_worker", job_id) == 0
    assert view("get_job", job_id)["worker"] == pair.people[WORKER]
    assert view("is_barred", job_id, pair.people[WORKER])
    assert (view("get_jobs", 2**64 - 1, 200), view("get_jobs", 3, 200)) == ([], [])
    assert [job["id"] for job in view("get_jobs", 2, 200)] == [2]


async def test_views_refuse_with_their_rule(pair: Pair) -> None:
    """Unknown ids, and more than a view returns at once."""
    for function, felts, rule in (
        ("get_job", [3], b"UNKNOWN_JOB"),
        ("get_order", [0], b"UNKNOWN_ORDER"),
        ("get_order", [2**32], b"UNKNOWN_ORDER"),
        ("get_jobs", [1, 201], b"BAD_COUNT"),
        ("get_job_slots", [1, 2001], b"BAD_COUNT"),
    ):
        call = ChainCall(pair.chain.address, get_selector_from_name(function), felts)
        with pytest.raises(NodeFailed, match=rule.hex()):
            pair.chain.ask(call)


NO_TEXT: tuple[tuple[int, ...], ...] = (
    (0, 0, 0),
    (0, ord("a"), 0),
    (0, 0x6161, 1),
    (0, 2**250, 30),
    (0, 1, 31),
    (0, 1, 32),
    (5, 1, 1, 1, 1, 1, 1, 1),
    (4, 1, 1, 1, 1, 1, 5),
)
"""The number of full words, the words, the rest and its size in bytes."""


async def test_a_cid_that_is_not_text_is_refused(pair: Pair) -> None:
    """A `ByteArray` whose rest is longer than its size or than a word would break every later reader."""
    selector = get_selector_from_name("create_job")
    terms = (100, 10, pair.chain.node.now() + 86400, 600, 300, 900, 0, 0)
    for text in NO_TEXT:
        call = ChainCall(pair.chain.address, selector, [*text, *terms])
        assert (await pair.chain.send_raw(CREATOR, [call])).rule == "BAD_CID"
    good = ChainCall(pair.chain.address, selector, [0, ord("a"), 1, *terms])
    assert (await pair.chain.send_raw(CREATOR, [good])).rule == ""
    assert pair.chain.view("get_job_asset_cid", 1) == b"a"
