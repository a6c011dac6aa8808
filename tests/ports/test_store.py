"""Tests of every content store: files and pins."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

import pytest
from tests.ports.store_content import ABSENT, add, write

from veriframe.adapters.kubo.replicas.replicated_store import ReplicatedStore
from veriframe.adapters.kubo.store import KuboStore
from veriframe.errors import Code, JobRejected, SettingsError, StoreUnavailable
from veriframe.model.content.cid import canonical, parse_cid
from veriframe.ports.store import ContentStore, FetchLimits, Pin


async def refusal(store: ContentStore, cid: str, target: Path, limit_bytes: int = 2**20) -> Code:
    """Returns why a fetch is refused, and checks that nothing is left at the target."""
    with pytest.raises(JobRejected) as caught:
        await store.fetch(cid, target, FetchLimits(file_bytes=limit_bytes))
    assert list(target.parent.iterdir()) == []
    return caught.value.code


@pytest.mark.parametrize("size_bytes", [0, 1, 300_000])
async def test_a_file_comes_back_as_it_was(store: ContentStore, tmp_path: Path, size_bytes: int) -> None:
    """The added content is fetched under the CID that `add` returned, byte for byte."""
    content = hashlib.shake_256(b"frame").digest(size_bytes)
    cid = await add(store, tmp_path, content)
    target = tmp_path / "fetched"
    assert (await store.fetch(cid, target, FetchLimits(file_bytes=2**20))).size_bytes == size_bytes
    assert target.read_bytes() == content


async def test_the_same_content_has_the_same_cid(store: ContentStore, tmp_path: Path) -> None:
    """fault_54: adding again is harmless, the CID is canonical, and other content has another CID."""
    first = await add(store, tmp_path, b"one")
    assert await add(store, tmp_path, b"one") == first
    assert await add(store, tmp_path, b"two") != first
    assert canonical(first) == first


async def test_other_spellings_of_a_cid_name_the_same_content(store: ContentStore, tmp_path: Path) -> None:
    """fault_2: a CID in upper-case base32 or in base16 is fetched as the canonical one is."""
    cid = await add(store, tmp_path, b"one")
    parsed = parse_cid(cid)
    base16 = f"f01{parsed.codec:02x}1220{parsed.digest.hex()}"
    for number, spelling in enumerate((cid.upper(), base16)):
        assert (
            await store.fetch(spelling, tmp_path / str(number), FetchLimits(file_bytes=3))
        ).size_bytes == 3


@pytest.mark.parametrize(
    "text", ["", "../../etc/passwd", "https://example.com/scene.blend", f"{ABSENT}\n", "a\0b"]
)
async def test_text_that_is_not_a_cid_is_refused(store: ContentStore, tmp_path: Path, text: str) -> None:
    """fault_1: text that is not a CID never becomes a path; it is the creator's fault."""
    (tmp_path / "out").mkdir()
    assert await refusal(store, text, tmp_path / "out" / "fetched") == Code.BAD_CID


async def test_missing_content_is_refused(store: ContentStore, tmp_path: Path) -> None:
    """fault_6: missing content is NOT_FOUND."""
    (tmp_path / "out").mkdir()
    assert await refusal(store, ABSENT, tmp_path / "out" / "fetched") == Code.NOT_FOUND


async def test_a_folder_is_not_fetched_as_a_file(store: ContentStore, tmp_path: Path) -> None:
    """fault_4: a folder is stored under a CID, but refused if a file is requested."""
    write(tmp_path / "bundle" / "frames" / "frame_0001.png", b"picture")
    cid = await store.add(tmp_path / "bundle", "job-1-result")
    (tmp_path / "out").mkdir()
    assert await refusal(store, cid, tmp_path / "out" / "fetched") == Code.NOT_A_FILE


async def test_a_file_over_the_limit_is_refused(store: ContentStore, tmp_path: Path) -> None:
    """fault_51: a file of exactly the limit is fetched; one more byte is TOO_LARGE."""
    cid = await add(store, tmp_path, b"12345")
    (tmp_path / "out").mkdir()
    assert await refusal(store, cid, tmp_path / "out" / "fetched", 4) == Code.TOO_LARGE
    assert (await store.fetch(cid, tmp_path / "out" / "fetched", FetchLimits(file_bytes=5))).size_bytes == 5


