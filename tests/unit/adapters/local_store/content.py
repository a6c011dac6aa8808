"""A small embedded store in a test's folder, and helpers to fill and read it."""

from __future__ import annotations

from pathlib import Path

from veriframe.adapters.local_store import LocalStore
from veriframe.ports.store import Pin

LIMIT = 10_000


def make_store(tmp_path: Path) -> LocalStore:
    """A store in `tmp_path / "store"` with a limit of ten thousand bytes."""
    return LocalStore(tmp_path / "store", LIMIT)


async def add(store: LocalStore, folder: Path, content: bytes, *, pinned: bool = True) -> str:
    """Adds bytes. Returns their CID."""
    (folder / "source").write_bytes(content)
    cid = await store.add(folder / "source", "pin")
    if not pinned:
        await store.unpin(Pin(cid=cid, name="pin"))
    return cid


async def add_folder(store: LocalStore, folder: Path, content: bytes) -> str:
    """Adds a folder with one file. Returns its CID."""
    file = folder / "bundle" / "frames" / "frame.png"
    make_folder(file.parent)
    file.write_bytes(content)
    return await store.add(folder / "bundle", "pin")


def make_folder(folder: Path) -> Path:
    """Creates a folder that may already exist."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def names_in(folder: Path) -> set[str]:
    """The names in a folder."""
    return {path.name for path in folder.iterdir()}


def stored(tmp_path: Path) -> set[str]:
    """The CIDs of the content in the store."""
    return names_in(tmp_path / "store" / "content")


def in_progress(tmp_path: Path) -> set[str]:
    """The copies in the store's work folder."""
    return names_in(tmp_path / "store" / "work")
