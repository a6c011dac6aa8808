"""Tests of every content store: what cannot be added, and targets that cannot be written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.ports.store_content import add, write

from veriframe.adapters.kubo.replicas.replicated_store import ReplicatedStore
from veriframe.errors import Code, HostUnavailable, JobError, SettingsError, StoreUnavailable
from veriframe.ports.store import ContentStore, FetchLimits, Transfer


def link_inside(source: Path) -> None:
    """Make a folder with a link."""
    write(source / "file", b"x")
    (source / "link").symlink_to("file")


def pipe_inside(source: Path) -> None:
    """Make a folder with a named pipe."""
    write(source / "file", b"x")
    os.mkfifo(source / "pipe")


def odd_name_inside(source: Path) -> None:
    """Make a folder with a name that is not UTF-8."""
    write(source / os.fsdecode(b"\xff"), b"x")


@pytest.mark.parametrize(
    "make", [lambda _: None, Path.mkdir, os.mkfifo, link_inside, pipe_inside, odd_name_inside]
)
async def test_what_cannot_be_stored_is_an_error_of_its_user(
    store: ContentStore, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """fault_78: nothing, an empty folder, a pipe, a link, a pipe or an odd name in a folder."""
    make(tmp_path / "source")
    with pytest.raises(SettingsError, match="source"):
        await store.add(tmp_path / "source", "job-1-asset")
    assert list(await store.pins()) == []


async def test_a_name_that_is_too_long_is_an_error_of_its_user(store: ContentStore, tmp_path: Path) -> None:
    """fault_56: rather than a pin under another name."""
    with pytest.raises(SettingsError):
        await add(store, tmp_path, b"one", "x" * 300)
    assert list(await store.pins()) == []


@pytest.mark.parametrize("is_folder", [False, True])
async def test_a_source_that_changes_is_stored_as_it_was_read_or_not_at_all(
    store: ContentStore, tmp_path: Path, is_folder: bool
) -> None:
    """fault_75: either the CID names what is stored, or there is neither a CID nor a pin."""
    source = tmp_path / "source"
    files = [source / f"{number:02}" for number in range(12)] if is_folder else [source]
    for file in files:
        write(file, os.urandom(2**20 if is_folder else 2**23))

    def change(_: Transfer) -> None:
        if files[-1].exists() and files[-1].stat().st_size != 5:
            files[-1].write_bytes(b"other")

    cid, code = "", None
    try:
        cid = await store.add(source, "job-1-asset", change)
    except JobError as error:
        code = error.code
    except StoreUnavailable:
        # A copy that is required differs by now: to be added again.
        assert isinstance(store, ReplicatedStore)
        return
    pinned = [pin.cid for pin in await store.pins()]
    assert (pinned, code) in (([cid], None), ([], Code.UPLOAD))


async def test_a_target_that_cannot_be_written_is_this_machines_fault(
    store: ContentStore, tmp_path: Path
) -> None:
    """fault_41: neither the store's nor the job's."""
    cid = await add(store, tmp_path, b"one")
    with pytest.raises(HostUnavailable):
        await store.fetch(cid, tmp_path / "nowhere" / "target", FetchLimits(file_bytes=3))