async def test_a_fetch_replaces_the_target(store: ContentStore, tmp_path: Path) -> None:
    """fault_73: what an earlier attempt left at the target is replaced, not appended to."""
    cid = await add(store, tmp_path, b"new")
    target = write(tmp_path / "fetched", b"older and longer")
    await store.fetch(cid, target, FetchLimits(file_bytes=100))
    assert target.read_bytes() == b"new"


async def test_a_missing_source_is_not_added(store: ContentStore, tmp_path: Path) -> None:
    """fault_78: a missing source and an empty folder are errors for the user."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="missing"):
        await store.add(tmp_path / "missing", "job-1-asset")
    with pytest.raises(SettingsError, match="empty"):
        await store.add(tmp_path / "empty", "job-1-asset")
    assert list(await store.pins()) == []


async def test_content_has_a_pin_for_each_name(store: ContentStore, tmp_path: Path) -> None:
    """fault_56: adding pins; names are separate, and the same name twice has no effect."""
    cid = await add(store, tmp_path, b"one", "job-1-asset")
    await add(store, tmp_path, b"one", "job-2-asset")
    for _ in range(2):
        await store.pin(Pin(cid=cid, name="../odd name/ü"))
    names = sorted(pin.name for pin in await store.pins() if pin.cid == cid)
    assert names == ["../odd name/ü", "job-1-asset", "job-2-asset"]


async def test_a_pin_is_removed_by_its_name(store: ContentStore, tmp_path: Path) -> None:
    """fault_56: removing one name keeps the others; removing it again, or an unknown one, does nothing."""
    cid = await add(store, tmp_path, b"one", "job-1-asset")
    await store.pin(Pin(cid=cid, name="job-2-asset"))
    for pin in (Pin(cid=cid, name="job-1-asset"), Pin(cid=ABSENT, name="x"), Pin(cid="no cid", name="x")):
        for _ in range(2):
            await store.unpin(pin)
    assert list(await store.pins()) == [Pin(cid=cid, name="job-2-asset")]


async def test_pins_are_listed_by_the_start_of_their_names(store: ContentStore, tmp_path: Path) -> None:
    """fault_56: the prefix may have any characters, and counts only at the start of the name itself."""
    cid = await add(store, tmp_path, b"one", "job-1-asset")
    for name in ("a/ü 1", "a/ü 2", "b a/ü", "a", "A/ü"):
        await store.pin(Pin(cid=cid, name=name))
    assert sorted(pin.name for pin in await store.pins("a/ü")) == ["a/ü 1", "a/ü 2"]
    assert list(await store.pins("job-1")) == [Pin(cid=cid, name="job-1-asset")]
    assert list(await store.pins(cid)) == list(await store.pins("veriframe")) == []


async def test_a_store_is_ready(store: ContentStore) -> None:
    """Even before anything else is called. What it should be asked besides, it answers; it closes twice."""
    await store.ready()
    for check in store.checks():
        assert set((await check.tell()).values()) == {""}
    for _ in range(2):
        await store.close()


async def test_missing_content_cannot_be_pinned(store: ContentStore) -> None:
    """fault_56: a pin never promises content that the store does not have."""
    with pytest.raises(StoreUnavailable):
        await store.pin(Pin(cid=ABSENT, name="job-1-asset"))
    assert list(await store.pins()) == []


async def test_added_content_takes_room(store: ContentStore, tmp_path: Path) -> None:
    """fault_87: pinned bytes reduce the room, and a remedy is given for when there is too little."""
    before = await store.room()
    size_bytes = 3_000_000
    cid = await add(store, tmp_path, random.Random(tmp_path.name).randbytes(size_bytes))
    after = await store.room()
    assert before.free_bytes is not None
    assert before.held_bytes is not None
    assert after.free_bytes is not None
    assert after.held_bytes is not None
    # The node's own database may shrink in the meantime.
    assert 0 <= after.free_bytes <= before.free_bytes - size_bytes + 100_000
    assert after.held_bytes >= before.held_bytes + size_bytes - 100_000
    assert re.search(r"[Rr]aise", after.remedy)
    if not isinstance(store, KuboStore | ReplicatedStore):
        await store.unpin(Pin(cid=cid, name="job-1-asset"))
        assert await store.room() == before


async def test_an_unused_store_has_room(store: ContentStore) -> None:
    """fault_87: even before anything else is called."""
    assert (await store.room()).free_bytes
