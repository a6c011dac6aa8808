"""Before a claim binds money, two nodes must show the same terms, at a plausible time."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest
import structlog
from tests.fakes.chain import CLASS_HASH, REGISTRY, TOKEN, FakeChain, FakeSender
from tests.fakes.registry import FakeRegistry, Shared
from tests.ports.registry_world import CID

from veriframe.adapters.starknet.cairo.codec import Value
from veriframe.adapters.starknet.contract.contract import Question
from veriframe.adapters.starknet.job_registry.moves import TERMS_CHANGED
from veriframe.adapters.starknet.job_registry.registry import StarknetRegistry
from veriframe.adapters.starknet.rpc.endpoints import EndpointAnswer
from veriframe.adapters.starknet.trust.head_clock import HeadClock
from veriframe.adapters.starknet.trust.trust import Trust
from veriframe.errors import MoveRefused, RegistryUnavailable
from veriframe.model.registry.job import Address, JobState, Terms
from veriframe.ports.registry import read_job

CREATOR, WORKER = 0xC, 0xD
R, B = 100, 10
OTHER_CID = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"


class Node(FakeChain):
    """One endpoint's view: it lies as the test sets it, and may lag."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self.terms: dict[str, Value] = {}
        self.order: dict[str, Value] = {}
        self.seconds = self.blocks = 0
        self.hides = False
        self.state: tuple[str, list[Value]] | None = None

    async def _look(self, reader: FakeRegistry, first: int, count: int, with_orders: bool) -> Value:
        answer: Any = await super()._look(reader, first, count, with_orders)
        answer["block"] += self.blocks
        answer["now"] += self.seconds
        if self.hides:
            answer["jobs"], answer["orders"] = [], []
        orders = [{**one, **self.order, "terms": {**one["terms"], **self.terms}} for one in answer["orders"]]
        jobs = [{**one, **({"state": self.state} if self.state else {})} for one in answer["jobs"]]
        return {**answer, "orders": orders, "jobs": jobs}


class Nodes:
    """The endpoints of STARKNET_RPC: the first one available answers."""

    def __init__(self, *nodes: Node) -> None:
        self.nodes = {f"{number}. node": node for number, node in enumerate(nodes, 1)}
        self.away: set[str] = set()
        self.asked: list[str] = []

    @property
    def names(self) -> Sequence[str]:
        """Their names."""
        return list(self.nodes)

    async def ask(self, calls: Sequence[Question], *, but: Collection[str] = ()) -> EndpointAnswer:
        """Asks the first one that may be asked."""
        for name, node in self.nodes.items():
            if name not in but and name not in self.away:
                self.asked.append(name)
                return EndpointAnswer(name, await node.batch(calls))
        raise RegistryUnavailable("No StarkNet node answers.")

    def distrust(self, name: str) -> None:
        """Stops asking an endpoint."""
        self.away.add(name)

    async def batch(self, calls: Sequence[Question]) -> Sequence[Any]:
        """As any node."""
        return (await self.ask(calls)).results

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """As any node."""
        return await next(n for name, n in self.nodes.items() if name not in self.away).call(method, params)


class Scene:
    """A job to claim, and a worker with several nodes."""

    def __init__(self, nodes: int, skew_seconds: float = 0) -> None:
        self.shared = Shared(strict=True)
        self.nodes = Nodes(*(Node(self.shared) for _ in range(nodes)))
        for account in (CREATOR, WORKER):
            self.shared.wallets[Address(account)] = 10_000
        self.first, *self.others = self.nodes.nodes.values()
        clock = HeadClock(skew_seconds, clock=lambda: self.shared.now)
        self.sender = FakeSender(WORKER, self.first)
        self.worker = StarknetRegistry(
            self.nodes,
            self.sender,
            REGISTRY,
            token=TOKEN,
            class_hashes={CLASS_HASH},
            trust=Trust(clock, self.nodes),
        )

    async def post(self) -> int:
        """Posts an order of one job, which the worker reads."""
        creator = FakeRegistry(CREATOR, self.shared)
        await creator.deposit(R)
        terms = Terms(
            reward_fri=R,
            bond_fri=B,
            deadline=self.shared.now + 10_000,
            lease_seconds=3000,
            review_seconds=60,
            arbitration_seconds=60,
        )
        (job_id,) = await creator.create_order(CID, terms, 1)
        return job_id

    async def refusal(self, job_id: int) -> str:
        """Returns why the claim fails, and checks that nothing was signed."""
        with pytest.raises(RegistryUnavailable) as raised:
            await self.worker.claim(job_id)
        assert self.sender.sent == []
        return str(raised.value)

    def is_claimed(self, job_id: int) -> bool:
        """Whether the worker has the job."""
        job = self.shared.jobs[job_id]
        return job.state is JobState.CLAIMED and job.worker == WORKER


