"""Content fetched through a real node is removed from it again; content that is kept there stays."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.test_kubo_store import UP_TO, killed_during
from tests.nodes import Kubo, kubo
from tests.wire import wire

from veriframe.adapters.kubo.blocks.protobuf import bytes_field, varint_field
from veriframe.adapters.kubo.fetching.timeouts import Timeouts
from veriframe.adapters.kubo.removal.removal import read_cid
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import Code, JobRejected, StoreUnavailable
from veriframe.model.content.cid import Codec, parse_cid
from veriframe.model.content.folder import FolderLimits
from veriframe.ports.store import FetchLimits, Pin, Transfer

pytestmark = pytest.mark.slow

SCENE_BYTES = 5 * 2**20 + 7
LIMIT_BYTES = 2**30
LIMIT = FetchLimits(file_bytes=LIMIT_BYTES)
NUMBERS = itertools.count()


@dataclass(frozen=True)
class Pair:
    """Two connected nodes: a creator's (`far`), and the worker's (`node`)."""

    far: Kubo
    node: Kubo


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The same two for all tests here."""
    folder = tmp_path_factory.mktemp("kubo")
    with kubo(folder / "far", offline=False) as far, kubo(folder / "node", offline=False) as node:
        node.swarm_connect(far)
        yield Pair(far, node)


@pytest.fixture
def node(pair: Pair) -> Kubo:
    """The worker's node."""
    return pair.node


def noise(size_bytes: int = SCENE_BYTES) -> bytes:
    """Bytes that no other test has."""
    return hashlib.shake_256(f"{time.time()} {next(NUMBERS)}".encode()).digest(size_bytes)


def put(node: Kubo, content: bytes, *options: str) -> str:
    """Adds a file. Returns its CID."""
    return node.run("add", "--quieter", *options, stdin=content).decode().strip()


def held(node: Kubo) -> set[str]:
    """Returns all blocks of a node, by hash."""
    return set(node.run("refs", "local").decode().split())


async def settled(node: Kubo, before: set[str], seconds: float = 60) -> set[str]:
    """Returns the blocks that the node has gained, as soon as there are none, or after this time."""
    with suppress(TimeoutError):
        await until(lambda: held(node) <= before, seconds)
    return held(node) - before


