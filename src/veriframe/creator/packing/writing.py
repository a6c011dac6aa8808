"""Writes a bundle's files, completely or not at all."""

from __future__ import annotations

import mmap
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import zstandard

from veriframe.causes import cause_of
from veriframe.creator.packing.values import Found, TakenFile
from veriframe.errors import Code, JobRejected, SettingsError
from veriframe.model.bundle.travel import Kind
from veriframe.model.quantities import format_size

_PLAIN = b"BLENDER"
_LEVEL = 3
"""Blender's own level of compression."""

_PART_BYTES = 2**20
_SHORTEST_WORD = 6
"""A shorter path, such as `/tmp`, tells nothing, and is found by chance."""
_MOST_PLACES = 10_000
"""Places in a file that are looked at for each such beginning."""


@contextmanager
def as_settings_error(path: Path) -> Iterator[None]:
    """Errors of the disk as a `SettingsError` about the path."""
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be used: {cause_of(error)}. Pass another path, or free some space."
        ) from error


def regular(scene: Path) -> Path:
    """The scene's path without links. Raises `SettingsError` if it is not a regular file."""
    with as_settings_error(scene):
        found = scene.resolve(strict=True)
        if not stat.S_ISREG(found.stat().st_mode):
            raise SettingsError(f"{scene} is not a file. Pass a .blend file.")
        return found


def refuse_target(target: Path) -> None:
    """Raise `SettingsError` if a bundle cannot be written there: the folder must be new, or empty.

    Nothing is made yet.
    """
    with as_settings_error(target):
        if target.is_symlink() or (target.exists() and not target.is_dir()):
            raise SettingsError(f"{target} already exists. Pass a new folder.")
        if target.is_dir() and any(target.iterdir()):
            raise SettingsError(f"{target} is not empty. Pass a new folder, or remove it first.")
        folder = next(folder for folder in target.absolute().parents if os.path.lexists(folder))
        if not folder.is_dir():
            raise SettingsError(f"{folder} is not a folder. Pass another path.")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SettingsError(f"{folder} may not be written. Pass a path in a folder of yours.")


def require_room(found: Found, folder: Path, most_bytes: int) -> None:
    """Raise `JobRejected` (TOO_LARGE) or `SettingsError` unless all files fit into a bundle, and the disk.

    A sparse file may have any size, and is copied in full.
    """
    needed = sum(file.size_bytes for file in found.files)
    if needed > most_bytes:
        raise JobRejected(
            Code.TOO_LARGE,
            f"The scene's files have {format_size(needed)}, and a bundle may have {format_size(most_bytes)}. "
            "Make them smaller, or set bundle_bytes higher if your workers take it.",
        )
    with as_settings_error(folder):
        free = shutil.disk_usage(folder).free
    if needed > free:
        raise SettingsError(
            f"The bundle needs {format_size(needed)} at {folder}, and {format_size(free)} is free. Free some "
            "disk, or pass a path on another one."
        )


def put(folder: Path, target: Path) -> None:
    """Move the finished bundle to its place. Raises `OSError`."""
    if target.is_dir():
        target.rmdir()
    folder.chmod(0o755)
    folder.rename(target)


def copy_files(found: Found, folder: Path) -> Sequence[str]:
    """Copy all files but scenes. Returns the traces of this machine in them. Raises `SettingsError`."""
    words, traces = machine_words(found), list[str]()
    with as_settings_error(folder):
        folder.mkdir(mode=0o700)
        for file in found.files:
            target = folder / file.place
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.place and file.kind is not Kind.LIBRARY:
                _copy(file, target)
                traces += _traces(target, file.place, words)
    return traces


def _copy(file: TakenFile, target: Path) -> None:
    # Not a device, a pipe or a link that has taken the file's place meanwhile.
    descriptor = os.open(file.real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as source, target.open("xb") as copy:
        if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            raise SettingsError(f"{file.source} is no regular file any more. Pack the scene again.")
        shutil.copyfileobj(source, copy, _PART_BYTES)


def finish_scene(original: Path, saved: Path, place: str, words: Sequence[bytes]) -> Sequence[str]:
    """Compress a saved scene, unless the original is plain. Returns the traces of this machine in it."""
    with as_settings_error(saved):
        traces = _traces(saved, place, words)
        with original.open("rb") as stream:
            is_plain = stream.read(len(_PLAIN)) == _PLAIN
        if not is_plain:
            saved.write_bytes(zstandard.ZstdCompressor(level=_LEVEL).compress(saved.read_bytes()))
        saved.chmod(0o644)
    return traces


def _traces(file: Path, place: str, words: Sequence[bytes]) -> list[str]:
    """Which of the words a file holds.

    A scene decides how many there are. So the file is read once for each pair of folders that they begin
    with, of which a machine has few, and they are only compared where one of these is found.
    """
    if not file.stat().st_size:
        return []
    known, lengths = frozenset(words), sorted({len(word) for word in words}, reverse=True)
    held = set[bytes]()
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for start in {b"/".join(word.split(b"/")[:3]) for word in words}:
            at = content.find(start)
            for _ in range(_MOST_PLACES):
                if at < 0:
                    break
                here = (content[at : at + length] for length in lengths)
                if (word := next((word for word in here if word in known), None)) is not None:
                    held.add(word)
                at = content.find(start, at + 1)
    # Of a path and its parents, the longest says it all.
    told = [word for word in sorted(held) if not any(word != more and more.startswith(word) for more in held)]
    return [f"{place}: {word.decode(errors='replace')}" for word in told]


def machine_words(found: Found) -> Sequence[bytes]:
    """Paths of this machine that no bundle should hold: of the home, the scene and its files."""
    folders = {str(Path.home()), str(found.scene.parent)}
    folders |= {os.path.dirname(path) for path in found.paths}  # noqa: PTH120 - names need not be text
    return sorted(os.fsencode(folder) for folder in folders if len(folder) >= _SHORTEST_WORD)


def measure(folder: Path) -> tuple[int, int]:
    """How many files a bundle has, and their bytes."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)