LIES = [
    ({"bond": B * 1000}, {}),
    ({"reward": R * 1000}, {}),
    ({"arbiter": 0xBAD}, {}),
    ({"lease": 2999}, {}),
    ({"deadline": 2**40}, {}),
    ({}, {"creator": 0xBAD}),
    ({}, {"asset_cid": OTHER_CID.encode()}),
]


@pytest.mark.parametrize(("terms", "order"), LIES)
@pytest.mark.parametrize("liar", [0, 1])
async def test_different_terms_from_two_nodes_are_not_signed(
    terms: dict[str, Value], order: dict[str, Value], liar: int
) -> None:
    """fault_98: whichever lies; the message names both and the difference."""
    scene = Scene(2)
    job_id = await scene.post()
    lying = list(scene.nodes.nodes.values())[liar]
    lying.terms, lying.order = terms, order
    with structlog.testing.capture_logs() as lines:
        message = await scene.refusal(job_id)
    assert "1. node" in message
    assert "2. node" in message
    (line,) = [line for line in lines if line["event"] == "nodes_differ"]
    assert line["distrusted"] is None
    lying.terms, lying.order = {}, {}
    await scene.worker.claim(job_id)
    assert scene.is_claimed(job_id)


@pytest.mark.parametrize("liar", [0, 1])
async def test_a_third_node_decides_which_one_lies(liar: int) -> None:
    """fault_98: that one is not asked again, and the next attempt claims."""
    scene = Scene(3)
    job_id = await scene.post()
    list(scene.nodes.nodes.values())[liar].terms = {"bond": 1}
    message = await scene.refusal(job_id)
    assert f"{liar + 1}. node is not queried" in message
    assert scene.nodes.away == {f"{liar + 1}. node"}
    await scene.worker.claim(job_id)
    assert scene.is_claimed(job_id)


async def test_a_job_that_one_node_invents_is_not_claimed() -> None:
    """fault_98: the other node is at the same block, but does not have it."""
    scene = Scene(2)
    job_id = await scene.post()
    scene.others[0].hides = True
    assert f"only one shows job {job_id}" in await scene.refusal(job_id)


async def test_a_claim_costs_one_request_more() -> None:
    """With several nodes; with one it costs none."""
    scenes = [Scene(1), Scene(2)]
    for scene in scenes:
        job_id = await scene.post()
        await scene.worker.snapshot(job_id, 1)
        scene.nodes.asked.clear()
        await scene.worker.claim(job_id)
    assert [scene.nodes.asked for scene in scenes] == [["1. node"], ["1. node", "2. node"]]


async def test_no_claim_without_a_second_node() -> None:
    """fault_98: otherwise a liar would only need an outage of the others. Submissions continue."""
    scene = Scene(2)
    job_id = await scene.post()
    scene.nodes.away = {"2. node"}
    message = await scene.refusal(job_id)
    assert "STARKNET_RPC" in message
    assert "only 1. node answers now" in message
    scene.nodes.away = set()
    await scene.worker.claim(job_id)
    scene.nodes.away = {"2. node"}
    await scene.worker.submit_result(job_id, OTHER_CID)
    assert scene.shared.jobs[job_id].state is JobState.SUBMITTED


