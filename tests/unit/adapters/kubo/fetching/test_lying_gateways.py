"""Fetching what the node lacks despite a lying gateway: another source serves, and the log says why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog.testing
from tests.gateway import Lie, LoopbackGateway
from tests.unit.adapters.kubo.fetching.hostile_folders import BLOCKS, FILES, ROOT, SIZE_BYTES, SUB, files_in
from tests.unit.adapters.kubo.lying_node import CONTENT, LyingNode, lying_node

from veriframe.adapters.kubo.fetching.timeouts import Timeouts
from veriframe.adapters.kubo.gateways.gateway import GatewayFault, GatewayLimits, Gateways
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import StoreUnavailable
from veriframe.model.content.cid import Cid, parse_cid
from veriframe.model.content.folder import FolderLimits
from veriframe.ports.store import FetchLimits

LIES = [
    (Lie.FLIPPED, GatewayFault.OTHER_BYTES),
    (Lie.SHORT, GatewayFault.OTHER_BYTES),
    (Lie.CUT, GatewayFault.CUT_OFF),
    (Lie.ENDLESS, GatewayFault.ENDLESS),
    (Lie.DRIP, GatewayFault.SLOW),
    (Lie.HTML, GatewayFault.NOT_A_BLOCK),
    (Lie.REDIRECT, GatewayFault.REDIRECT),
    (Lie.BOMB, GatewayFault.COMPRESSED),
    (Lie.OTHER, GatewayFault.OTHER_BYTES),
]
TIMEOUTS = Timeouts(lookup_seconds=2, quiet_seconds=2, away_seconds=0.3)


@pytest_asyncio.fixture
async def node() -> AsyncIterator[LyingNode]:
    """A node that has nothing. `blocks_of` returns the blocks that it would have."""
    async with lying_node() as started:
        yield started


def blocks_of(node: LyingNode) -> dict[Cid, bytes]:
    """Takes all blocks of the one file away from the node."""
    blocks = {parse_cid(cid): block for cid, block in node.blocks.items()}
    node.blocks = {}
    return blocks


@pytest.mark.parametrize(("lie", "code"), LIES)
async def test_a_file_is_fetched_despite_a_lying_gateway(
    node: LyingNode, tmp_path: Path, lie: Lie, code: GatewayFault
) -> None:
    """fault_7, fault_50, fault_51, fault_52, fault_55: logged with code and reason, and another serves."""
    blocks = blocks_of(node)
    rate = GatewayLimits(first_byte_seconds=1, bytes_per_second=200_000)
    async with (
        LoopbackGateway({}) as inside,
        LoopbackGateway(blocks, lie, elsewhere_url=inside.url) as bad,
        LoopbackGateway(blocks) as good,
        Gateways([bad.url, good.url], allow_private=True, limits=rate) as gateways,
        KuboStore(node.url, timeouts=TIMEOUTS, sources=[gateways]) as store,
    ):
        with structlog.testing.capture_logs() as lines:
            assert (
                await store.fetch(str(node.root), tmp_path / "scene", FetchLimits(file_bytes=2**20))
            ).size_bytes == len(CONTENT)
        assert inside.asked == []
    left = [line for line in lines if line["event"] == "gateway_left"]
    assert {code} == {line["code"] for line in left}
    assert all(line["reason"].startswith(("it ", "its ")) for line in left)
    assert same(tmp_path / "scene")


@pytest.mark.parametrize(("lie", "code"), LIES)
async def test_a_folder_is_fetched_despite_a_lying_gateway(
    node: LyingNode, tmp_path: Path, lie: Lie, code: GatewayFault
) -> None:
    """fault_7, fault_55: the same for a folder; with OTHER the listing is another, valid one."""
    node.blocks = {}
    rate = GatewayLimits(first_byte_seconds=1, bytes_per_second=200_000)
    async with (
        LoopbackGateway({}) as inside,
        LoopbackGateway(BLOCKS, lie, elsewhere_url=inside.url, other=SUB) as bad,
        LoopbackGateway(BLOCKS) as good,
        Gateways([bad.url, good.url], allow_private=True, limits=rate) as gateways,
        KuboStore(node.url, timeouts=TIMEOUTS, sources=[gateways]) as store,
    ):
        with structlog.testing.capture_logs() as lines:
            limits = FolderLimits(size_bytes=2**20, entries=100)
            assert (
                await store.fetch(str(ROOT), tmp_path / "folder", FetchLimits(folder=limits))
            ).size_bytes == SIZE_BYTES
        assert inside.asked == []
    assert {code} == {line["code"] for line in lines if line["event"] == "gateway_left"}
    assert files_in(tmp_path / "folder") == FILES


@pytest.mark.parametrize("lie", [lie for lie, _ in LIES])
async def test_without_an_honest_gateway_there_is_no_file(node: LyingNode, tmp_path: Path, lie: Lie) -> None:
    """The same lies without an honest gateway: one sentence that names the gateway, and no file."""
    blocks = blocks_of(node)
    async with (
        LoopbackGateway({}) as inside,
        LoopbackGateway(blocks, lie, elsewhere_url=inside.url) as bad,
        Gateways([bad.url], allow_private=True, limits=GatewayLimits(first_byte_seconds=1)) as gateways,
        KuboStore(node.url, timeouts=TIMEOUTS, sources=[gateways]) as store,
    ):
        with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1"):
            await store.fetch(str(node.root), tmp_path / "scene", FetchLimits(file_bytes=2**20))
    assert not (tmp_path / "scene").exists()


def same(file: Path) -> bool:
    """Whether a file is the requested one."""
    return file.read_bytes() == CONTENT
