"""Copies elsewhere: made before a CID is handed on, waited for a while, and never at the node's expense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio
import structlog.testing
from structlog.typing import EventDict
from tests.unit.adapters.kubo.lying_node import CONTENT, Blocks, LyingNode, lying_node, repository

from veriframe.adapters.kubo.blocks.dag import BlockSource
from veriframe.adapters.kubo.replicas import replica as module
from veriframe.adapters.kubo.replicas.replica import Replica, ReplicaRefused, Spread, SpreadStore, second_node
from veriframe.adapters.kubo.replicas.retrieval import read_back
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import Code, JobRejected, SettingsError, StoreUnavailable
from veriframe.model.content.cid import Cid
from veriframe.ports.store import Pin, StoreRoom

NAME = "job-result-0x1-7"


@dataclass
class FakeReplica(Replica):
    """Keeps names; its `faults` are raised one after the other first. `tries` counts, `stuck` never ends."""

    name: str = "replica"
    faults: list[Exception] = field(default_factory=list)
    kept: list[Pin] = field(default_factory=list)
    sources: list[Path | None] = field(default_factory=list)
    tries: int = 0
    stuck: bool = False
    left: StoreRoom = field(default_factory=StoreRoom)

    async def keep(self, pin: Pin, source: Path | None) -> None:
        """Keep it, or fail."""
        self.sources.append(source)
        await self._fail()
        self.kept.append(pin)

    async def release(self, pin: Pin) -> None:
        """Release it, or fail."""
        await self._fail()
        self.kept.remove(pin)

    async def room(self) -> StoreRoom:
        """As the test says, or fail."""
        await self._fail()
        return self.left

    async def check(self) -> None:
        """Fail, if it is to."""
        await self._fail()

    async def close(self) -> None:
        """Nothing is open."""

    async def _fail(self) -> None:
        self.tries += 1
        if self.stuck:
            await asyncio.Event().wait()
        if self.faults:
            raise self.faults.pop(0)


AWAY = StoreUnavailable("It does not answer.")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "CALL_SECONDS", 0.2)


@pytest_asyncio.fixture
async def node() -> AsyncIterator[LyingNode]:
    """A node that tells the truth."""
    async with lying_node() as started:
        yield started


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """What the node believes it is given."""
    path = tmp_path / "picture.png"
    path.write_bytes(CONTENT)
    return path


def spread(
    node: LyingNode, *replicas: Replica, witnesses: tuple[BlockSource, ...] = (), required: bool = False
) -> SpreadStore:
    """A store with little patience."""
    timeouts = Spread(seconds=0.3, required=required)
    return SpreadStore(KuboStore(node.url), replicas, witnesses, timeouts)


def missing(told: list[EventDict]) -> list[tuple[str, str]]:
    """Who did not do its part, and why, as the log says it."""
    return [(line["where"], line["reason"]) for line in told if line["event"] == "copy_missing"]


async def test_what_is_added_is_kept_by_all(node: LyingNode, picture: Path) -> None:
    """fault_54: each replica has it, under the same name, before the CID is known to the caller."""
    replicas = FakeReplica(), FakeReplica()
    cid = await spread(node, *replicas).add(picture, NAME)
    assert cid == str(node.root)
    assert [[Pin(cid=cid, name=NAME)]] * 2 == [replica.kept for replica in replicas]
    assert replicas[0].sources == [picture]


async def test_a_replica_that_comes_back_is_waited_for(node: LyingNode, picture: Path) -> None:
    """fault_54: two failures, and then it keeps it: nothing is missing."""
    replica = FakeReplica(faults=[AWAY, AWAY])
    with structlog.testing.capture_logs() as told:
        await spread(node, replica, required=True).add(picture, NAME)
    assert (len(replica.kept), replica.tries, missing(told)) == (1, 3, [])


@pytest.mark.parametrize("stuck", [True, False])
async def test_a_replica_that_stays_away_loses_nothing(node: LyingNode, picture: Path, stuck: bool) -> None:
    """fault_54: after its time there is a warning that says who and why, and the result is good."""
    replica = FakeReplica(faults=[AWAY] * 10**4, stuck=stuck)
    store = spread(node, replica)
    with structlog.testing.capture_logs() as told:
        assert await store.add(picture, NAME) == str(node.root)
    why = "replica did not do its part within 0.3 seconds." if stuck else str(AWAY)
    assert missing(told) == [("replica", why)]


async def test_who_was_away_is_tried_once_the_next_time(node: LyingNode, picture: Path) -> None:
    """A replica that is gone for days does not hold up every job; once back, it is waited for again."""
    replica = FakeReplica(faults=[AWAY] * 10**4)
    store = spread(node, replica)
    await store.add(picture, NAME)
    before = replica.tries
    await store.add(picture, NAME)
    assert replica.tries == before + 1
    replica.faults = []
    await store.add(picture, NAME)
    replica.faults = [AWAY]
    await store.add(picture, NAME)
    assert len(replica.kept) == 2


async def test_a_required_replica_that_stays_away_is_unavailable(node: LyingNode, picture: Path) -> None:
    """fault_54: the CID is not handed on; the same again, later, is one upload more and no harm."""
    replica = FakeReplica(faults=[AWAY] * 10**4)
    store = spread(node, replica, FakeReplica(), required=True)
    with pytest.raises(StoreUnavailable, match=r"not on all others.*replica_required.*does not answer"):
        await store.add(picture, NAME)
    replica.faults = []
    assert await store.add(picture, NAME) == str(node.root)


async def test_a_refusal_is_not_repeated(node: LyingNode, picture: Path) -> None:
    """A wrong token stays wrong: one try, one warning."""
    replica = FakeReplica(faults=[ReplicaRefused("It refuses the token.")])
    with structlog.testing.capture_logs() as told:
        await spread(node, replica).add(picture, NAME)
    assert (replica.tries, missing(told)) == (1, [("replica", "It refuses the token.")])


async def test_pins_follow_and_are_released_everywhere(node: LyingNode, picture: Path) -> None:
    """fault_56: a second name, and its end; a replica that was away hears of the end later."""
    replica = FakeReplica()
    store = spread(node, replica)
    cid = await store.add(picture, NAME)
    await store.pin(Pin(cid=cid, name="job-result-0x1-8"))
    assert replica.sources == [picture, None]
    replica.faults = [AWAY]
    await store.unpin(Pin(cid=cid, name=NAME))
    assert len(replica.kept) == 2
    await store.unpin(Pin(cid=cid, name="job-result-0x1-8"))
    assert replica.kept == []


FULL = StoreRoom(free_bytes=10, held_bytes=5, remedy="Mend it.")


async def test_required_copies_need_room_too(node: LyingNode) -> None:
    """fault_87: the least of all counts, and whose it is; not one that does not tell, or need not have it."""
    node.replies["repo/stat"] = repository(1000, 4000)
    for replicas, required, free_bytes, remedy in (
        ([FakeReplica(left=FULL)], True, 10, "At replica: Mend it."),
        ([FakeReplica(left=FULL)], False, 3000, ""),
        ([FakeReplica(), FakeReplica(left=replace(FULL, free_bytes=5000))], True, 3000, ""),
        ([FakeReplica(faults=[AWAY])], False, 3000, ""),
    ):
        room = await spread(node, *replicas, required=required).room()
        assert (room.free_bytes, room.held_bytes) == (free_bytes, 1000)
        assert room.remedy.startswith(remedy)
    with pytest.raises(StoreUnavailable):
        await spread(node, FakeReplica(faults=[AWAY]), required=True).room()


async def test_a_node_without_a_limit_has_what_a_copy_has(node: LyingNode) -> None:
    """fault_87: where the node tells no limit, only the replica's counts."""
    node.replies["repo/stat"] = repository(1000, 2**64 - 1)
    assert (await spread(node, required=True).room()).free_bytes is None
    assert (await spread(node, FakeReplica(left=FULL), required=True).room()).free_bytes == 10