async def test_a_node_a_few_blocks_behind_is_not_a_liar() -> None:
    """It shows an earlier state: the terms are the same, and the newer block counts."""
    scene = Scene(2)
    job_id = await scene.post()
    scene.first.blocks, scene.first.seconds = -3, -9
    scene.first.state = ("Claimed", [])
    await scene.worker.claim(job_id)
    assert scene.is_claimed(job_id)


async def test_the_newer_block_decides_whether_a_claim_is_legal() -> None:
    """The second node has a newer state than the first: refused by its rule, as in any lost race."""
    scene = Scene(2)
    job_id = await scene.post()
    scene.first.blocks = -1
    scene.others[0].state = ("Submitted", [])
    with pytest.raises(MoveRefused) as raised:
        await scene.worker.claim(job_id)
    assert (raised.value.rule, scene.sender.sent) == ("NOT_OPEN", [])


@pytest.mark.parametrize(("blocks", "hides"), [(11, False), (1, True)])
async def test_a_lagging_node_delays_the_claim(blocks: int, hides: bool) -> None:
    """Too far behind, or at a block before the job; no node is distrusted."""
    scene = Scene(2)
    job_id = await scene.post()
    scene.first.blocks, scene.others[0].hides = blocks, hides
    with structlog.testing.capture_logs() as lines:
        assert "lags" in await scene.refusal(job_id)
    assert [line for line in lines if line["event"] == "nodes_differ"] == []


@pytest.mark.parametrize(("blocks", "seconds"), [(0, 60), (0, -60), (-1, 60)])
async def test_a_block_with_two_times_is_a_lie(blocks: int, seconds: int) -> None:
    """fault_98: the same block with another time, or an older block with a later time."""
    scene = Scene(2)
    job_id = await scene.post()
    scene.others[0].blocks, scene.others[0].seconds = blocks, seconds
    assert "times of the blocks" in await scene.refusal(job_id)


@pytest.mark.parametrize("nodes", [1, 2])
async def test_terms_that_changed_since_they_were_shown_are_not_claimed(nodes: int) -> None:
    """fault_98: the policy checked a small bond, but the claim would bind a large one."""
    scene = Scene(nodes)
    job_id = await scene.post()
    scene.first.terms = {"bond": 1}
    assert (await read_job(scene.worker, job_id)).terms.bond_fri == 1
    scene.first.terms = {}
    with pytest.raises(MoveRefused) as raised:
        await scene.worker.claim(job_id)
    assert (raised.value.rule, scene.sender.sent) == ("TERMS_CHANGED", [])


async def test_terms_that_change_back_are_not_claimed() -> None:
    """fault_98: shown small, then large, then small again just for the claim."""
    scene = Scene(1)
    job_id = await scene.post()
    with structlog.testing.capture_logs() as lines:
        for bond in (B, 1, B, 1, B):
            scene.first.terms = {"bond": bond}
            await scene.worker.snapshot(job_id, 1)
    assert [line["event"] for line in lines] == ["order_changed"]
    with pytest.raises(MoveRefused) as refused:
        await scene.worker.claim(job_id)
    assert refused.value.rule == TERMS_CHANGED


@pytest.mark.parametrize(("nodes", "seconds"), list(itertools.product([1, 2], [601, -601])))
async def test_no_claim_at_an_implausible_time(nodes: int, seconds: int) -> None:
    """fault_98: a node ahead of or behind this machine's clock. Existing claims continue."""
    scene = Scene(nodes, skew_seconds=600)
    job_id = await scene.post()
    await scene.worker.claim(job_id)
    other = await scene.post()
    scene.sender.sent.clear()
    for node in scene.nodes.nodes.values():
        node.seconds = seconds
    assert "NTP" in await scene.refusal(other)
    facts = scene.worker.trust.facts((await scene.worker.snapshot(1, 0)).head)
    assert "NTP" in facts.time_fault
    await scene.worker.submit_result(job_id, OTHER_CID)
    assert scene.shared.jobs[job_id].state is JobState.SUBMITTED
