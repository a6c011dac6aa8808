"""The frames in a folder of an artist: what each is, and whether it is still as it was."""

from __future__ import annotations

import json
import os
import struct
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.creator.orders.results import usable_rate
from veriframe.errors import SettingsError
from veriframe.model.rendering.frames import ImageFormat, frame_file

RECORD = ".veriframe-frames.json"
"""Beside the frames: what they are, so that they need not be decoded again."""

_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82"
"""The signature and the last chunk (W3C PNG, 5.2 and 11.2.5)."""
_EXR_START = b"v/1\x01"
"""The magic number of OpenEXR."""
_EXR_WINDOW = b"displayWindow\0box2i\0" + (16).to_bytes(4, "little")
"""The name, type and size of the attribute, before its four numbers."""
_HEADER_BYTES = 65_536
"""What is read of a picture: Blender's headers of EXR take some hundred bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFrame:
    """One frame as it was written: the digest of its pixels in hex, and the stamp of its file.

    An empty digest: the frame was not checked. `result_cid` is the result that it came with, empty if that
    was not noted.
    """

    digest: str
    size_bytes: int
    modified_ns: int
    result_cid: str = ""


class KeptFrames:
    """The frames in `folder`, by file name. `frames_per_second` is the scene's, 0 if it is not known."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._frames: dict[str, KeptFrame] = {}
        self.frames_per_second = 0.0
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            read = json.loads((folder / RECORD).read_text(encoding="ascii"))
            self.frames_per_second = usable_rate(read["frames_per_second"])
            self._frames = {str(name): KeptFrame(**one) for name, one in read["frames"].items()}

    def open(self) -> None:
        """Make the folder, and see that it can be written. Raises `SettingsError`."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryDirectory(prefix=".veriframe-", dir=self.folder).cleanup()
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def digest(self, name: str) -> str | None:
        """The digest of a frame that is as it was written; None if it is not there, or was changed."""
        kept = self._frames.get(name)
        stamp = self._stamp(name)
        if kept is None or stamp != (kept.size_bytes, kept.modified_ns):
            return None
        return kept.digest

    def is_from(self, name: str, result_cid: str) -> bool:
        """Whether a frame came with this result. Anyone may name the pixels of a picture that is public."""
        return (kept := self._frames.get(name)) is not None and kept.result_cid == result_cid

    def is_unchecked(self, name: str) -> bool:
        """Whether a frame was fetched without a check, or changed since: copies have another stamp."""
        return name in self._frames and not self.digest(name)

    def is_there(self, name: str) -> bool:
        """Whether anything has that name, ours or not."""
        return os.path.lexists(self.folder / name)

    def put(self, name: str, file: Path, digest: str, result_cid: str = "") -> None:
        """Move a complete file, on the same disk, to its name. Raises `SettingsError`."""
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            file.replace(self.folder / name)
        except OSError as error:
            raise _unwritable(self.folder / name, error) from error
        self.note(name, digest, result_cid)

    def note(self, name: str, digest: str, result_cid: str = "") -> None:
        """Remember a frame that is there."""
        if (stamp := self._stamp(name)) is not None:
            self._frames[name] = KeptFrame(
                digest=digest, size_bytes=stamp[0], modified_ns=stamp[1], result_cid=result_cid
            )

    def save(self) -> None:
        """Write the record; a full disk costs only that frames are decoded again."""
        frames: Mapping[str, object] = {name: asdict(one) for name, one in sorted(self._frames.items())}
        content = json.dumps({"frames_per_second": self.frames_per_second, "frames": frames}, indent=1)
        new = self.folder / f"{RECORD}.new"
        with suppress(OSError):
            new.write_text(content + "\n", encoding="ascii")
            new.replace(self.folder / RECORD)

    def _stamp(self, name: str) -> tuple[int, int] | None:
        try:
            status = (self.folder / name).lstat()
        except OSError:
            return None
        return status.st_size, status.st_mtime_ns


def existing_frames(
    folder: Path, frames: tuple[int, ...], image_format: ImageFormat, size: tuple[int, int] | None = None
) -> frozenset[int]:
    """Which of these frames lie in a folder, by their names and how their files begin and end.

    `size` is theirs in pixels: a picture of another size is none of them. Raises `SettingsError` if the
    folder cannot be read.
    """
    try:
        names = set(os.listdir(folder))  # noqa: PTH208 - names alone
        files = {number: frame_file(number, image_format) for number in frames}
        return frozenset(
            number for number, name in files.items() if name in names and _is_whole(folder / name, size)
        )
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be read: {cause_of(error)}. Pass a folder of frames."
        ) from error


def _is_whole(file: Path, size: tuple[int, int] | None) -> bool:
    """Whether a file begins as a picture of this size does and ends as a PNG must. Nothing is decoded."""
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        start = stream.read(_HEADER_BYTES)
        stream.seek(-min(len(_PNG_END), stream.seek(0, os.SEEK_END)), os.SEEK_END)
        is_ended = file.suffix != ".png" or stream.read() == _PNG_END
    found = _png_size(start) if file.suffix == ".png" else _exr_size(start)
    return found is not None and is_ended and (size is None or found == size)


def _png_size(start: bytes) -> tuple[int, int] | None:
    """Width and height by the IHDR chunk (W3C PNG, 11.2.2); None for anything else."""
    if not start.startswith(_PNG_START) or len(start) < 24:
        return None
    width, height = struct.unpack(">II", start[16:24])
    return width, height


def _exr_size(start: bytes) -> tuple[int, int] | None:
    """Width and height by the attribute `displayWindow` (OpenEXR file layout); None for anything else."""
    at = start.find(_EXR_WINDOW, 8)
    window = start[at + len(_EXR_WINDOW) :][:16]
    if not start.startswith(_EXR_START) or at < 0 or len(window) < 16:
        return None
    left, top, right, bottom = struct.unpack("<iiii", window)
    return right - left + 1, bottom - top + 1


def _unwritable(path: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{path} cannot be written: {cause_of(error)}. Pass a folder that you can write.")