async def test_renamed_pins_follow_everywhere(node: LyingNode, picture: Path) -> None:
    """fault_91: the new name first, then the old one's end."""
    replica = FakeReplica()
    store = spread(node, replica)
    cid = await store.add(picture, NAME)
    await store.pin(Pin(cid=cid, name="job-result-SN_MAIN-0x1-0x1-7"))
    await store.unpin(Pin(cid=cid, name=NAME))
    assert replica.kept == [Pin(cid=cid, name="job-result-SN_MAIN-0x1-0x1-7")]


async def test_a_stuck_release_ends(node: LyingNode) -> None:
    """A job's end does not wait for a replica that hangs."""
    replica = FakeReplica(stuck=True)
    await asyncio.wait_for(spread(node, replica).unpin(Pin(cid=str(node.root), name=NAME)), 5)


async def test_each_replica_says_whether_it_would_serve(node: LyingNode) -> None:
    """One that is away, or hangs, has a sentence; one that serves has none."""
    replicas = FakeReplica("a"), FakeReplica("b", faults=[AWAY]), FakeReplica("c", stuck=True)
    assert await spread(node, *replicas).reach() == {
        "a": "",
        "b": "It does not answer.",
        "c": "It says nothing within 0.2 seconds.",
    }


async def test_a_second_node_is_reached_if_its_api_is() -> None:
    """A port that is closed is none."""
    async with lying_node() as second:
        replica = second_node(second.url, None)
        await replica.check()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await replica.check()
    await replica.close()


