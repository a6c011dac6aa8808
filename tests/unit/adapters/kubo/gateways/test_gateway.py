"""Gateways: each lie is refused and named, the next gateway serves, and no private address is reached."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog.testing
from tests.assembling import assembled
from tests.gateway import Lie, LoopbackGateway
from tests.unit.adapters.kubo.blocks.vectors import SCENE, VECTORS, file_of, name_of
from tests.waiting import until

from veriframe.adapters.kubo.blocks.unixfs import MAX_BLOCK_BYTES
from veriframe.adapters.kubo.gateways.gateway import GatewayFault, GatewayLimits, Gateways
from veriframe.errors import Code, JobRejected, StoreUnavailable
from veriframe.model.content.cid import Cid, Codec

BLOCK = SCENE
CID = name_of(BLOCK, Codec.RAW)
BLOCKS = {CID: BLOCK}
OTHER_CID = name_of(b"another", Codec.RAW)
QUICK = GatewayLimits(first_byte_seconds=0.5, bytes_per_second=2_000)
SLOW = (Lie.SILENT, Lie.DRIP)

LIES = [
    (Lie.FLIPPED, GatewayFault.OTHER_BYTES),
    (Lie.SHORT, GatewayFault.OTHER_BYTES),
    (Lie.OTHER, GatewayFault.OTHER_BYTES),
    (Lie.CUT, GatewayFault.CUT_OFF),
    (Lie.ENDLESS, GatewayFault.ENDLESS),
    (Lie.DRIP, GatewayFault.SLOW),
    (Lie.HTML, GatewayFault.NOT_A_BLOCK),
    (Lie.REDIRECT, GatewayFault.REDIRECT),
    (Lie.BOMB, GatewayFault.COMPRESSED),
    (Lie.NOT_HTTP, GatewayFault.NOT_HTTP),
    (Lie.BUSY, GatewayFault.BUSY),
]
"""Faults for which a gateway is skipped, with the logged code."""

PASSED = [Lie.SILENT, Lie.LATE, Lie.BANNED, Lie.ANNOUNCED]
"""What a hostile CID can cause at an honest gateway: it says nothing about other blocks."""


def local(*gateways: LoopbackGateway, limits: GatewayLimits | None = None) -> Gateways:
    """These gateways, in this order; with short timeouts only if one of them is slow."""
    slow = any(gateway.lie in SLOW for gateway in gateways)
    chosen = limits or (QUICK if slow else GatewayLimits(bytes_per_second=2_000))
    return Gateways([gateway.url for gateway in gateways], allow_private=True, limits=chosen)


async def test_block_is_requested_correctly() -> None:
    """A good gateway is asked for the raw block, uncompressed, by the canonical CID."""
    async with LoopbackGateway(BLOCKS) as good, local(good) as gateways:
        assert await gateways.block(CID) == BLOCK
        assert [f"/ipfs/{CID}?format=raw"] == good.asked
        assert "Accept: application/vnd.ipld.raw\r\n" in good.requests[0]
        assert "Accept-Encoding: identity\r\n" in good.requests[0]


@pytest.mark.parametrize(("lie", "code"), LIES)
async def test_bad_gateway_is_skipped_and_the_next_serves(lie: Lie, code: GatewayFault) -> None:
    """fault_7, fault_50, fault_51, fault_52, fault_55: a lie costs one request; then the gateway is skipped.

    It is logged once, with a code and a reason.
    """
    with structlog.testing.capture_logs() as lines:
        await _serves_past(lie)
    assert [(code, True)] == [
        (line["code"], line["reason"].isprintable()) for line in lines if line["event"] == "gateway_left"
    ]


async def _serves_past(lie: Lie) -> None:
    async with (
        LoopbackGateway(BLOCKS) as good,
        LoopbackGateway(BLOCKS, lie, elsewhere_url=good.url) as bad,
        local(bad, good) as gateways,
    ):
        assert await gateways.block(CID) == BLOCK
        assert await gateways.block(CID) == BLOCK
        assert [len(bad.asked), len(good.asked)] == [1, 2]
        assert bad.sent_bytes < 2 * MAX_BLOCK_BYTES + 2**24  # what the kernel buffers is not read


@pytest.mark.parametrize("lie", [lie for lie, _ in LIES])
async def test_if_all_are_bad_each_is_named(lie: Lie) -> None:
    """If no gateway serves, the message names each; the job is not affected."""
    async with (
        LoopbackGateway({}) as elsewhere,
        LoopbackGateway(BLOCKS, lie, elsewhere_url=elsewhere.url) as bad,
    ):
        async with local(bad, bad) as gateways:
            for _ in range(2):
                with pytest.raises(StoreUnavailable) as caught:
                    await gateways.block(CID)
                assert str(caught.value).count("127.0.0.1: ") == 2
        assert elsewhere.asked == []


@pytest.mark.parametrize("lie", PASSED)
async def test_hostile_cid_costs_other_jobs_no_gateway(lie: Lie) -> None:
    """fault_6: after a CID that is missing, banned or oversized, gateways still serve other jobs."""
    async with LoopbackGateway(BLOCKS, lie) as slow, local(slow) as gateways:
        with pytest.raises(StoreUnavailable):
            await gateways.block(CID)
        slow.lie = Lie.NONE
        assert await gateways.block(CID) == BLOCK


async def test_slow_gateway_is_asked_last() -> None:
    """A slow gateway is asked last from then on, so that not every block waits for it."""
    async with (
        LoopbackGateway(BLOCKS, Lie.SILENT) as slow,
        LoopbackGateway(BLOCKS) as good,
        local(slow, good) as gateways,
    ):
        for _ in range(3):
            assert await gateways.block(CID) == BLOCK
        assert [len(slow.asked), len(good.asked)] == [1, 3]


async def test_gateway_that_could_not_serve_is_asked_again_after_a_rest() -> None:
    """A busy gateway is asked again later; a liar is never asked again."""
    no_rest = GatewayLimits(rest_seconds=0)
    for lie, times in ((Lie.BUSY, 2), (Lie.FLIPPED, 1)):
        async with LoopbackGateway(BLOCKS, lie) as bad, local(bad, limits=no_rest) as gateways:
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await gateways.block(CID)
            assert times == len(bad.asked)


async def test_nobody_has_it() -> None:
    """fault_6: a CID is not found only if every gateway says so."""
    async with LoopbackGateway({}) as one, LoopbackGateway({}) as two, local(one, two) as gateways:
        with pytest.raises(JobRejected) as caught:
            await gateways.block(CID)
        assert caught.value.code == Code.NOT_FOUND


async def test_one_404_is_not_enough() -> None:
    """A 404 from one gateway does not refuse a job if another gateway fails."""
    async with (
        LoopbackGateway({}) as none,
        LoopbackGateway(BLOCKS, Lie.BUSY) as busy,
        local(none, busy) as gateways,
    ):
        with pytest.raises(StoreUnavailable, match=r"404.*; .*429"):
            await gateways.block(CID)


async def test_no_gateway_and_dead_gateway() -> None:
    """Without a gateway, and with an unreachable one, the store is unavailable."""
    async with Gateways([]) as none:
        with pytest.raises(StoreUnavailable):
            await none.block(CID)
    async with LoopbackGateway({}) as gone:
        url = gone.url
    async with Gateways([url], allow_private=True) as gateways:
        with pytest.raises(StoreUnavailable):
            await gateways.block(CID)


@pytest.mark.parametrize(
    "lie",
    [
        *(lie for lie, _ in LIES if lie not in (Lie.FLIPPED, Lie.SHORT, Lie.CUT, Lie.DRIP)),
        *PASSED[:3],
        Lie.MISSING,
    ],
)
async def test_each_gateway_says_whether_it_serves(lie: Lie) -> None:
    """`doctor` asks for the empty block, which everybody has. A bad gateway is named, but not skipped."""
    async with LoopbackGateway({}) as good, LoopbackGateway({}, lie) as bad, local(good, bad) as gateways:
        reasons = await gateways.reach()
        assert reasons == await gateways.reach()
    assert reasons[good.url.removeprefix("http://")] == ""
    assert reasons[bad.url.removeprefix("http://")] != ""
    assert good.asked[0].startswith("/ipfs/bafkqaaa?format=raw")


@pytest.mark.parametrize("lie", [Lie.FLIPPED, Lie.CUT, Lie.HTML, Lie.DRIP])
async def test_file_is_assembled_despite_a_liar(lie: Lie, tmp_path: Path) -> None:
    """fault_7: a whole file is correct to the byte although the first gateway lies."""
    vector = VECTORS["deep"]
    async with (
        LoopbackGateway(vector.blocks, lie) as bad,
        LoopbackGateway(vector.blocks) as good,
        local(bad, good) as gateways,
    ):
        await assembled(vector.root, gateways, tmp_path / "got", 10_000)
        assert len(good.asked) == len(VECTORS["deep"].blocks)
    assert _content(tmp_path / "got") == SCENE


async def test_cancelled_download_ends_its_connections(tmp_path: Path) -> None:
    """Cancellation passes through, and no connection is left open."""
    root = file_of([(CID, len(BLOCK))] * 3)
    blocks: dict[Cid, bytes] = {**BLOCKS, name_of(root): root}
    async with (
        LoopbackGateway(blocks, Lie.SILENT) as silent,
        local(silent, limits=GatewayLimits()) as gateways,
    ):
        task = asyncio.create_task(assembled(name_of(root), gateways, tmp_path / "got", 10_000))
        await until(lambda: silent.asked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def _content(path: Path) -> bytes:
    return path.read_bytes()
