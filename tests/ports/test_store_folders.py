"""Tests of every content store: folders, and the progress of transfers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ports.store_content import ABSENT, add, write

from veriframe.errors import Code, JobRejected
from veriframe.model.content.folder import FolderLimits
from veriframe.ports.store import ContentStore, FetchLimits, Transfer

PLENTY = FolderLimits(size_bytes=2**22)
FOLDER = FetchLimits(folder=PLENTY)
BUNDLE = {
    "job.json": b"{}",
    "frames/frame_0001.png": b"picture",
    "frames/empty.txt": b"",
    "frames/deep/er/Wüste 砂漠 👩‍🚀.png": hashlib.shake_256(b"leaves").digest(600_000),
    "again/frame_0001.png": b"picture",
}


def bundle(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Creates a folder with these files."""
    for name, content in files.items():
        write(folder / name, content)
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    """Returns all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names_in(folder: Path) -> list[str]:
    """Returns the names in a folder; creates it if it is missing."""
    folder.mkdir(exist_ok=True)
    return [path.name for path in folder.iterdir()]


async def folder_refusal(store: ContentStore, cid: str, out: Path, limits: FolderLimits = PLENTY) -> Code:
    """Returns why a folder is refused, and checks that nothing is left at the target."""
    assert names_in(out) == []
    with pytest.raises(JobRejected) as caught:
        await store.fetch(cid, out / "fetched", FetchLimits(folder=limits))
    assert names_in(out) == []
    return caught.value.code


async def test_a_folder_comes_back_as_it_was(store: ContentStore, tmp_path: Path) -> None:
    """Nested folders, empty and large files, names in any script: exactly what was added."""
    cid = await store.add(bundle(tmp_path / "bundle", BUNDLE), "job-1-result")
    (tmp_path / "out").mkdir()
    size_bytes = (await store.fetch(cid, tmp_path / "out" / "fetched", FOLDER)).size_bytes
    assert size_bytes == sum(map(len, BUNDLE.values()))
    assert files_in(tmp_path / "out") == {f"fetched/{name}": content for name, content in BUNDLE.items()}


async def test_a_fetched_folder_replaces_the_target(store: ContentStore, tmp_path: Path) -> None:
    """fault_73: an older folder or file at the target does not mix with the fetched folder."""
    cid = await store.add(bundle(tmp_path / "bundle", {"new": b"new"}), "job-1-result")
    older = bundle(tmp_path / "out" / "older", {"new": b"older and longer", "old/file": b"old"})
    file = write(tmp_path / "out" / "file", b"a file")
    for target in (older, file):
        await store.fetch(cid, target, FOLDER)
    assert files_in(tmp_path / "out") == {"older/new": b"new", "file/new": b"new"}


async def test_a_folder_beyond_its_limits_is_refused(store: ContentStore, tmp_path: Path) -> None:
    """fault_4, fault_5, fault_51: a folder at its limits is fetched; beyond any of them it is TOO_LARGE."""
    files = {"a/b/c": b"12345", "d": b"678"}
    cid = await store.add(bundle(tmp_path / "bundle", files), "job-1-result")
    just = FolderLimits(size_bytes=8, entries=4, depth=3, path_bytes=5)
    assert (await store.fetch(cid, tmp_path / "fetched", FetchLimits(folder=just))).size_bytes == 8
    for name, limit in (("size_bytes", 7), ("entries", 3), ("depth", 2), ("path_bytes", 4)):
        code = await folder_refusal(store, cid, tmp_path / "out", replace(just, **{name: limit}))
        assert (name, code) == (name, Code.TOO_LARGE)


@pytest.mark.parametrize("name", ["gnp\u202eexe.png", "two\nlines", "bell\x07", "mark\u200f"])
async def test_a_folder_with_a_deceiving_name_is_refused(
    store: ContentStore, tmp_path: Path, name: str
) -> None:
    """fault_4, fault_15: names that change the text direction or have control characters are CORRUPT."""
    cid = await store.add(bundle(tmp_path / "bundle", {f"frames/{name}": b"x"}), "job-1-result")
    assert await folder_refusal(store, cid, tmp_path / "out") == Code.CORRUPT


async def test_other_content_is_not_a_folder(store: ContentStore, tmp_path: Path) -> None:
    """fault_1, fault_4, fault_6: a file of one block or more, an invalid CID, and missing content."""
    for content in (b"file", bytes(300_000)):
        cid = await add(store, tmp_path, content)
        assert await folder_refusal(store, cid, tmp_path / "out") == Code.NOT_A_FILE
    assert await folder_refusal(store, "../../etc", tmp_path / "out") == Code.BAD_CID
    assert await folder_refusal(store, ABSENT, tmp_path / "out") == Code.NOT_FOUND


async def test_transfers_are_reported_to_the_end(store: ContentStore, tmp_path: Path) -> None:
    """Progress only grows and ends at the total, for adding and fetching files and folders."""
    file = write(tmp_path / "file", hashlib.shake_256(b"reported").digest(3_000_000))
    folder = bundle(tmp_path / "folder", {"a": b"12", "b/c": b"345"})
    for source, total_bytes in ((file, 3_000_000), (folder, 5)):
        reported: list[list[Transfer]] = [[], []]
        cid = await store.add(source, "job-1-result", reported[0].append)
        if source is file:
            await store.fetch(
                cid, tmp_path / "fetched-file", FetchLimits(file_bytes=2**22), reported[1].append
            )
        else:
            await store.fetch(cid, tmp_path / "fetched", FOLDER, reported[1].append)
        for transfers in reported:
            done = [transfer.done_bytes for transfer in transfers]
            assert done == sorted(done)
            assert transfers[-1] == Transfer(done_bytes=total_bytes, total_bytes=total_bytes)