async def test_it_is_read_back_from_a_witness(node: LyingNode, picture: Path) -> None:
    """fault_54: every block, from another source, right to the byte."""
    witness = Counting(dict(node.blocks))
    with structlog.testing.capture_logs() as told:
        await spread(node, witnesses=(witness,)).add(picture, NAME)
    assert set(node.blocks) == set(witness.asked)
    assert missing(told) == []


async def test_a_witness_that_lacks_or_lies_is_named(node: LyingNode, picture: Path) -> None:
    """fault_54: one block that is not there, or is another, is enough."""
    last = list(node.blocks)[2]
    lacking = {cid: block for cid, block in node.blocks.items() if cid != last}
    lying = node.blocks | {last: node.blocks[last][:-1] + b"?"}
    for blocks, why in ((lacking, "is not here"), (lying, "gives other bytes")):
        with structlog.testing.capture_logs() as told:
            await spread(node, witnesses=(Counting(blocks),)).add(picture, NAME)
        assert [(where, why in reason) for where, reason in missing(told)] == [("counting", True)]
        with pytest.raises(StoreUnavailable, match=why):
            await spread(node, witnesses=(Counting(blocks),), required=True).add(picture, NAME)


async def test_a_witness_finds_it_after_a_while(node: LyingNode, picture: Path) -> None:
    """fault_54: a gateway may learn of new content a little later; it is asked again."""
    witness = Counting(dict(node.blocks), absences=2)
    await spread(node, witnesses=(witness,), required=True).add(picture, NAME)


async def test_a_second_node_gets_the_bytes_and_gives_them_back(node: LyingNode, picture: Path) -> None:
    """fault_54: added there by its own upload, and read back block by block."""
    async with lying_node() as second:
        store = spread(node, second_node(second.url, None), required=True)
        assert await store.add(picture, NAME) == str(node.root)
        assert second.asked[:3] == ["add", "block/put", "pin/add"]
        assert second.asked.count("block/get") == len(node.blocks)
        second.blocks.popitem()
        with pytest.raises(StoreUnavailable, match="could not find it"):
            await store.add(picture, NAME)
        await store.close()


async def test_reading_back_ends_what_it_asked_for(node: LyingNode) -> None:
    """Cancelled in the middle, nothing of it goes on."""
    witness = Counting(dict(node.blocks), stuck=True)
    task = asyncio.create_task(read_back(node.root, witness))
    await asyncio.wait_for(witness.begun.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {task.get_name() for task in asyncio.all_tasks()} == {asyncio.current_task().get_name()}  # type: ignore[union-attr]


def test_an_address_that_is_none_names_its_setting() -> None:
    """fault_78: not IPFS_API, which is right."""
    with pytest.raises(SettingsError, match="ipfs_replica_api is 'nowhere'"):
        second_node("nowhere", None)


class Counting(Blocks):
    """Blocks, with what was asked for; the first `absences` questions find nothing."""

    def __init__(self, blocks: dict[str, bytes], *, absences: int = 0, stuck: bool = False) -> None:
        super().__init__(blocks)
        self.asked: list[str] = []
        self.begun = asyncio.Event()
        self._absences, self._stuck = absences, stuck

    async def block(self, cid: Cid, limit_bytes: int) -> bytes:
        """A block, or not yet."""
        self.asked.append(str(cid))
        if len(self.asked) <= self._absences:
            raise JobRejected(Code.NOT_FOUND, f"{cid} is not here.")
        self.begun.set()
        if self._stuck:
            await asyncio.Event().wait()
        return await super().block(cid, limit_bytes)