async def until(happened: Callable[[], bool], seconds: float = 60) -> None:
    """Waits until something has happened at a node. Asks in a thread: the store goes on meanwhile."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(happened):  # noqa: ASYNC110 - nodes give no event
            await asyncio.sleep(0.05)


def link(binary_cid: bytes, size_bytes: int) -> bytes:
    """One link of a DAG-PB block."""
    return bytes_field(2, bytes_field(1, binary_cid) + bytes_field(2, b"") + varint_field(3, size_bytes))


def put_file(node: Kubo, parts: list[tuple[bytes, int]]) -> str:
    """Puts a file made of arbitrary blocks, each given by its binary CID and stated size. Returns its CID."""
    sizes = b"".join(varint_field(4, size) for _, size in parts)
    data = b"\x08\x02" + varint_field(3, sum(size for _, size in parts)) + sizes
    block = b"".join(link(*part) for part in parts) + bytes_field(1, data)
    options = ("--cid-codec=dag-pb", "--mhtype=sha2-256", "--allow-big-block")
    return node.run("block", "put", *options, stdin=block).decode().strip()


def binary(cid: str, codec: Codec) -> bytes:
    """Returns the CID, version 1, of the same block with any codec."""
    return bytes((1, codec, 0x12, 0x20)) + parse_cid(cid).digest


@pytest.mark.parametrize(
    "options", [["--cid-version=1"], ["--cid-version=0"], ["--cid-version=1", "--hash=blake2b-256"]]
)
async def test_a_fetched_scene_is_removed_from_the_node(
    pair: Pair, store: KuboStore, tmp_path: Path, options: list[str]
) -> None:
    """fault_87: no block of it stays, with any import options, for files of many blocks and of one."""
    for number, size_bytes in enumerate((SCENE_BYTES, 100_000)):
        cid, before = put(pair.far, noise(size_bytes), *options), held(pair.node)
        if "blake2b" in options[-1]:
            # Its root may be fetched, but nothing below it.
            cid = put_file(pair.far, [(read_cid(cid) or b"", size_bytes)])
            with pytest.raises(JobRejected):
                await store.fetch(cid, tmp_path / f"{number}", LIMIT)
        else:
            assert (await store.fetch(cid, tmp_path / f"{number}", LIMIT)).size_bytes == size_bytes
        assert await settled(pair.node, before) == set()


async def test_a_refused_fetch_is_removed_from_the_node(pair: Pair, store: KuboStore, tmp_path: Path) -> None:
    """fault_87: too large, not a file, cancelled half-way, and a folder with an invalid name."""
    before = held(pair.node)
    cid = put(pair.far, noise(), "--cid-version=1")
    with pytest.raises(JobRejected):
        await store.fetch(cid, tmp_path / "large", FetchLimits(file_bytes=SCENE_BYTES - 1))
    source = pair.far.folder / f"folder-{next(NUMBERS)}"
    source.mkdir()
    (source / "odd\nname").write_bytes(noise())
    folder = pair.far.run("add", "--quieter", "--recursive", "--cid-version=1", source).decode().strip()
    with pytest.raises(JobRejected):
        await store.fetch(folder, tmp_path / "folder", LIMIT)
    limits = FolderLimits(size_bytes=2**30, entries=100, depth=9)
    with pytest.raises(JobRejected) as caught:
        await store.fetch(folder, tmp_path / "folder", FetchLimits(folder=limits))
    assert caught.value.code == Code.CORRUPT
    fetching = asyncio.create_task(store.fetch(put(pair.far, noise(2**26)), tmp_path / "cut", LIMIT))
    await until(lambda: len(held(pair.node) - before) >= 20)
    fetching.cancel()
    assert await settled(pair.node, before) == set()


async def test_a_scene_with_a_gap_is_removed_from_the_node(pair: Pair, tmp_path: Path) -> None:
    """fault_87: if its second part is withheld, blocks fetched ahead, beyond the gap, are removed too."""
    cid, before = put(pair.far, noise(2**25), "--cid-version=1", "--pin=false"), held(pair.node)
    leaves = [ref for ref in pair.far.run("refs", "-r", cid).decode().split() if ref.startswith("bafk")]
    pair.far.run("block", "rm", leaves[1])
    short = Timeouts(lookup_seconds=2, quiet_seconds=2, away_seconds=0.5)
    async with KuboStore(pair.node.api_url, timeouts=short) as store:
        with pytest.raises((JobRejected, StoreUnavailable)):
            await store.fetch(cid, tmp_path / "scene", LIMIT)
        assert len(held(pair.node) - before) > 5
        assert await settled(pair.node, before) == set()


@pytest.mark.parametrize("chunk_blocks", [3, 200_000])
async def test_one_block_under_two_codecs_hides_nothing(
    pair: Pair, store: KuboStore, tmp_path: Path, chunk_blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_87: named first as raw, then as a block with parts; these are removed too, in any portions."""
    monkeypatch.setattr("veriframe.adapters.kubo.removal.removal.CHUNK_BLOCKS", chunk_blocks)
    part = put(pair.far, noise(), "--cid-version=1")
    root_bytes, before = len(pair.far.run("block", "get", part)), held(pair.node)
    parts = [(binary(part, Codec.RAW), root_bytes), (binary(part, Codec.DAG_PB), SCENE_BYTES)]
    scene = put_file(pair.far, parts)
    assert (await store.fetch(scene, tmp_path / "scene", LIMIT)).size_bytes == root_bytes + SCENE_BYTES
    assert await settled(pair.node, before) == set()


async def test_what_the_node_had_before_stays(pair: Pair, store: KuboStore, tmp_path: Path) -> None:
    """fault_87: an operator's own content, pinned or not, and a creator's scene on the same node."""
    own = put(pair.node, noise(), "--cid-version=1", "--pin=false")
    before = held(pair.node)
    assert (await store.fetch(own, tmp_path / "own", LIMIT)).size_bytes == SCENE_BYTES
    await asyncio.sleep(0.5)
    assert before <= held(pair.node)


@pytest.mark.parametrize("where", ["pinned", "pinned as a folder", "in MFS"])
@pytest.mark.parametrize("codec", list(Codec))
async def test_a_scene_cannot_remove_what_is_kept(
    pair: Pair, store: KuboStore, tmp_path: Path, where: str, codec: Codec
) -> None:
    """fault_87: kept blocks stay even if an untrusted scene links to them under other CIDs; its own go."""
    content = noise()
    kept = put(pair.far, content, "--cid-version=1")
    assert put(pair.node, content, "--cid-version=1", f"--pin={str(where == 'pinned').lower()}") == kept
    if where == "in MFS":
        pair.node.run("files", "mkdir", "--parents", "/deep/er")
        pair.node.run("files", "cp", f"/ipfs/{kept}", f"/deep/er/{kept}")
    elif where == "pinned as a folder":
        await store.pin(Pin(cid=kept, name=f"job-{next(NUMBERS)}-result"))
    root_bytes = len(pair.far.run("block", "get", kept))
    leaf = put(pair.far, noise(200_000), "--cid-version=1")
    size_bytes = root_bytes if codec is Codec.RAW else SCENE_BYTES
    scene = put_file(pair.far, [(binary(kept, codec), size_bytes), (binary(leaf, Codec.RAW), 200_000)])
    before = held(pair.node)

    def part(transfer: Transfer) -> None:
        # Otherwise the node would fetch what it has lost from there, unnoticed.
        if transfer.done_bytes == transfer.total_bytes and pair.node.run("swarm", "peers"):
            pair.node.run("swarm", "disconnect", pair.far.peer_address)

    assert (await store.fetch(scene, tmp_path / "scene", LIMIT, part)).size_bytes == size_bytes + 200_000
    try:
        assert await settled(pair.node, before) == set()
        assert before <= held(pair.node)
        assert pair.node.run("cat", "--offline", kept) == content
    finally:
        pair.node.swarm_connect(pair.far)


