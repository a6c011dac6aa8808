"""The limits of the embedded store: its own, the disk's, the caller's."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.unit.adapters.local_store.content import (
    LIMIT,
    add,
    add_folder,
    in_progress,
    make_folder,
    names_in,
    stored,
)

from veriframe.adapters.local_store import LocalStore
from veriframe.adapters.local_store.blobs import Blobs, Kept
from veriframe.adapters.local_store.copying import CopyProgress, TooLong, copy_file, copy_folder
from veriframe.adapters.local_store.pins import PinFolder
from veriframe.errors import Code, HostUnavailable, JobRejected, StoreFull
from veriframe.ports.store import FetchLimits, Pin

KEPT = Blobs.kept


@contextmanager
def full_disk(limit_bytes: int) -> Iterator[None]:
    """Limits the size of files: a write beyond `limit_bytes` fails half-way, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_unpinned_content_makes_room_oldest_first(store: LocalStore, tmp_path: Path) -> None:
    """Within the limit nothing is removed. Over it, the oldest unpinned content is, no more than needed."""
    cids = [await add(store, tmp_path, bytes([number]) * 3000, pinned=number == 0) for number in range(3)]
    exact = await add(store, tmp_path, b"x" * 1000)
    assert stored(tmp_path) == {*cids, exact}
    new = await add(store, tmp_path, b"y" * 3000)
    assert stored(tmp_path) == {cids[0], cids[2], exact, new}
    assert await store.size_bytes() == LIMIT


async def test_content_added_again_is_young_again(store: LocalStore, tmp_path: Path) -> None:
    """Content added again is removed last, also folders, and counts once."""
    folder = await add_folder(store, tmp_path, b"f" * 4000)
    await store.unpin(Pin(cid=folder, name="pin"))
    file = await add(store, tmp_path, b"x" * 4000, pinned=False)
    await add_folder(store, tmp_path, b"f" * 4000)
    await store.unpin(Pin(cid=folder, name="pin"))
    new = await add(store, tmp_path, b"y" * 4000)
    assert stored(tmp_path) == {folder, new}
    assert file not in stored(tmp_path)


async def test_a_store_full_of_pins_says_so(store: LocalStore, tmp_path: Path) -> None:
    """fault_41: pinned content stays. Content that does not fit is refused, and nothing is removed."""
    pinned = await add(store, tmp_path, b"p" * 6000)
    loose = await add(store, tmp_path, b"l" * 2000, pinned=False)
    with pytest.raises(StoreFull, match=r"9[.]8 KiB.*5[.]9 KiB.*store_bytes"):
        await add(store, tmp_path, b"n" * 5000)
    assert stored(tmp_path) == {pinned, loose}
    assert in_progress(tmp_path) == set()
    assert await add(store, tmp_path, b"p" * 6000) == pinned


async def test_room_is_what_the_pins_leave(store: LocalStore, tmp_path: Path) -> None:
    """fault_87: unpinned content makes room, pinned content does not; exactly this much fits."""
    await add(store, tmp_path, b"p" * 6000)
    await add(store, tmp_path, b"l" * 2000, pinned=False)
    room = await store.room()
    assert (room.free_bytes, room.held_bytes) == (4000, 6000)
    with pytest.raises(StoreFull):
        await add(store, tmp_path, b"n" * 4001)
    await add(store, tmp_path, b"n" * 4000)
    assert (await store.room()).free_bytes == 0


