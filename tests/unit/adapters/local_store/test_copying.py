"""The embedded store's copies: what it copies, when it stops, and what killed processes leave."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from pathlib import Path
from typing import BinaryIO

import pytest
from tests.unit.adapters.local_store.content import (
    LIMIT,
    add,
    in_progress,
    names_in,
    stored,
)

from veriframe.adapters.local_store import LocalStore
from veriframe.adapters.local_store import staging as staging_module
from veriframe.adapters.local_store import store as store_module
from veriframe.adapters.local_store.copying import Copied, CopyProgress, Stopped, copy_file, open_file
from veriframe.adapters.local_store.staging import PREFIX, staging
from veriframe.disk import try_lock
from veriframe.errors import SettingsError
from veriframe.ports.store import FetchLimits


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "socket", "empty", "name"])
async def test_folders_with_other_entries_are_not_stored(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """fault_4: links, pipes, sockets, empty folders and broken names in a folder are not stored."""
    bundle = tmp_path / "bundle"
    (bundle / "frames").mkdir(parents=True)
    (bundle / "job.json").write_bytes(b"{}")
    odd = bundle / "frames" / "odd"
    match kind:
        case "link":
            odd.symlink_to("/etc/passwd")
        case "dangling":
            odd.symlink_to("nowhere")
        case "pipe":
            os.mkfifo(odd)
        case "socket":
            monkeypatch.chdir(odd.parent)  # paths of sockets must be short
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind("odd")
        case "empty":
            odd.mkdir()
        case _:
            (odd.parent / os.fsdecode(b"\xff")).touch()
    with pytest.raises(SettingsError, match="frames"):
        await store.add(bundle, "pin")
    assert stored(tmp_path) == set()
    assert in_progress(tmp_path) == set()


async def test_a_source_may_be_a_link(store: LocalStore, tmp_path: Path, out: Path) -> None:
    """A link to a scene counts as the scene."""
    (tmp_path / "scene.blend").write_bytes(b"BLENDER")
    (tmp_path / "link.blend").symlink_to(tmp_path / "scene.blend")
    cid = await store.add(tmp_path / "link.blend", "pin")
    assert (await store.fetch(cid, out / "target", FetchLimits(file_bytes=7))).size_bytes == 7


async def test_only_folders_of_killed_processes_are_swept(
    store: LocalStore, tmp_path: Path, out: Path
) -> None:
    """fault_46: folders in use and foreign files stay."""
    cid = await add(store, tmp_path, b"x")
    for folder in (tmp_path / "store" / "work", out):
        (folder / f"{PREFIX}dead").mkdir()
        (folder / f"{PREFIX}dead" / "new").write_bytes(b"half")
        (folder / "another").mkdir()
        with staging(folder) as living:
            (living / "new").write_bytes(b"half")
            await store.add(tmp_path / "source", "pin")
            await store.fetch(cid, folder / "target", FetchLimits(file_bytes=100))
            assert names_in(folder) == {living.name, "another", "target"}
            assert (living / "new").read_bytes() == b"half"


def test_a_folder_swept_before_it_was_locked_is_made_again(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_46: another process's sweep between creating and locking a folder only costs a second attempt."""
    swept = list[Path]()

    def be_swept_first(descriptor: int) -> bool:
        if not swept:
            swept.extend(out.iterdir())
            swept[0].rmdir()
        return try_lock(descriptor)

    monkeypatch.setattr(staging_module, "try_lock", be_swept_first)
    with staging(out) as folder:
        assert folder.is_dir()
        assert folder != swept[0]


def test_a_folder_swept_before_it_was_opened_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_46: with concurrent adds, one sweep may delete the folder that another has just created."""
    make, made = tempfile.mkdtemp, list[str]()

    def be_swept_at_once(**where: object) -> str:
        made.append(make(**where))  # type: ignore[call-overload]
        if len(made) == 1:
            Path(made[0]).rmdir()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", be_swept_at_once)
    with staging(tmp_path) as folder:
        assert folder.is_dir()
    assert len(made) == 2


async def test_a_cancelled_fetch_has_ended(
    store: LocalStore, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_74: after a cancelled fetch nothing is written any more, and nothing is left."""
    cid = await add(store, tmp_path, b"x")
    loop, started = asyncio.get_running_loop(), asyncio.Event()

    def copy_slowly(
        source: BinaryIO, target: Path, limit_bytes: int, watch: CopyProgress, *, mode: int
    ) -> Copied:
        loop.call_soon_threadsafe(started.set)
        watch.stop.wait(10)
        return copy_file(source, target, limit_bytes, watch, mode=mode)

    monkeypatch.setattr(store_module, "copy_file", copy_slowly)
    fetching = asyncio.create_task(store.fetch(cid, out / "target", FetchLimits(file_bytes=LIMIT)))
    await started.wait()
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert names_in(out) == set()


def test_a_copy_stops_on_request(tmp_path: Path) -> None:
    """fault_74: a copy checks before each piece whether it should stop."""
    (tmp_path / "source").write_bytes(b"x")
    watch = CopyProgress()
    watch.stop.set()
    with open_file(tmp_path / "source") as source, pytest.raises(Stopped):
        copy_file(source, tmp_path / "copy", 100, watch)