async def test_two_fetches_of_the_same_transfer_it_once(pair: Pair, store: KuboStore, tmp_path: Path) -> None:
    """fault_87: for two slots of a worker the node fetches the scene once, and keeps none of it."""
    cid, before = put(pair.far, noise(2**25)), held(pair.node)
    before_bytes = received(pair.node)
    fetched = [store.fetch(cid, tmp_path / "scene", LIMIT) for _ in range(2)]
    assert {one.size_bytes for one in await asyncio.gather(*fetched)} == {2**25}
    assert received(pair.node) - before_bytes < 2**25 * 5 // 4
    assert await settled(pair.node, before) == set()


def received(node: Kubo) -> int:
    """Returns how many bytes of blocks the node has received."""
    statistics = node.run("bitswap", "stat").decode()
    return int(next(line for line in statistics.splitlines() if "data received" in line).split()[-1])


async def test_another_worker_on_the_node_removes_it_too(
    pair: Pair, store: KuboStore, tmp_path: Path
) -> None:
    """fault_87: content that one worker is fetching does not count as the node's own for another."""
    cid, before = put(pair.far, noise(2**25)), held(pair.node)
    first = asyncio.create_task(store.fetch(cid, tmp_path / "one", LIMIT))
    await until(lambda: pair.node.run("pin", "ls", "--type=direct") != b"")
    (tmp_path / "other").mkdir()
    async with KuboStore(pair.node.api_url) as other:
        assert (await other.fetch(cid, tmp_path / "other" / "scene", LIMIT)).size_bytes == 2**25
        assert (await first).size_bytes == 2**25
        assert await settled(pair.node, before) == set()


async def test_a_killed_fetch_is_removed_at_the_next_start(pair: Pair, tmp_path: Path) -> None:
    """fault_87: kill −9 half-way, and the job is not resumed: a new run removes it."""
    cid, before = put(pair.far, noise(2**25)), held(pair.node)
    async with wire(pair.node, down=2**23) as proxy:
        await killed_during(proxy, f"fetch({cid!r}, Path({str(tmp_path / 'scene')!r}), {UP_TO})")
        assert len(held(pair.node) - before) > 20
        async with KuboStore(pair.node.api_url) as again:
            await again.tidy()
            assert await settled(pair.node, before) == set()
    assert pair.node.run("pin", "ls", "--type=direct") == b""


async def test_a_killed_fetch_that_is_resumed_leaves_nothing(pair: Pair, tmp_path: Path) -> None:
    """fault_73, fault_87: the fetch resumes from the first half, and the node keeps none of it."""
    cid, before = put(pair.far, noise(2**25)), held(pair.node)
    async with wire(pair.node, down=2**23) as proxy:
        await killed_during(proxy, f"fetch({cid!r}, Path({str(tmp_path / 'scene')!r}), {UP_TO})")
        async with KuboStore(pair.node.api_url) as again:
            assert (await again.fetch(cid, tmp_path / "scene", LIMIT)).size_bytes == 2**25
            assert await settled(pair.node, before) == set()


async def test_an_interrupted_removal_is_run_again(
    pair: Pair, store: KuboStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_87: a node that dies during it keeps the notes, and is asked again."""
    monkeypatch.setattr("veriframe.adapters.kubo.removal.fetched.RETRY_SECONDS", 0.2)
    monkeypatch.setattr("veriframe.adapters.kubo.removal.removal.BATCH_BLOCKS", 1)
    monkeypatch.setattr("veriframe.adapters.kubo.removal.removal.CHUNK_BLOCKS", 50)
    cid, before = put(pair.far, noise(2**26), "--cid-version=0"), held(pair.node)
    assert (await store.fetch(cid, tmp_path / "scene", LIMIT)).size_bytes == 2**26
    all_of_it = len(held(pair.node) - before)
    await until(lambda: len(held(pair.node) - before) < all_of_it - 20)
    pair.node.restart(offline=False)
    pair.node.swarm_connect(pair.far)
    assert len(held(pair.node) - before) > 20
    assert await settled(pair.node, before) == set()
