"""Copies on real nodes: on a second Kubo, at a pinning service, and read back through a real gateway."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog.testing
from tests.nodes import Kubo, kubo
from tests.pinning import TOKEN, pinning_service

from veriframe.adapters.kubo.gateways.gateway import Gateways
from veriframe.adapters.kubo.node.api import KuboApi
from veriframe.adapters.kubo.node.swarm import Swarm
from veriframe.adapters.kubo.replicas.pinning_service import PinningService
from veriframe.adapters.kubo.replicas.replica import second_node
from veriframe.adapters.kubo.replicas.replicated_store import ReplicatedStore, ReplicationPolicy
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import StoreUnavailable
from veriframe.ports.store import FetchLimits, Pin

pytestmark = pytest.mark.slow

NAME = "job-result-0x1-7"
CONTENT = random.Random(7).randbytes(3 * 2**20 + 11)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kubo, Kubo]]:
    """Two connected nodes."""
    folder = tmp_path_factory.mktemp("kubos")
    with kubo(folder / "one", offline=False) as one, kubo(folder / "two", offline=False) as two:
        one.swarm_connect(two)
        yield one, two


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file of many blocks."""
    path = tmp_path / "picture.png"
    path.write_bytes(CONTENT)
    return path


async def test_a_second_node_keeps_it_when_the_first_has_lost_it(
    nodes: tuple[Kubo, Kubo], picture: Path, tmp_path: Path
) -> None:
    """fault_54, fault_56: pinned on both by name; after the first node's loss the second one serves it."""
    one, two = nodes
    store = ReplicatedStore(
        KuboStore(one.api_url),
        [second_node(two.api_url, None)],
        [],
        ReplicationPolicy(seconds=60, required=True),
    )
    cid = await store.add(picture, NAME)
    assert f"veriframe:{cid}:{NAME}" in two.run("pin", "ls", "--names", "--type=recursive").decode()
    await store.node.unpin(Pin(cid=cid, name=NAME))
    one.run("repo", "gc")
    two.run("repo", "gc")
    assert (await store.fetch(cid, tmp_path / "back", FetchLimits(file_bytes=2**30))).size_bytes == len(
        CONTENT
    )
    await store.unpin(Pin(cid=cid, name=NAME))
    assert cid not in two.run("pin", "ls", "--names", "--type=recursive").decode()
    await store.close()


async def test_a_copy_without_the_file_is_fetched_from_the_network(
    nodes: tuple[Kubo, Kubo], picture: Path
) -> None:
    """fault_56: a replica that missed the upload gets the blocks from the first node when it is pinned."""
    one, two = nodes
    alone, replica = KuboStore(one.api_url), second_node(two.api_url, None)
    cid = await alone.add(_reversed(picture), NAME)
    store = ReplicatedStore(alone, [replica], [], ReplicationPolicy(seconds=60))
    with structlog.testing.capture_logs() as lines:
        await store.pin(Pin(cid=cid, name=NAME))
    assert [line["event"] for line in lines if line["event"].startswith("copy_")] == ["copy_confirmed"]
    assert f"veriframe:{cid}:{NAME}" in two.run("pin", "ls", "--names", "--type=recursive").decode()
    await store.close()


async def test_it_is_read_back_through_a_real_gateway(nodes: tuple[Kubo, Kubo], picture: Path) -> None:
    """fault_54: read back through another node's gateway; one that cannot have it fails within its time."""
    one, two = nodes
    node = KuboStore(one.api_url)
    async with Gateways([two.gateway_url], allow_private=True) as gateways:
        store = ReplicatedStore(node, [], [gateways], ReplicationPolicy(seconds=60, required=True))
        await store.add(picture, NAME)
    with kubo() as unconnected:
        async with Gateways([unconnected.gateway_url], allow_private=True) as gateways:
            store = ReplicatedStore(node, [], [gateways], ReplicationPolicy(seconds=3, required=True))
            with pytest.raises(StoreUnavailable, match="not on all replicas"):
                await store.add(picture, NAME)
    await store.close()


async def test_a_pinning_service_beside_a_real_node(nodes: tuple[Kubo, Kubo], picture: Path) -> None:
    """fault_54: it pins what the node has, under the pin's name; private addresses are not sent."""
    one, _ = nodes
    async with pinning_service() as service:
        service.polls = 1
        service.delegates = ["/dnsaddr/pins.invalid"]
        replica = PinningService(service.url, TOKEN, Swarm(KuboApi(one.api_url)))
        store = ReplicatedStore(
            KuboStore(one.api_url), [replica], [], ReplicationPolicy(seconds=60, required=True)
        )
        cid = await store.add(picture, NAME)
        assert [(cid, [])] == [(request.cid, request.origins) for request in service.requests.values()]
        await store.unpin(Pin(cid=cid, name=NAME))
        assert service.names() == []
        await store.close()


def _reversed(file: Path) -> Path:
    """Gives the file other content, which no node has yet."""
    file.write_bytes(CONTENT[::-1])
    return file
