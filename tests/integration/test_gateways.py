"""Gateways with a real one: Kubo's own serves, behind one that lies."""

from __future__ import annotations

import random
import time
from hashlib import sha256
from pathlib import Path

import pytest
from tests.assembling import assembled
from tests.gateway import Lie, LoopbackGateway
from tests.nodes import Kubo
from tests.unit.adapters.kubo.lying_node import lying_node

from veriframe.adapters.kubo.gateways.gateway import GatewayLimits, Gateways
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import JobError, JobRejected, StoreUnavailable, Unavailable
from veriframe.model.content.cid import Cid, Codec, parse_cid
from veriframe.model.content.folder import FolderLimits
from veriframe.ports.store import FetchLimits

pytestmark = pytest.mark.slow

CONTENT = random.Random(4).randbytes(3 * 2**20 + 17)

OPTIONS = {
    "as VeriFrame adds": ["--cid-version=1", "--raw-leaves", "--chunker=size-262144", "--max-file-links=174"],
    "chunks of 1 MiB": ["--cid-version=1", "--raw-leaves", "--chunker=size-1048576", "--max-file-links=1024"],
    "version 0": ["--cid-version=0", "--raw-leaves=false"],
    "wide": ["--cid-version=1", "--raw-leaves", "--chunker=size-4096", "--max-file-links=1024"],
    "deep": ["--cid-version=1", "--raw-leaves", "--chunker=size-16384", "--max-file-links=4"],
    "trickle": ["--cid-version=1", "--trickle", "--chunker=size-65536"],
    "rabin": ["--cid-version=1", "--chunker=rabin-4096-16384-65536"],
}


@pytest.mark.parametrize("name", OPTIONS)
async def test_file_is_fetched_through_a_real_gateway(name: str, kubo_node: Kubo, tmp_path: Path) -> None:
    """fault_7: with any import options a file is fetched block by block, despite a gateway that lies."""
    root = _add(kubo_node, *OPTIONS[name])
    async with LoopbackGateway(_Anything(), Lie.FLIPPED) as liar:
        urls = [liar.url, kubo_node.gateway_url]
        async with Gateways(urls, allow_private=True) as gateways:
            size_bytes = await assembled(root, gateways, tmp_path / "got", len(CONTENT))
        assert len(liar.asked) == 1
    assert len(CONTENT) == size_bytes
    assert _same(tmp_path / "got")


async def test_large_folder_is_fetched_through_a_real_gateway(kubo_node: Kubo, tmp_path: Path) -> None:
    """fault_4: a folder in shards (HAMT), from a gateway, if the worker's node has nothing."""
    source = tmp_path / "many"
    _fill(source, 300)
    options = ["--max-directory-links=20", "--max-hamt-fanout=16"]
    root = kubo_node.run("add", "-r", "-Q", "--cid-version=1", *options, source).decode().strip()
    async with (
        lying_node() as bare,
        Gateways([kubo_node.gateway_url], allow_private=True) as gateways,
        KuboStore(bare.url, sources=[gateways]) as store,
    ):
        bare.blocks = {}
        assert (
            await store.fetch(root, tmp_path / "got", FetchLimits(folder=FolderLimits(size_bytes=2**20)))
        ).size_bytes == 790
    assert _listed(tmp_path / "got") == _listed(source)


async def test_a_real_gateway_serves(kubo_node: Kubo) -> None:
    """Kubo serves the block that `doctor` requests."""
    async with Gateways([kubo_node.gateway_url], allow_private=True) as gateways:
        assert list((await gateways.reach()).values()) == [""]


async def test_absent_block_ends_in_time(kubo_node: Kubo, tmp_path: Path) -> None:
    """fault_6: content that no node has ends the fetch soon, with the job unaffected or refused."""
    started = time.monotonic()
    async with Gateways(
        [kubo_node.gateway_url], allow_private=True, limits=GatewayLimits(first_byte_seconds=2)
    ) as gateways:
        with pytest.raises((StoreUnavailable, JobRejected)) as caught:
            await assembled(_ABSENT, gateways, tmp_path / "got", len(CONTENT))
    assert isinstance(caught.value, JobError | Unavailable)
    assert time.monotonic() - started < 10


_ABSENT = Cid(Codec.RAW, sha256(b"nobody has this").digest())


class _Anything(dict[Cid, bytes]):
    """The blocks of a liar: one for every CID."""

    def get(self, _key: Cid, _default: object = None) -> bytes:
        return b"anything"


def _add(kubo: Kubo, *options: str) -> Cid:
    return parse_cid(kubo.run("add", "-Q", *options, stdin=CONTENT).decode().strip())


def _fill(folder: Path, files: int) -> None:
    folder.mkdir()
    for number in range(files):
        (folder / f"frame_{number:04}.png").write_bytes(b"%d" % number)


def _listed(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _same(path: Path) -> bool:
    # Not in the assertion: pytest would print megabytes of differences.
    return path.read_bytes() == CONTENT
