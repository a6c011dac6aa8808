"""Tests of every content store: one entry of a folder, and a folder with one file changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.ports.store_content import ABSENT, add
from tests.ports.test_store_folders import BUNDLE, FOLDER, bundle, files_in, names_in

from veriframe.errors import Code, JobRejected, SettingsError
from veriframe.model.content.folder import FolderLimits
from veriframe.ports.store import MOST_FILE_BYTES, ContentStore, Fetched, FetchLimits, Pin, Transfer

FILE = FetchLimits(file_bytes=2**20)
DEEP = "frames/deep/er/Wüste 砂漠 👩‍🚀.png"


async def test_one_entry_of_a_folder_comes(store: ContentStore, tmp_path: Path) -> None:
    """A file at any depth, of any size; a folder in it; the progress is of the entry alone."""
    cid = await store.add(bundle(tmp_path / "bundle", BUNDLE), "job-1-result")
    out = tmp_path / "out"
    assert names_in(out) == []
    for path in ("job.json", "frames/empty.txt", DEEP):
        transfers: list[Transfer] = []
        fetched = await store.fetch(cid, out / "file", FILE, transfers.append, path=path)
        assert fetched == Fetched(is_folder=False, size_bytes=len(BUNDLE[path]))
        assert transfers[-1] == Transfer(done_bytes=len(BUNDLE[path]), total_bytes=len(BUNDLE[path]))
        assert files_in(out) == {"file": BUNDLE[path]}
    assert (await store.fetch(cid, out / "again", FOLDER, path="again")).is_folder
    assert files_in(out / "again") == {"frame_0001.png": b"picture"}


async def test_an_entry_that_is_not_there_is_told_apart(store: ContentStore, tmp_path: Path) -> None:
    """fault_160: a missing entry is CORRUPT, a path through a file NOT_A_FILE; nothing is left."""
    folder = await store.add(bundle(tmp_path / "bundle", BUNDLE), "job-1-result")
    file = await add(store, tmp_path, b"a bare scene")
    out = tmp_path / "out"
    assert names_in(out) == []
    for cid, path, code in (
        (folder, "frames/frame_0002.png", Code.CORRUPT),
        (folder, "absent", Code.CORRUPT),
        (folder, "../job.json", Code.CORRUPT),
        (folder, "frames//empty.txt", Code.CORRUPT),
        (folder, "job.json/deeper", Code.NOT_A_FILE),
        (file, "job.json", Code.NOT_A_FILE),
        (ABSENT, "job.json", Code.NOT_FOUND),
    ):
        with pytest.raises(JobRejected) as caught:
            await store.fetch(cid, out / "file", FILE, path=path)
        assert (path, caught.value.code) == (path, code)
        assert names_in(out) == []


async def test_the_limits_are_those_of_the_entry(store: ContentStore, tmp_path: Path) -> None:
    """The folder around it may be of any size; the entry is a file or a folder as they allow."""
    cid = await store.add(bundle(tmp_path / "bundle", BUNDLE), "job-1-result")
    out = tmp_path / "out"
    assert names_in(out) == []
    for path, limits, code in (
        ("job.json", FetchLimits(file_bytes=1), Code.TOO_LARGE),
        ("frames", FILE, Code.NOT_A_FILE),
        ("job.json", FOLDER, Code.NOT_A_FILE),
        ("frames", FetchLimits(folder=FolderLimits(size_bytes=9)), Code.TOO_LARGE),
    ):
        with pytest.raises(JobRejected) as caught:
            await store.fetch(cid, out / "entry", limits, path=path)
        assert (path, caught.value.code) == (path, code)
    fetched = await store.fetch(cid, out / "entry", FetchLimits(file_bytes=2), path="job.json")
    assert fetched.size_bytes == 2


@pytest.mark.parametrize("name", ["job.json", "a", "new.txt", "zz", "Ümlaut.txt", "again"])
async def test_a_folder_with_another_file_has_the_cid_of_such_a_folder(
    store: ContentStore, tmp_path: Path, name: str
) -> None:
    """Added, replaced, and in place of a folder: as if it had been added like that; the first one stays."""
    cid = await store.add(bundle(tmp_path / "bundle", BUNDLE), "order-1-asset")
    changed = await store.with_file(cid, name, b'{"frames": "1-10"}', "order-2-asset")
    kept = {path: content for path, content in BUNDLE.items() if path.split("/")[0] != name}
    expected = {**kept, name: b'{"frames": "1-10"}'}
    assert changed == await store.add(bundle(tmp_path / "changed", expected), "the same")
    assert Pin(cid=changed, name="order-2-asset") in await store.pins()
    (tmp_path / "out").mkdir()
    await store.fetch(changed, tmp_path / "out" / "changed", FOLDER)
    await store.fetch(cid, tmp_path / "out" / "first", FOLDER)
    assert files_in(tmp_path / "out" / "changed") == expected
    assert files_in(tmp_path / "out" / "first") == BUNDLE


async def test_a_changed_folder_outlives_the_first(store: ContentStore, tmp_path: Path) -> None:
    """Its pin keeps all of its files, also those that it shares with the folder that it was made from."""
    cid = await store.add(bundle(tmp_path / "bundle", BUNDLE), "first")
    changed = await store.with_file(cid, "job.json", bytes(MOST_FILE_BYTES), "second")
    await store.unpin(Pin(cid=cid, name="first"))
    (tmp_path / "out").mkdir()
    await store.fetch(changed, tmp_path / "out" / "changed", FOLDER)
    assert files_in(tmp_path / "out" / "changed") == {**BUNDLE, "job.json": bytes(MOST_FILE_BYTES)}


async def test_what_cannot_be_changed_is_refused(store: ContentStore, tmp_path: Path) -> None:
    """fault_161: a file, absent content, names that no file has, and files of more than one block."""
    folder = await store.add(bundle(tmp_path / "bundle", BUNDLE), "first")
    file = await add(store, tmp_path, hashlib.shake_256(b"file").digest(400_000))
    for name, content in (("", b""), ("..", b""), ("a/b", b""), ("job.json", bytes(MOST_FILE_BYTES + 1))):
        with pytest.raises(SettingsError):
            await store.with_file(folder, name, content, "second")
    with pytest.raises(JobRejected) as caught:
        await store.with_file(file, "job.json", b"{}", "second")
    assert caught.value.code is Code.NOT_A_FILE
    assert [pin.name for pin in await store.pins()].count("second") == 0
