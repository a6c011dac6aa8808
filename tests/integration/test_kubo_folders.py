"""Folders from a real Kubo node: other import options, nodes and workers killed in the middle."""

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
from tests.wire import wire

from veriframe.adapters.kubo.files.staging import PREFIX
from veriframe.adapters.kubo.store import KuboStore
from veriframe.model.content.cid import canonical
from veriframe.model.content.folder import FolderLimits
from veriframe.ports.store import FetchLimits

pytestmark = pytest.mark.slow

LIMITS = FolderLimits(size_bytes=2**30)
FOLDER = FetchLimits(folder=LIMITS)
PART_BYTES = 8 * 2**20
PARTS = 6
ALL_BYTES = PARTS * PART_BYTES


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubo]:
    """One Kubo for all tests here; tests that kill it restart it."""
    with kubo(tmp_path_factory.mktemp("kubo")) as started:
        yield started


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder for what is fetched."""
    made = tmp_path / "out"
    made.mkdir()
    return made


def made(folder: Path, seed: str, part_bytes: int = PART_BYTES) -> Path:
    """Creates a folder with files of unique bytes."""
    for number in range(PARTS):
        file = folder / f"part {number % 2}" / f"{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(hashlib.shake_256(f"{seed} {number}".encode()).digest(part_bytes))
    return folder


def digests(folder: Path) -> dict[str, str]:
    """Returns the digests of all files below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "options",
    [
        ["--cid-version=0"],
        ["--cid-version=1", "--chunker=size-1048576", "--max-file-links=1024"],
        ["--cid-version=1", "--raw-leaves=false"],
        ["--cid-version=1", "--trickle"],
        pytest.param(["--cid-version=1", "--max-directory-links=2", "--max-hamt-fanout=8"], id="HAMT"),
    ],
)
async def test_folders_with_other_import_options_are_fetched(
    node: Kubo, store: KuboStore, tmp_path: Path, options: list[str]
) -> None:
    """fault_7: with any options, a folder is checked block by block."""
    source = made(tmp_path / "source", "options", 2**20 + 7)
    cid = node.run("add", "--quieter", "--recursive", *options, source).decode().strip()
    assert (await store.fetch(cid, tmp_path / "got", FOLDER)).size_bytes == PARTS * (2**20 + 7)
    assert digests(tmp_path / "got") == digests(source)


async def test_a_node_killed_during_a_folder_is_waited_for(
    node: Kubo, store: KuboStore, tmp_path: Path, out: Path
) -> None:
    """fault_50: after a kill and a restart, the node is asked for the rest only."""
    source = made(tmp_path / "source", "killed amid a folder")
    cid = await store.add(source, "job-1-result")
    async with wire(node, down=ALL_BYTES // 2) as proxy, KuboStore(proxy.url) as through:
        fetching = asyncio.create_task(through.fetch(cid, out / "got", FOLDER))
        await proxy.restart_held(node)
        assert (await fetching).size_bytes == ALL_BYTES
        # Bytes in flight at the kill may arrive twice: buffers, not the half that was there.
        assert ALL_BYTES < proxy.down_bytes < ALL_BYTES * 5 // 4
    assert digests(out) == {f"got/{name}": digest for name, digest in digests(source).items()}


@pytest.mark.parametrize("options", [["--cid-version=1"], ["--cid-version=0"]])
async def test_a_worker_killed_during_a_folder_fetches_the_rest_only(
    node: Kubo, tmp_path: Path, out: Path, options: list[str]
) -> None:
    """fault_73: after kill −9 and a restart, what had arrived is checked on the disk and not fetched."""
    source = made(tmp_path / "source", f"worker killed amid a folder {options}")
    cid = canonical(node.run("add", "--quieter", "--recursive", *options, source).decode().strip())
    program = (
        "import asyncio\nfrom pathlib import Path\nfrom veriframe.adapters.kubo.store import KuboStore\n"
        "from veriframe.model.content.folder import FolderLimits\nimport sys\n"
        "from veriframe.ports.store import FetchLimits\n"
        "limits = FetchLimits(folder=FolderLimits(size_bytes=2**30))\n"
        "asyncio.run(KuboStore(sys.argv[1]).fetch(sys.argv[2], Path(sys.argv[3]), limits))\n"
    )
    async with wire(node, down=ALL_BYTES // 2) as proxy:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, proxy.url, cid, out / "got"),
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        await asyncio.wait_for(proxy.held.wait(), 60)
        process.kill()
        assert await process.wait() == -signal.SIGKILL
        assert not (out / "got").exists()
        had_bytes = sum(file.stat().st_blocks * 512 for file in (out / f"{PREFIX}{cid}").rglob("*.bin"))
        assert had_bytes > ALL_BYTES // 4
        proxy.go_on.set()
        proxy.down_bytes = 0
        async with KuboStore(proxy.url) as again:
            assert (await again.fetch(cid, out / "got", FOLDER)).size_bytes == ALL_BYTES
        assert proxy.down_bytes < ALL_BYTES - had_bytes + 2**20
    assert digests(out) == {f"got/{name}": digest for name, digest in digests(source).items()}
