"""The embedded store: damage, durability, locks, permissions, the log."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog
from tests.unit.adapters.local_store.content import (
    LIMIT,
    add,
    add_folder,
    names_in,
)

from veriframe.adapters.local_store import LocalStore, blobs
from veriframe.adapters.local_store import store as store_module
from veriframe.adapters.local_store.copying import folder_cid
from veriframe.disk import locked
from veriframe.errors import SettingsError, StoreDamaged, StoreUnavailable
from veriframe.ports.store import FetchLimits, Pin


def overwrite(path: Path, content: bytes) -> None:
    """Changes a stored file in place, as a failing disk would, although it is read-only."""
    path.chmod(0o600)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [b"abcdeX", b"abcde", b"abcdefg", b""])
async def test_a_damaged_file_is_found_and_repaired(
    store: LocalStore, tmp_path: Path, out: Path, damage: bytes
) -> None:
    """fault_7: wrong bytes are never returned for a CID; adding the content again repairs the store."""
    cid = await add(store, tmp_path, b"abcdef")
    path = tmp_path / "store" / "content" / cid
    overwrite(path, damage)
    with pytest.raises(StoreUnavailable, match=f"The stored file {path}"):
        await store.fetch(cid, out / "target", FetchLimits(file_bytes=100))
    assert names_in(out) == set()
    await add(store, tmp_path, b"abcdef")
    assert (await store.fetch(cid, out / "target", FetchLimits(file_bytes=100))).size_bytes == 6


async def test_no_range_of_damaged_content_is_returned(store: LocalStore, tmp_path: Path) -> None:
    """fault_7: a file or a folder is checked whole, also where the damage is behind the range."""
    file, folder = await add(store, tmp_path, b"abcdef"), await add_folder(store, tmp_path, b"abcdef")
    for cid, name in ((file, ""), (folder, "frames/frame.png")):
        assert await store.read(cid, name, 1, 2) == b"bc"
        overwrite(tmp_path / "store" / "content" / cid / name, b"abcdeX")
        with pytest.raises(StoreUnavailable, match=cid):
            await store.read(cid, name, 1, 2)


@pytest.mark.parametrize("kind", ["link", "pipe"])
async def test_links_and_pipes_in_place_of_a_file_are_not_read(
    store: LocalStore, tmp_path: Path, out: Path, kind: str
) -> None:
    """fault_23: a link is not followed, and a pipe does not block, even within the store."""
    cid = await add(store, tmp_path, b"abcdef")
    path = tmp_path / "store" / "content" / cid
    path.unlink()
    if kind == "link":
        path.symlink_to(tmp_path / "source")
    else:
        os.mkfifo(path)
    with pytest.raises(StoreUnavailable):
        await store.fetch(cid, out / "target", FetchLimits(file_bytes=100))
    await add(store, tmp_path, b"abcdef")
    assert (await store.fetch(cid, out / "target", FetchLimits(file_bytes=100))).size_bytes == 6


@pytest.mark.parametrize("damage", ["bytes", "link"])
async def test_a_damaged_folder_is_repaired(store: LocalStore, tmp_path: Path, damage: str) -> None:
    """fault_7: adding a folder again replaces its damaged copy; a link to the right bytes is damage too."""
    cid = await add_folder(store, tmp_path, b"abcdef")
    path = tmp_path / "store" / "content" / cid / "frames" / "frame.png"
    if damage == "bytes":
        overwrite(path, b"abcdeX")
    else:
        path.unlink()
        path.symlink_to(tmp_path / "bundle" / "frames" / "frame.png")
    with pytest.raises(StoreDamaged, match=r"The stored folder .* or delete the folder"):
        await store.read(cid, "frames/frame.png", 0, 1)
    assert await add_folder(store, tmp_path, b"abcdef") == cid
    assert not path.is_symlink()
    assert path.read_bytes() == b"abcdef"


@pytest.mark.parametrize("is_old", [True, False])
async def test_a_folder_is_read_once_as_long_as_nothing_changes(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_old: bool
) -> None:
    """fault_7: one that was just written is read each time; damage of an old one is found, too."""
    reads: list[Path] = []

    def read(path: Path) -> str:
        reads.append(path)
        return folder_cid(path)

    monkeypatch.setattr(blobs, "folder_cid", read)
    monkeypatch.setattr(blobs, "FRESH_NS", -(10**9) if is_old else 10**12)
    cid = await add_folder(store, tmp_path, b"abcdef")
    for _ in range(3):
        assert await store.read(cid, "frames/frame.png", 1, 2) == b"bc"
    assert len(reads) == (1 if is_old else 3)
    overwrite(tmp_path / "store" / "content" / cid / "frames" / "frame.png", b"abcdeX")
    with pytest.raises(StoreUnavailable, match=cid):
        await store.read(cid, "frames/frame.png", 1, 2)


async def test_an_intact_folder_stays_when_added_again(store: LocalStore, tmp_path: Path) -> None:
    """Adding a folder again never makes it disappear, not even for a moment."""
    cid = await add_folder(store, tmp_path, b"abcdef")
    before = (tmp_path / "store" / "content" / cid).stat().st_ino
    await add_folder(store, tmp_path, b"abcdef")
    assert (tmp_path / "store" / "content" / cid).stat().st_ino == before


async def test_a_missing_store_is_not_an_empty_store(store: LocalStore, tmp_path: Path, out: Path) -> None:
    """fault_6: without its disk the store is unavailable; it does not report the content as missing."""
    cid = await add(store, tmp_path, b"x")
    (tmp_path / "store").rename(tmp_path / "away")
    with pytest.raises(StoreUnavailable):
        await store.fetch(cid, out / "target", FetchLimits(file_bytes=100))
    with pytest.raises(StoreUnavailable):
        await store.add(tmp_path / "source", "pin")
    with pytest.raises(StoreUnavailable):
        await store.pins()
    assert not (tmp_path / "store").exists()


async def test_a_store_cannot_be_where_a_file_is(tmp_path: Path) -> None:
    """fault_78: the error names it."""
    (tmp_path / "store").touch()
    with pytest.raises(StoreUnavailable, match=str(tmp_path / "store")):
        await LocalStore(tmp_path / "store", LIMIT).pins()


async def test_waiting_for_a_lock_ends(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that hangs with the lock does not block the others for ever."""
    cid = await add(store, tmp_path, b"x")
    monkeypatch.setattr(store_module, "LOCK_WAIT_SECONDS", 0.05)
    async with locked(tmp_path / "store" / "lock"):
        with pytest.raises(StoreUnavailable):
            await store.pin(Pin(cid=cid, name="more"))
    await store.pin(Pin(cid=cid, name="more"))


