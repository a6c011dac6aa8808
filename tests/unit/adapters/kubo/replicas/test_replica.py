"""Copies elsewhere: made before a CID is used, waited for with a limit, and never at the node's expense."""

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
    """Keeps pins; first raises its `faults` in turn. `tries` counts calls; with `stuck` no call ends."""

    name: str = "replica"
    faults: list[Exception] = field(default_factory=list)
    kept: list[Pin] = field(default_factory=list)
    sources: list[Path | None] = field(default_factory=list)
    tries: int = 0
    stuck: bool = False
    left: StoreRoom = field(default_factory=StoreRoom)

    async def keep(self, pin: Pin, source: Path | None) -> None:
        """Keeps it, or fails."""
        self.sources.append(source)
        await self._fail()
        self.kept.append(pin)

    async def release(self, pin: Pin) -> None:
        """Releases it, or fails."""
        await self._fail()
        self.kept.remove(pin)

    async def room(self) -> StoreRoom:
        """Returns what the test says, or fails."""
        await self._fail()
        return self.left

    async def check(self) -> None:
        """Fails, if it is to."""
        await self._fail()

    async def close(self) -> None:
        """Nothing is open."""

    async def _fail(self) -> None:
        self.tries += 1
        if self.stuck:
            await asyncio.Event().wait()
        if self.faults:
            raise self.faults.pop(0)


UNAVAILABLE = StoreUnavailable("It does not answer.")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(module, "CALL_SECONDS", 0.2)


@pytest_asyncio.fixture
async def node() -> AsyncIterator[LyingNode]:
    """A node that answers correctly."""
    async with lying_node() as started:
        yield started


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """The content that the node expects."""
    path = tmp_path / "picture.png"
    path.write_bytes(CONTENT)
    return path


def spread(
    node: LyingNode, *replicas: Replica, witnesses: tuple[BlockSource, ...] = (), required: bool = False
) -> SpreadStore:
    """A store with short timeouts."""
    timeouts = Spread(seconds=0.3, required=required)
    return SpreadStore(KuboStore(node.url), replicas, witnesses, timeouts)


def missing(lines: list[EventDict]) -> list[tuple[str, str]]:
    """Returns the replicas that failed, and why, from the log."""
    return [(line["where"], line["reason"]) for line in lines if line["event"] == "copy_missing"]


async def test_additions_are_kept_by_all(node: LyingNode, picture: Path) -> None:
    """fault_54: each replica has it, under the same name, before the caller gets the CID."""
    replicas = FakeReplica(), FakeReplica()
    cid = await spread(node, *replicas).add(picture, NAME)
    assert cid == str(node.root)
    assert [[Pin(cid=cid, name=NAME)]] * 2 == [replica.kept for replica in replicas]
    assert replicas[0].sources == [picture]


async def test_a_replica_that_recovers_is_waited_for(node: LyingNode, picture: Path) -> None:
    """fault_54: after two failures it keeps the copy: nothing is missing."""
    replica = FakeReplica(faults=[UNAVAILABLE, UNAVAILABLE])
    with structlog.testing.capture_logs() as lines:
        await spread(node, replica, required=True).add(picture, NAME)
    assert (len(replica.kept), replica.tries, missing(lines)) == (1, 3, [])


@pytest.mark.parametrize("stuck", [True, False])
async def test_an_unavailable_replica_loses_nothing(node: LyingNode, picture: Path, stuck: bool) -> None:
    """fault_54: after its time a warning says which and why, and the result is good."""
    replica = FakeReplica(faults=[UNAVAILABLE] * 10**4, stuck=stuck)
    store = spread(node, replica)
    with structlog.testing.capture_logs() as lines:
        assert await store.add(picture, NAME) == str(node.root)
    why = "replica did not finish within 0.3 seconds." if stuck else str(UNAVAILABLE)
    assert missing(lines) == [("replica", why)]


async def test_a_replica_that_was_unavailable_gets_one_attempt(node: LyingNode, picture: Path) -> None:
    """A replica that is down for days does not delay every job; once back, it is waited for again."""
    replica = FakeReplica(faults=[UNAVAILABLE] * 10**4)
    store = spread(node, replica)
    await store.add(picture, NAME)
    before = replica.tries
    await store.add(picture, NAME)
    assert replica.tries == before + 1
    replica.faults = []
    await store.add(picture, NAME)
    replica.faults = [UNAVAILABLE]
    await store.add(picture, NAME)
    assert len(replica.kept) == 2


async def test_without_a_required_replica_the_store_is_unavailable(node: LyingNode, picture: Path) -> None:
    """fault_54: the CID is not returned; adding the same again later is harmless."""
    replica = FakeReplica(faults=[UNAVAILABLE] * 10**4)
    store = spread(node, replica, FakeReplica(), required=True)
    with pytest.raises(StoreUnavailable, match=r"not on all replicas.*replica_required.*does not answer"):
        await store.add(picture, NAME)
    replica.faults = []
    assert await store.add(picture, NAME) == str(node.root)


async def test_a_refusal_is_not_repeated(node: LyingNode, picture: Path) -> None:
    """A wrong token stays wrong: one attempt, one warning."""
    replica = FakeReplica(faults=[ReplicaRefused("It refuses the token.")])
    with structlog.testing.capture_logs() as lines:
        await spread(node, replica).add(picture, NAME)
    assert (replica.tries, missing(lines)) == (1, [("replica", "It refuses the token.")])