async def test_room_is_never_more_than_the_disk_has(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_87: a limit beyond the disk has no effect; a lowered limit does not make the room negative."""
    await add(store, tmp_path, b"p" * 6000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1234))
    assert (await store.room()).free_bytes == 1234
    assert (await LocalStore(tmp_path / "store", 5000).room()).free_bytes == 0


async def test_pins_may_fill_the_store_to_the_last_byte(store: LocalStore, tmp_path: Path) -> None:
    """Content of exactly the limit fits."""
    await add(store, tmp_path, b"p" * 6000)
    await add(store, tmp_path, b"n" * 4000)
    assert await store.size_bytes() == LIMIT


def test_a_folder_s_files_count_together(tmp_path: Path) -> None:
    """fault_41: a folder whose files would fit one by one is not copied beyond the limit."""
    bundle = make_folder(tmp_path / "bundle")
    for name in ("a", "b", "c"):
        (bundle / name).write_bytes(b"n" * 40)
    with pytest.raises(TooLong):
        copy_folder(bundle, tmp_path / "copy", 100, CopyProgress())
    assert names_in(tmp_path / "copy") == {"a", "b", "c"}
    assert copy_folder(bundle, tmp_path / "again", 120, CopyProgress()).size_bytes == 120


async def test_a_file_over_the_caller_s_limit_is_not_copied(store: LocalStore, tmp_path: Path) -> None:
    """fault_51: content that is known to be too large is refused before anything is written."""
    cid = await add(store, tmp_path, b"12345")
    with pytest.raises(JobRejected) as caught:
        await store.fetch(cid, tmp_path / "nowhere" / "target", FetchLimits(file_bytes=4))
    assert caught.value.code == Code.TOO_LARGE


@pytest.mark.parametrize("is_folder", [False, True])
async def test_what_can_never_fit_is_not_copied(store: LocalStore, tmp_path: Path, is_folder: bool) -> None:
    """fault_41: content larger than the whole store is refused and leaves nothing behind."""
    with pytest.raises(StoreFull, match="store_bytes"):
        await (add_folder if is_folder else add)(store, tmp_path, b"n" * (LIMIT + 1))
    assert in_progress(tmp_path) == set()
    assert stored(tmp_path) == set()


async def test_a_full_disk_is_reported(store: LocalStore, tmp_path: Path, out: Path) -> None:
    """fault_41: on a full disk, no half copy is left in the store or at the target."""
    cid = await add(store, tmp_path, b"x" * 4000)
    (tmp_path / "source").write_bytes(b"y" * 4000)
    with full_disk(1000):
        with pytest.raises(StoreFull):
            await store.add(tmp_path / "source", "pin")
        with pytest.raises(HostUnavailable, match="target"):
            await store.fetch(cid, out / "target", FetchLimits(file_bytes=LIMIT))
    assert stored(tmp_path) == {cid}
    assert names_in(out) == set()
    assert in_progress(tmp_path) == set()


async def test_a_target_that_cannot_be_written_is_named(store: LocalStore, tmp_path: Path) -> None:
    """A fetch into a missing folder, or onto a folder, names it."""
    cid = await add(store, tmp_path, b"x")
    (tmp_path / "taken" / "by").mkdir(parents=True)
    for target in (tmp_path / "nowhere" / "target", tmp_path / "taken"):
        with pytest.raises(HostUnavailable, match=str(target)):
            await store.fetch(cid, target, FetchLimits(file_bytes=100))


def test_a_copy_ends_at_the_limit(tmp_path: Path) -> None:
    """fault_51: a file that grows beyond the limit while it is copied is not copied further."""
    with Path("/dev/zero").open("rb", buffering=0) as endless, pytest.raises(TooLong):
        copy_file(endless, tmp_path / "copy", 100, CopyProgress())
    assert (tmp_path / "copy").stat().st_size <= 100


async def test_adding_does_not_read_all_pins(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The content is only measured if something must be removed."""
    await add(store, tmp_path, b"a" * 3000)
    calls = list[str]()

    def pinned(folder: PinFolder) -> frozenset[str]:
        calls.append("pins")
        return frozenset(pin.cid for pin in folder.all())

    def kept(blobs: Blobs) -> Sequence[Kept]:
        calls.append("content")
        return KEPT(blobs)

    monkeypatch.setattr(PinFolder, "pinned", pinned)
    monkeypatch.setattr(Blobs, "kept", kept)
    loose = await add(store, tmp_path, b"b" * 3000, pinned=False)
    await add(store, tmp_path, b"b" * 3000, pinned=False)
    await add(store, tmp_path, b"c" * 4000)
    assert calls == []
    new = await add(store, tmp_path, b"d" * 3000)
    assert set(calls) == {"pins", "content"}
    assert (new in stored(tmp_path), loose in stored(tmp_path)) == (True, False)


@pytest.mark.parametrize("noted", ["0", "999999999", "nonsense", ""])
async def test_a_wrong_count_does_no_harm(store: LocalStore, tmp_path: Path, noted: str) -> None:
    """fault_73: a count that a power cut reverted is not used after a start; a too high one is corrected."""
    pinned = await add(store, tmp_path, b"p" * 6000)
    loose = await add(store, tmp_path, b"l" * 4000, pinned=False)
    (tmp_path / "store" / "used").write_text(noted)
    again = store if noted == "999999999" else LocalStore(tmp_path / "store", LIMIT)
    new = await add(again, tmp_path, b"n" * 3000)
    assert stored(tmp_path) == {pinned, new}
    assert loose not in stored(tmp_path)
    assert (tmp_path / "store" / "used").read_text() == "9000"
