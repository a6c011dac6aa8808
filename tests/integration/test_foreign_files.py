"""Nodes with other profiles: content that hashes differently is fetched; our additions keep our CIDs."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.nodes import Kubo

from veriframe.adapters.kubo.store import KuboStore
from veriframe.adapters.local_store import LocalStore
from veriframe.model.content.cid import canonical
from veriframe.ports.store import FetchLimits

pytestmark = pytest.mark.slow

HAMT = base64.b64encode(b"\x08\x05\x12").decode()
"""How the block of a sharded folder starts: UnixFS type 5."""

CONTENT = random.Random(25).randbytes(5 * 2**20 + 7)


@pytest.fixture(scope="module", params=["unixfs-v1-2025", "unixfs-v0-2015"])
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    """A node with each of Kubo's own profiles, which shards even small folders."""
    made = Kubo(tmp_path_factory.mktemp("kubo"))
    made.run("config", "profile", "apply", request.param)
    made.run("config", "Import.UnixFSHAMTDirectorySizeThreshold", "1KiB")
    try:
        made.start()
        yield made
    finally:
        made.kill()


async def test_a_file_with_the_nodes_own_options_is_fetched(node: Kubo, tmp_path: Path) -> None:
    """fault_2, fault_7: with chunks of 1 MiB and with version 0, every block is checked."""
    cid = node.run("add", "--quieter", stdin=CONTENT).decode().strip()
    async with KuboStore(node.api_url) as store:
        ours = await store.add(_written(tmp_path / "source", CONTENT), "job-1-asset")
        assert canonical(cid) != ours
        assert (await store.fetch(cid, tmp_path / "scene", FetchLimits(file_bytes=2**30))).size_bytes == len(
            CONTENT
        )
    assert _same(tmp_path / "scene")
    assert ours == await LocalStore(tmp_path / "store", 2**30).add(tmp_path / "source", "job-1-asset")


async def test_a_file_in_a_sharded_folder_is_fetched(node: Kubo, tmp_path: Path) -> None:
    """fault_4, fault_7: the folder is a HAMT; a file in it is fetched like any other."""
    for number in range(100):
        _written(tmp_path / "many" / f"frame_{number:04}.png", b"%d" % number + CONTENT[:300_000])
    root = node.run("add", "-r", "--quieter", tmp_path / "many").decode().strip()
    assert json.loads(node.run("dag", "get", root))["Data"]["/"]["bytes"].startswith(HAMT)
    found = dict(line.split()[::2] for line in node.run("ls", root).decode().splitlines())
    names = {name: cid for cid, name in found.items()}
    assert len(names) == 100
    async with KuboStore(node.api_url) as store:
        size_bytes = (
            await store.fetch(names["frame_0042.png"], tmp_path / "frame", FetchLimits(file_bytes=2**30))
        ).size_bytes
    assert size_bytes == 300_002
    assert (tmp_path / "frame").read_bytes() == b"42" + CONTENT[:300_000]


def _written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _same(path: Path) -> bool:
    # Not in the assertion: pytest would print megabytes of differences.
    return path.read_bytes() == CONTENT