async def test_pins_follow_and_are_released_everywhere(node: LyingNode, picture: Path) -> None:
    """fault_56: a second name is pinned and released; an unavailable replica is notified later."""
    replica = FakeReplica()
    store = spread(node, replica)
    cid = await store.add(picture, NAME)
    await store.pin(Pin(cid=cid, name="job-result-0x1-8"))
    assert replica.sources == [picture, None]
    replica.faults = [UNAVAILABLE]
    await store.unpin(Pin(cid=cid, name=NAME))
    assert len(replica.kept) == 2
    await store.unpin(Pin(cid=cid, name="job-result-0x1-8"))
    assert replica.kept == []


FULL = StoreRoom(free_bytes=10, held_bytes=5, remedy="Free some disk.")


async def test_required_copies_need_room_too(node: LyingNode) -> None:
    """fault_87: the least room counts, and is named; unknown room and optional copies do not count."""
    node.replies["repo/stat"] = repository(1000, 4000)
    for replicas, required, free_bytes, remedy in (
        ([FakeReplica(left=FULL)], True, 10, "At replica: Free some disk."),
        ([FakeReplica(left=FULL)], False, 3000, ""),
        ([FakeReplica(), FakeReplica(left=replace(FULL, free_bytes=5000))], True, 3000, ""),
        ([FakeReplica(faults=[UNAVAILABLE])], False, 3000, ""),
    ):
        room = await spread(node, *replicas, required=required).room()
        assert (room.free_bytes, room.held_bytes) == (free_bytes, 1000)
        assert room.remedy.startswith(remedy)
    with pytest.raises(StoreUnavailable):
        await spread(node, FakeReplica(faults=[UNAVAILABLE]), required=True).room()


async def test_a_node_without_a_limit_has_what_a_copy_has(node: LyingNode) -> None:
    """fault_87: if the node has no limit, only the replica's counts."""
    node.replies["repo/stat"] = repository(1000, 2**64 - 1)
    assert (await spread(node, required=True).room()).free_bytes is None
    assert (await spread(node, FakeReplica(left=FULL), required=True).room()).free_bytes == 10


async def test_renamed_pins_follow_everywhere(node: LyingNode, picture: Path) -> None:
    """fault_91: first the new name is pinned, then the old one is released."""
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
    """One that is unavailable or hangs has a reason; one that serves has none."""
    replicas = FakeReplica("a"), FakeReplica("b", faults=[UNAVAILABLE]), FakeReplica("c", stuck=True)
    assert await spread(node, *replicas).reach() == {
        "a": "",
        "b": "It does not answer.",
        "c": "It did not answer within 0.2 seconds.",
    }


async def test_a_second_node_is_reachable_if_its_api_is() -> None:
    """A closed port is not."""
    async with lying_node() as second:
        replica = second_node(second.url, None)
        await replica.check()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        await replica.check()
    await replica.close()


async def test_it_is_read_back_from_a_witness(node: LyingNode, picture: Path) -> None:
    """fault_54: every block, from another source, correct to the byte."""
    witness = Counting(dict(node.blocks))
    with structlog.testing.capture_logs() as lines:
        await spread(node, witnesses=(witness,)).add(picture, NAME)
    assert set(node.blocks) == set(witness.asked)
    assert missing(lines) == []


async def test_a_witness_that_lacks_or_lies_is_named(node: LyingNode, picture: Path) -> None:
    """fault_54: one missing or wrong block is enough."""
    last = list(node.blocks)[2]
    lacking = {cid: block for cid, block in node.blocks.items() if cid != last}
    lying = node.blocks | {last: node.blocks[last][:-1] + b"?"}
    for blocks, why in ((lacking, "is not here"), (lying, "do not match")):
        with structlog.testing.capture_logs() as lines:
            await spread(node, witnesses=(Counting(blocks),)).add(picture, NAME)
        assert [(where, why in reason) for where, reason in missing(lines)] == [("counting", True)]
        with pytest.raises(StoreUnavailable, match=why):
            await spread(node, witnesses=(Counting(blocks),), required=True).add(picture, NAME)


async def test_a_witness_finds_it_after_a_while(node: LyingNode, picture: Path) -> None:
    """fault_54: a gateway may find new content a little later; it is asked again."""
    witness = Counting(dict(node.blocks), absences=2)
    await spread(node, witnesses=(witness,), required=True).add(picture, NAME)


async def test_a_second_node_gets_the_bytes_and_they_are_read_back(node: LyingNode, picture: Path) -> None:
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


async def test_reading_back_cancels_its_requests(node: LyingNode) -> None:
    """After a cancellation no task is left."""
    witness = Counting(dict(node.blocks), stuck=True)
    task = asyncio.create_task(read_back(node.root, witness))
    await asyncio.wait_for(witness.started.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert {task.get_name() for task in asyncio.all_tasks()} == {asyncio.current_task().get_name()}  # type: ignore[union-attr]


def test_an_invalid_address_names_its_setting() -> None:
    """fault_78: not IPFS_API, which is valid."""
    with pytest.raises(SettingsError, match="ipfs_replica_api is 'nowhere'"):
        second_node("nowhere", None)


class Counting(Blocks):
    """Blocks, with a record of requests; the first `absences` requests find nothing."""

    def __init__(self, blocks: dict[str, bytes], *, absences: int = 0, stuck: bool = False) -> None:
        super().__init__(blocks)
        self.asked: list[str] = []
        self.started = asyncio.Event()
        self._absences, self._stuck = absences, stuck

    async def block(self, cid: Cid, limit_bytes: int) -> bytes:
        """Returns a block, or not yet."""
        self.asked.append(str(cid))
        if len(self.asked) <= self._absences:
            raise JobRejected(Code.NOT_FOUND, f"{cid} is not here.")
        self.started.set()
        if self._stuck:
            await asyncio.Event().wait()
        return await super().block(cid, limit_bytes)
