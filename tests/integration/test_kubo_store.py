"""The store on a real Kubo node: the same CIDs as elsewhere, nodes and workers killed in the middle."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.nodes import Kubo, kubo
from tests.unit.adapters.kubo.lying_node import lying_node
from tests.wire import Wire, wire

from veriframe.adapters.kubo.fetching.timeouts import Timeouts
from veriframe.adapters.kubo.files.staging import PREFIX
from veriframe.adapters.kubo.gateways.gateway import Gateways
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import Code, JobRejected, StoreUnavailable
from veriframe.model.content.cid import canonical
from veriframe.ports.store import FetchLimits, Pin

pytestmark = pytest.mark.slow

CHUNK_BYTES = 262_144
BIG_BYTES = 48 * 2**20
LIMIT_BYTES = 2**30
LIMIT = FetchLimits(file_bytes=LIMIT_BYTES)
UP_TO = f"FetchLimits(file_bytes={LIMIT_BYTES})"
ABSENT = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    """One Kubo for all tests here; tests that kill it restart it."""
    with kubo(tmp_path_factory.mktemp("kubo")) as started:
        yield started


def made(path: Path, size_bytes: int, seed: str = "scene") -> Path:
    """Creates a file of unique bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(hashlib.shake_256(seed.encode()).digest(size_bytes))
    return path


def same(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes."""
    return one.read_bytes() == other.read_bytes()


def names(folder: Path) -> list[str]:
    """Returns the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "options",
    [
        ["--cid-version=0"],
        ["--cid-version=1", "--chunker=size-1048576", "--max-file-links=1024"],
        ["--cid-version=1", "--raw-leaves=false"],
        ["--cid-version=1", "--trickle"],
    ],
)
async def test_files_with_other_import_options_are_fetched(
    node: Kubo, tmp_path: Path, options: list[str]
) -> None:
    """fault_7: a stream with another hash is checked block by block, and its bytes are fetched only once."""
    source = made(tmp_path / "source", 5 * 2**20 + 7)
    cid = node.run("add", "--quieter", *options, source).decode().strip()
    (tmp_path / "out").mkdir()
    async with wire(node) as proxy, KuboStore(proxy.url) as through:
        assert (await through.fetch(cid, tmp_path / "out" / "scene", LIMIT)).size_bytes == 5 * 2**20 + 7
        assert proxy.down_bytes < 5 * 2**20 + 2**16
    assert same(source, tmp_path / "out" / "scene")
    assert names(tmp_path / "out") == ["scene"]


async def test_pins_survive_garbage_collection(node: Kubo, store: KuboStore, tmp_path: Path) -> None:
    """fault_56: pinned content survives `ipfs repo gc`; without its last pin it is gone."""
    cid = await store.add(made(tmp_path / "picture", 300_000, "cleaning"), "job-1-result")
    await store.pin(Pin(cid=cid, name="job-2-asset"))
    await store.unpin(Pin(cid=cid, name="job-1-result"))
    node.run("repo", "gc")
    assert (await store.fetch(cid, tmp_path / "kept", LIMIT)).size_bytes == 300_000
    await store.unpin(Pin(cid=cid, name="job-2-asset"))
    node.run("repo", "gc")
    with pytest.raises(JobRejected) as caught:
        await store.fetch(cid, tmp_path / "gone", LIMIT)
    assert caught.value.code == Code.NOT_FOUND
    # The folder of a pin is no promise: without the content it is not pinned again.
    with pytest.raises(StoreUnavailable):
        await store.pin(Pin(cid=cid, name="job-2-asset"))


async def test_an_online_node_is_given_up_after_its_time(tmp_path: Path) -> None:
    """fault_6: a node that searches its network for ever means NOT_FOUND when its time is over."""
    with kubo(tmp_path / "kubo", offline=False) as online:
        async with KuboStore(online.api_url, timeouts=Timeouts(lookup_seconds=1)) as store:
            with pytest.raises(JobRejected) as caught:
                await store.fetch(ABSENT, tmp_path / "scene", LIMIT)
    assert caught.value.code == Code.NOT_FOUND


