"""Copies elsewhere: made before a CID is used, waited for with a limit, and never at the node's expense."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import structlog.testing
from tests.unit.adapters.kubo.lying_node import LyingNode, lying_node, repository
from tests.unit.adapters.kubo.replicas.copies import NAME, UNAVAILABLE, FakeReplica, missing, spread
from tests.waiting import until

from veriframe.adapters.kubo.replicas.replica import ReplicaRefused, second_node
from veriframe.errors import SettingsError, StoreUnavailable
from veriframe.ports.store import Pin, StoreRoom


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
    why = "replica did not finish within 0.3s." if stuck else str(UNAVAILABLE)
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
    with pytest.raises(StoreUnavailable, match="replica_required"):
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


class SlowReplica(FakeReplica):
    """Its first release waits for `gate`, and then fails."""

    gate = asyncio.Event()

    async def release(self, pin: Pin) -> None:
        """Releases it, or fails."""
        if not self.gate.is_set():
            self.tries += 1
            await self.gate.wait()
            raise UNAVAILABLE
        await super().release(pin)


async def test_releases_at_the_same_time_are_both_made(node: LyingNode, picture: Path) -> None:
    """One that failed while another was under way is not forgotten."""
    replica = SlowReplica()
    replica.gate = asyncio.Event()
    store = spread(node, replica)
    cid = await store.add(picture, NAME)
    names = [NAME, "job-result-0x1-8", "job-result-0x1-9"]
    for name in names[1:]:
        await store.pin(Pin(cid=cid, name=name))
    unpins = [asyncio.create_task(store.unpin(Pin(cid=cid, name=name))) for name in names[:2]]
    await until(lambda: replica.tries >= len(names) + 2)  # both releases are under way then
    replica.gate.set()
    await asyncio.gather(*unpins)
    await store.unpin(Pin(cid=cid, name=names[2]))
    assert replica.kept == []


FULL = StoreRoom(free_bytes=10, held_bytes=5, remedy="Free some disk.")


async def test_required_copies_need_room_too(node: LyingNode) -> None:
    """fault_87: the least room counts, and is named; unknown room and optional copies do not count."""
    node.replies["repo/stat"] = repository(1000, 4000)
    for replicas, required, free_bytes, remedy in (
        ([FakeReplica(left=FULL)], True, 10, FULL.remedy),
        ([FakeReplica(left=FULL)], False, 3000, ""),
        ([FakeReplica(), FakeReplica(left=replace(FULL, free_bytes=5000))], True, 3000, ""),
        ([FakeReplica(faults=[UNAVAILABLE])], False, 3000, ""),
    ):
        room = await spread(node, *replicas, required=required).room()
        assert (room.free_bytes, room.held_bytes) == (free_bytes, 1000)
        assert remedy in room.remedy
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
    (check,) = spread(node, *replicas).checks()
    assert await check.tell() == {
        "a": "",
        "b": "It does not answer.",
        "c": "It did not answer within 0.2s.",
    }


async def test_a_second_node_is_reachable_if_its_api_is() -> None:
    """A closed port is not."""
    async with lying_node() as second:
        replica = second_node(second.url, None)
        await replica.check()
    with pytest.raises(StoreUnavailable):
        await replica.check()
    await replica.close()


def test_an_invalid_address_names_its_setting() -> None:
    """fault_78: not IPFS_API, which is valid."""
    with pytest.raises(SettingsError, match=r"ipfs_replica_api.*“nowhere”"):
        second_node("nowhere", None)