async def test_pins_and_content_survive_the_process(store: LocalStore, tmp_path: Path, out: Path) -> None:
    """fault_73: another store on the same folder has the same content and the same pins."""
    cid = await add(store, tmp_path, b"x")
    again = LocalStore(tmp_path / "store", LIMIT)
    assert list(await again.pins()) == [Pin(cid=cid, name="pin")]
    assert (await again.fetch(cid, out / "target", FetchLimits(file_bytes=100))).size_bytes == 1


async def test_a_pin_s_name_has_a_limit(store: LocalStore, tmp_path: Path) -> None:
    """A name that is too long for a file is refused, not truncated."""
    cid = await add(store, tmp_path, b"x")
    with pytest.raises(SettingsError):
        await store.pin(Pin(cid=cid, name="n" * 300))


async def test_only_the_owner_reads_the_store(store: LocalStore, tmp_path: Path) -> None:
    """The store is private, and its content is read-only."""
    cid = await add(store, tmp_path, b"x")
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "store" / "content" / cid).stat().st_mode & 0o777 == 0o400


async def test_a_fetched_file_is_an_ordinary_one(store: LocalStore, tmp_path: Path, out: Path) -> None:
    """A fetched file has the permissions of any new file of this user."""
    cid = await add(store, tmp_path, b"x")
    await store.fetch(cid, out / "target", FetchLimits(file_bytes=1))
    (out / "ordinary").touch()
    assert (out / "target").stat().st_mode == (out / "ordinary").stat().st_mode


async def test_additions_fetches_and_cleaning_are_logged(
    store: LocalStore, tmp_path: Path, out: Path
) -> None:
    """The log has what was added, fetched and removed, with sizes and times."""
    with structlog.testing.capture_logs() as events:
        cid = await add(store, tmp_path, b"x" * 6000, pinned=False)
        await store.fetch(cid, out / "target", FetchLimits(file_bytes=LIMIT))
        other = await add(store, tmp_path, b"y" * 6000)
    logged = [(event["event"], event["cid"], event["size_bytes"]) for event in events]
    expected = [("store_added", cid, 6000), ("store_fetched", cid, 6000), ("store_cleaned", cid, 6000)]
    assert logged == [*expected, ("store_added", other, 6000)]
    assert all(0 <= event["seconds"] < 60 for event in events if event["event"] != "store_cleaned")