async def test_a_node_killed_during_a_fetch_is_waited_for(
    node: Kubo, store: KuboStore, tmp_path: Path
) -> None:
    """fault_50: after a kill and a restart, the node is asked for the rest only."""
    source = made(tmp_path / "source", BIG_BYTES, "killed amid a fetch")
    cid = await store.add(source, "job-1-asset")
    async with wire(node, down=BIG_BYTES // 2) as proxy, KuboStore(proxy.url) as through:
        fetching = asyncio.create_task(through.fetch(cid, tmp_path / "scene", LIMIT))
        await proxy.restart_held(node)
        assert (await fetching).size_bytes == BIG_BYTES
        # Bytes in flight at the kill may arrive twice: buffers, not the half that was there.
        assert BIG_BYTES < proxy.down_bytes < BIG_BYTES * 5 // 4
    assert same(source, tmp_path / "scene")


async def test_a_node_killed_during_an_upload_is_waited_for(
    node: Kubo, store: KuboStore, tmp_path: Path
) -> None:
    """fault_54: after a kill and a restart, the node gets everything once more, and keeps it."""
    source = made(tmp_path / "source", BIG_BYTES, "killed amid an upload")
    async with wire(node, up=BIG_BYTES // 2) as proxy, KuboStore(proxy.url) as through:
        adding = asyncio.create_task(through.add(source, "job-1-result"))
        await proxy.restart_held(node)
        cid = await adding
    assert (await store.fetch(cid, tmp_path / "scene", LIMIT)).size_bytes == BIG_BYTES
    assert Pin(cid=cid, name="job-1-result") in await store.pins()


async def test_a_node_that_stays_down_is_unavailable(node: Kubo, store: KuboStore, tmp_path: Path) -> None:
    """fault_50, fault_54: add and fetch raise StoreUnavailable, and a fetch resumes when the node is back."""
    source = made(tmp_path / "source", BIG_BYTES, "stays down")
    cid = await store.add(source, "job-1-asset")
    (tmp_path / "out").mkdir()
    brief = Timeouts(away_seconds=0.5)
    async with wire(node, down=BIG_BYTES // 2) as proxy, KuboStore(proxy.url, timeouts=brief) as through:
        fetching = asyncio.create_task(through.fetch(cid, tmp_path / "out" / "scene", LIMIT))
        await asyncio.wait_for(proxy.held.wait(), 30)
        node.kill()
        proxy.go_on.set()
        try:
            with pytest.raises(StoreUnavailable, match="does not answer"):
                await fetching
            with pytest.raises(StoreUnavailable, match="does not answer"):
                await through.add(source, "job-1-asset")
        finally:
            node.start()
        assert names(tmp_path / "out") == [f"{PREFIX}{cid}"]
        assert (await through.fetch(cid, tmp_path / "out" / "scene", LIMIT)).size_bytes == BIG_BYTES
        assert proxy.down_bytes < BIG_BYTES * 5 // 4
    assert same(source, tmp_path / "out" / "scene")


async def killed_during(proxy: Wire, call: str, store: str = "") -> None:
    """Runs one call of the store in its own process, held half-way, and kills that as a power cut does.

    `store` is the store, as source text, if not the one beyond the proxy.
    """
    program = (
        "import asyncio\nfrom pathlib import Path\nfrom veriframe.adapters.kubo.store import KuboStore\n"
        "from veriframe.adapters.kubo.gateways.gateway import Gateways\n"
        "from veriframe.ports.store import FetchLimits\n"
        f"async def main():\n    await {store or f'KuboStore({proxy.url!r})'}.{call}\nasyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env={"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    await asyncio.wait_for(proxy.held.wait(), 60)
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    proxy.go_on.set()


async def test_a_worker_killed_during_a_fetch_fetches_the_rest_only(
    node: Kubo, store: KuboStore, tmp_path: Path
) -> None:
    """fault_73: after kill −9 and a restart, the first half is hashed from the disk and not fetched."""
    source = made(tmp_path / "source", BIG_BYTES, "worker killed amid a fetch")
    cid = await store.add(source, "job-1-asset")
    out = tmp_path / "out"
    out.mkdir()
    async with wire(node, down=BIG_BYTES // 2) as proxy:
        await killed_during(proxy, f"fetch({cid!r}, Path({str(out / 'scene')!r}), {UP_TO})")
        assert names(out) == [f"{PREFIX}{cid}"]
        had_bytes = (out / f"{PREFIX}{cid}").stat().st_size
        proxy.down_bytes = 0
        async with KuboStore(proxy.url) as again:
            assert (await again.fetch(cid, out / "scene", LIMIT)).size_bytes == BIG_BYTES
        # Half was let through; some of it was in the sockets.
        assert had_bytes > BIG_BYTES // 8
        assert BIG_BYTES - had_bytes <= proxy.down_bytes < BIG_BYTES - had_bytes + 2**20
    assert same(source, out / "scene")
    assert names(out) == ["scene"]


@pytest.mark.parametrize("options", [["--cid-version=1", "--chunker=size-262144"], ["--cid-version=0"]])
async def test_a_worker_killed_during_blocks_fetches_the_rest_only(
    node: Kubo, tmp_path: Path, options: list[str]
) -> None:
    """fault_73: the same for a file that is fetched block by block, from a gateway."""
    source = made(tmp_path / "source", BIG_BYTES, f"worker killed amid blocks {options}")
    cid = node.run("add", "--quieter", *options, source).decode().strip()
    part, out = f"{PREFIX}{canonical(cid)}", tmp_path / "out"
    out.mkdir()
    async with lying_node() as bare, wire(node, down=BIG_BYTES // 2, near_url=node.gateway_url) as proxy:
        bare.blocks = {}
        store = f"KuboStore({bare.url!r}, sources=[Gateways([{proxy.url!r}], allow_private=True)])"
        await killed_during(
            proxy,
            f"fetch({cid!r}, Path({str(out / 'scene')!r}), {UP_TO})",
            store,
        )
        assert names(out) == [part]
        had_bytes = (out / part).stat().st_size
        proxy.down_bytes = 0
        async with (
            Gateways([proxy.url], allow_private=True) as gateways,
            KuboStore(bare.url, sources=[gateways]) as again,
        ):
            assert (await again.fetch(cid, out / "scene", LIMIT)).size_bytes == BIG_BYTES
        # Half was let through; a few blocks of it were requested ahead, and lost.
        assert had_bytes > BIG_BYTES // 4
        assert BIG_BYTES - had_bytes <= proxy.down_bytes < BIG_BYTES - had_bytes + 2**20
    assert same(source, out / "scene")
    assert names(out) == ["scene"]


async def test_a_worker_killed_during_an_upload_adds_again(
    node: Kubo, store: KuboStore, tmp_path: Path
) -> None:
    """fault_54: kill −9 during an upload leaves no pin; the same upload again is complete and pinned."""
    source = made(tmp_path / "source", BIG_BYTES, "worker killed amid an upload")
    async with wire(node, up=BIG_BYTES // 2) as proxy:
        await killed_during(proxy, f"add(Path({str(source)!r}), 'job-9-result')")
        assert [pin for pin in await store.pins() if pin.name == "job-9-result"] == []
        async with KuboStore(proxy.url) as again:
            cid = await again.add(source, "job-9-result")
    assert Pin(cid=cid, name="job-9-result") in await store.pins()
    assert (await store.fetch(cid, tmp_path / "scene", LIMIT)).size_bytes == BIG_BYTES
