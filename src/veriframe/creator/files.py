"""The creator's files: reads a scene, and writes a picture completely or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from veriframe.causes import cause_of
from veriframe.errors import Code, SettingsError, ValidationFailed
from veriframe.model.rendering.scene import SceneHeader

PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
"""The signature and the header of the first chunk, equal in every PNG (W3C PNG, 5.2 and 11.2.1)."""

HeaderCheck = Callable[[BinaryIO], SceneHeader]
"""Reads a scene's header without Blender. Raises `JobRejected`."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Recognises a changed file: its size in bytes, and its modification time in nanoseconds."""

    size_bytes: int
    modified_ns: int


def read_header(scene: Path, check: HeaderCheck) -> tuple[Stamp, SceneHeader]:
    """Read a scene's header with `check`, and the stamp of the same file. Raises `SettingsError`."""
    stamp(scene)
    try:
        with scene.open("rb") as stream:
            return _stamp(os.fstat(stream.fileno())), check(stream)
    except OSError as error:
        raise _unreadable(scene, error) from error


SCENE = "a scene with all resources packed into it"
EVIDENCE = "such as verification.json, the report that `veriframe verify JOB -o DIR` writes"


def stamp(file: Path, kind: str = SCENE) -> Stamp:
    """The stamp of a regular file. Raises `SettingsError` for anything else, with the `kind` that is meant.

    Called before a file is opened, because opening a named pipe would block.
    """
    try:
        status = file.stat()
    except OSError as error:
        raise _unreadable(file, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise SettingsError(f"{file} is not a file. Pass one file: {kind}.")
    return _stamp(status)


def refuse_target(target: Path, *, replace: bool) -> None:
    """Raise `SettingsError` if a picture may not be written to `target`."""
    try:
        if target.is_dir():
            raise SettingsError(f"{target} is a folder. Pass the name of a file for the picture.")
        # A link counts as existing, even a broken one: someone else chose its target.
        if not replace and (target.is_symlink() or target.exists()):
            raise _taken(target)
    except OSError as error:
        raise _unwritable(target, error) from error


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A temporary name in the target's folder, deleted at the end. Raises `SettingsError`.

    The same folder makes the last step a rename, and lets a store find the partial file of an interrupted
    download.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=".veriframe-", dir=target.parent)
    except OSError as error:
        raise _unwritable(target, error) from error
    os.close(descriptor)
    # This only tests that the folder is writable: a killed process leaves no empty file.
    Path(name).unlink()
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def put(fetched: Path, target: Path, *, replace: bool) -> None:
    """Rename a file to `target`. Replaces a link there and never follows it. Raises `SettingsError`."""
    try:
        if not replace:
            # Reserves the name, or fails if another process took it meanwhile.
            target.touch(exist_ok=False)
        fetched.replace(target)
    except FileExistsError as error:
        raise _taken(target) from error
    except OSError as error:
        raise _unwritable(target, error) from error


def picture_size(file: Path) -> tuple[int, int]:
    """Width and height in pixels from the first chunk of a PNG.

    The rest of the file is not read: a process that holds an account must not decode untrusted pictures.
    Raises `ValidationFailed` (NOT_IMAGE).
    """
    with file.open("rb") as stream:
        start = stream.read(24)
    width, height = int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
    if not start.startswith(PNG_START) or not width or not height:
        raise ValidationFailed(
            Code.NOT_IMAGE,
            "The result is not a PNG picture, so it was not saved. Dispute it if an arbiter is named.",
        )
    return width, height


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_size, status.st_mtime_ns)


def _unreadable(file: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{file} cannot be read: {cause_of(error)}. Pass a file that you can read.")


def _taken(target: Path) -> SettingsError:
    return SettingsError(f"{target} already exists. Pass another file, or replace it with --force.")


def _unwritable(target: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"{target} cannot be written: {cause_of(error)}. Pass a file in a folder that you can write."
    )
