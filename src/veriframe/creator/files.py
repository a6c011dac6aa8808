"""The creator's own files: a scene that is read, a picture that is written all of it or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from veriframe.errors import Code, SettingsError, VerificationFailed
from veriframe.model.rendering.scene import SceneHeader

PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
"""The signature and the head of the first chunk, the same in every PNG (W3C PNG, 5.2 and 11.2.1)."""

Gate = Callable[[BinaryIO], SceneHeader]
"""Reads a scene's header without Blender. Raises `JobRejected`."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what a changed file is recognised: its size in bytes, and its time in nanoseconds."""

    size_bytes: int
    modified_ns: int


def read_header(scene: Path, gate: Gate) -> tuple[Stamp, SceneHeader]:
    """What the gate finds in a scene, and the stamp of the file that it read. Raises `SettingsError`."""
    stamp(scene)
    try:
        with scene.open("rb") as stream:
            return _stamp(os.fstat(stream.fileno())), gate(stream)
    except OSError as error:
        raise _unreadable(scene, error) from error


def stamp(file: Path) -> Stamp:
    """The stamp of a regular file. Raises `SettingsError` where it is none.

    Asked before a file is opened: opening a named pipe would wait for ever.
    """
    try:
        status = file.stat()
    except OSError as error:
        raise _unreadable(file, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise SettingsError(f"{file} is no file. Name one file; a scene with everything packed into it.")
    return _stamp(status)


def refuse_target(target: Path, *, replace: bool) -> None:
    """Whether a picture may be put there. Raises `SettingsError`."""
    try:
        if target.is_dir():
            raise SettingsError(f"{target} is a folder. Name the file that the picture shall become.")
        # A link counts, even one that leads nowhere: somebody else chose where it leads.
        if not replace and (target.is_symlink() or target.exists()):
            raise _taken(target)
    except OSError as error:
        raise _unwritable(target, error) from error


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A name on the target's own disk, so that the last step is a rename; whatever has it at the end goes.

    In the target's own folder: there a store finds again what a cut has left. Raises `SettingsError`.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=".veriframe-", dir=target.parent)
    except OSError as error:
        raise _unwritable(target, error) from error
    os.close(descriptor)
    # Only to see that it can be made: a process that is killed leaves no empty file.
    Path(name).unlink()
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def put(fetched: Path, target: Path, *, replace: bool) -> None:
    """Give a file its name. A link at `target` is replaced, never followed. Raises `SettingsError`."""
    try:
        if not replace:
            # Takes the name, or fails where another process took it meanwhile; then the file is ours.
            target.touch(exist_ok=False)
        fetched.replace(target)
    except FileExistsError as error:
        raise _taken(target) from error
    except OSError as error:
        raise _unwritable(target, error) from error


def picture_size(file: Path) -> tuple[int, int]:
    """Width and height in pixels, as the first chunk of a PNG names them.

    The rest of the file is not looked at: a decoder has no place in a process that holds an account.
    Raises `VerificationFailed` (NOT_IMAGE).
    """
    with file.open("rb") as stream:
        start = stream.read(24)
    width, height = int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
    if not start.startswith(PNG_START) or not width or not height:
        raise VerificationFailed(
            Code.NOT_IMAGE,
            "The result is not a PNG picture; it was not kept. Dispute it if an arbiter is named.",
        )
    return width, height


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_size, status.st_mtime_ns)


def _unreadable(file: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{file} cannot be read: {error.strerror}. Name a file that you can read.")


def _taken(target: Path) -> SettingsError:
    return SettingsError(f"{target} is there already. Name another file, or allow it with --force.")


def _unwritable(target: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{target} cannot be written: {error.strerror}. Name a file in a folder of yours.")
