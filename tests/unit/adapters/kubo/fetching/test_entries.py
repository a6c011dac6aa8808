"""One entry of a folder from nodes: only its blocks and those above it, each checked; and changed folders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from tests.unit.adapters.kubo.blocks.vectors import VECTORS, link, name_of, node
from tests.unit.adapters.kubo.fetching.hostile_folders import (
    BLOCKS,
    FILES,
    LEAVES,
    ROOT,
    SHARD,
    SMALL,
    SUB,
    SYMLINK,
    TOP,
    files_in,
)
from tests.unit.adapters.kubo.lying_node import SHORT_TIMEOUTS, LyingNode, lying_node, refusal

from veriframe.adapters.kubo.adding.changed_folder import MOST_NAMES_BYTES, folder_with
from veriframe.adapters.kubo.blocks.unixfs import FolderBlock, decode_block
from veriframe.adapters.kubo.fetching.fetcher import BlockSource, Fetcher
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import Code, JobRejected, SettingsError, StoreUnavailable
from veriframe.model.content.cid import Cid, Codec
from veriframe.ports.store import FetchLimits

FILE = FetchLimits(file_bytes=2**20)


@pytest_asyncio.fixture
async def liar() -> AsyncIterator[LyingNode]:
    """A node with all blocks, which streams no files."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        return refusal("no stream")

    async with lying_node() as started:
        started.blocks = {str(cid): block for cid, block in BLOCKS.items()}
        started.replies["cat"] = refuse
        yield started


@pytest_asyncio.fixture
async def store(liar: LyingNode) -> AsyncIterator[KuboStore]:
    """A store on that node, with short timeouts."""
    async with KuboStore(liar.url, timeouts=SHORT_TIMEOUTS) as opened:
        yield opened


async def test_only_the_blocks_of_the_entry_are_fetched(store: KuboStore, liar: LyingNode, out: Path) -> None:
    """Those of its own and of the folders above: all other blocks may be missing."""
    needed = (ROOT, name_of(SUB), name_of(SMALL, Codec.RAW))
    liar.blocks = {str(cid): BLOCKS[cid] for cid in needed}
    await store.fetch(str(ROOT), out / "got", FILE, path="sub/same")
    assert files_in(out) == {"got": SMALL}
    with pytest.raises(JobRejected):
        await store.fetch(str(ROOT), out / "got", FILE, path="sub/large")


async def test_a_file_of_many_blocks_is_assembled(store: KuboStore, out: Path) -> None:
    """At any depth."""
    assert (await store.fetch(str(ROOT), out / "got", FILE, path="sub/large")).size_bytes == 1000 * len(
        LEAVES
    )
    assert files_in(out) == {"got": FILES["sub/large"]}


@pytest.mark.parametrize("lied", [ROOT, name_of(SUB), name_of(SMALL, Codec.RAW)])
async def test_blocks_on_the_way_are_checked(store: KuboStore, liar: LyingNode, out: Path, lied: Cid) -> None:
    """fault_7: a folder that the CID does not name leads nowhere."""
    liar.blocks[str(lied)] = TOP + b"\0" if lied != ROOT else SUB
    with pytest.raises((StoreUnavailable, JobRejected)):
        await store.fetch(str(ROOT), out / "got", FILE, path="sub/same")
    assert "got" not in files_in(out)


async def test_entries_of_large_folders_are_found(store: KuboStore, liar: LyingNode, out: Path) -> None:
    """In a folder that Kubo has divided, each from the blocks on its way alone."""
    blocks = VECTORS["many"].blocks
    liar.blocks = {str(cid): block for cid, block in blocks.items()}
    root = str(VECTORS["many"].root)
    for number in range(20):
        await store.fetch(root, out / "got", FILE, path=f"frame_{number:04}.txt")
        assert files_in(out) == {"got": str(number).encode()}
    with pytest.raises(JobRejected) as caught:
        await store.fetch(root, out / "got", FILE, path="frame_0020.txt")
    assert caught.value.code is Code.CORRUPT
    with pytest.raises(SettingsError, match="subfolders"):
        folder_with(VECTORS["many"].root, blocks[VECTORS["many"].root], "job.json", b"{}")


@pytest.mark.parametrize("name", ["manifest.json", "x"])
async def test_a_large_folder_that_repeats_its_parts(liar: LyingNode, name: str) -> None:
    """fault_220: a few blocks, and 8 ** 22 ways through them: one way is gone, as far as a hash goes."""
    made = [node([], SHARD)]
    for _ in range(22):
        made.insert(0, node([link(name_of(made[0]), str(place)) for place in range(8)], SHARD))
    liar.blocks = {str(name_of(block)): block for block in made}
    asked = list[Cid]()

    class Counting(BlockSource):
        async def block(self, cid: Cid) -> bytes:
            asked.append(cid)
            assert len(asked) < 100
            return liar.blocks[str(cid)]

    with pytest.raises(JobRejected) as caught:
        await Fetcher([Counting()], SHORT_TIMEOUTS).find(name_of(made[0]), name)
    assert caught.value.code is Code.CORRUPT
    assert asked == [name_of(block) for block in made[:22]]


async def test_links_are_not_followed(store: KuboStore, liar: LyingNode, out: Path) -> None:
    """fault_4: neither as an entry nor on the way."""
    top = node([link(name_of(SYMLINK), "link")], b"\x08\x01")
    liar.blocks |= {str(name_of(block)): block for block in (top, SYMLINK)}
    for path in ("link", "link/passwd"):
        with pytest.raises(JobRejected) as caught:
            await store.fetch(str(name_of(top)), out / "got", FILE, path=path)
        assert caught.value.code is Code.NOT_A_FILE


def test_a_changed_folder_keeps_its_other_links() -> None:
    """Their names, CIDs and sizes; the file has its place in the order of bytes."""
    changed = folder_with(ROOT, TOP, "same", b"new")
    ((file, content), (cid, block)) = changed.blocks
    assert (content, cid) == (b"new", changed.cid)
    decoded = decode_block(cid, block)
    assert isinstance(decoded, FolderBlock)
    before = decode_block(ROOT, TOP)
    assert isinstance(before, FolderBlock)
    assert [entry.name for entry in decoded.entries] == ["same", "small", "sub"]
    assert decoded.entries[0].cid == file
    assert list(decoded.entries[1:]) == list(before.entries)


def test_a_block_that_the_cid_does_not_name_is_not_changed() -> None:
    """fault_161: the node is not believed."""
    with pytest.raises(StoreUnavailable):
        folder_with(ROOT, SUB, "job.json", b"{}")


def test_a_folder_that_would_be_divided_is_refused() -> None:
    """`ipfs add` makes shards of it, so that its CID would be another one."""
    names = [f"{number:0200d}" for number in range(MOST_NAMES_BYTES // 236)]
    top = node([link(name_of(SMALL, Codec.RAW), name) for name in names], b"\x08\x01")
    with pytest.raises(SettingsError, match="subfolders"):
        folder_with(name_of(top), top, "n" * 200, b"{}")
