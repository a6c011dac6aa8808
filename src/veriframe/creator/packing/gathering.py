"""Finds the files that a scene names on this machine, and decides which may travel. Reads none of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.creator.packing.values import LeftOut, TakenFile
from veriframe.errors import Code, JobRejected
from veriframe.model.bundle.layout import Layout
from veriframe.model.bundle.patterns import holds_one_of, is_cache_name, sequence_of
from veriframe.model.bundle.travel import (
    PROGRAM_FOLDERS,
    Kind,
    NamedFile,
    Shape,
    is_inside,
    refusal,
    tiles_of,
)
from veriframe.model.rendering.frames import format_frames
from veriframe.model.text import printable

MOST_FILES = 19_000
"""The most files of a bundle: a worker takes folders of 20 000 entries."""
MOST_NAMES = 5_000_000
"""The most names in folders that are looked at for one scene, those that are looked at again included."""
FRESH = 10
"""A name that is read from the disk counts as so many: it also takes memory."""

_DEEPEST = 8
_FIND = "Find it with File, External Data, Find Missing Files, and save the scene."
_MOVE = "If it is meant to be public, copy it to the scene's folder under a plain name."
_GAP = (
    "Number the files without a gap, or move away those that are no part of it. If the --frames that "
    "you order need no file beyond the gap, pass --no-check."
)
_OWN_FOLDER = "Move it out of the folder of the scene, or of your files, and name the new folder in Blender."


class Gathering:
    """Gives places in the bundle to the files of one scene."""

    def __init__(self, scene: Path) -> None:
        """`scene` is absolute, without links."""
        self._home = str(scene.parent)
        self._layout = Layout(self._home, str(scene))
        self._named: set[NamedFile] = set()
        self._listed: dict[str, list[str]] = {}
        self._walked: dict[str, list[str]] = {}
        self._looked_at = 0
        self.paths: dict[str, str] = {str(scene): self._layout.scene}
        self.files: dict[str, TakenFile] = {}
        self.left_out: dict[str, LeftOut] = {}

    def library(self, file: NamedFile) -> Path | None:
        """The linked scene, if it may travel; otherwise it is left out."""
        why = self._unfit(file.path, file.kind)
        if why:
            self._leave_out(file, why)
            return None
        self.paths[file.path] = self._layout.place(file.path, file.kind)
        self._take(file.kind, file.path, self.paths[file.path])
        return Path(file.path)

    def add(self, file: NamedFile) -> None:
        """Take what the path stands for, or leave it out. Raises `JobRejected` (TOO_LARGE)."""
        if file in self._named or not file.is_used or file.kind is Kind.LIBRARY:
            return
        self._named.add(file)
        if file.shape is Shape.FOLDER:
            self._add_folder(file)
        elif (names := self._alike(file)) is not None:
            folder = os.path.dirname(file.path)  # noqa: PTH120 - names need not be text
            fit = [name for name in names if not self._unfit(f"{folder}/{name}", file.kind)]
            # Only what is there gets a place.
            place = self._layout.place(file.path, file.kind) if fit else ""
            for name in fit:
                self._take(file.kind, f"{folder}/{name}", f"{_folder_of(place)}{name}", is_collected=True)
            self._keep(file, place, len(fit))
        elif why := self._unfit(file.path, file.kind):
            self._leave_out(file, why)
        else:
            place = self._layout.place(file.path, file.kind)
            self._take(file.kind, file.path, place)
            self._keep(file, place, 1)

    def _alike(self, file: NamedFile) -> list[str] | None:
        """The names of its tiles, or of its numbered sequence, in order; None for a single file."""
        if file.shape not in {Shape.TILES, Shape.SEQUENCE}:
            return None
        names = self._names(os.path.dirname(file.path))  # noqa: PTH120 - names need not be text
        if (pattern := tiles_of(file)) is not None:
            return [name for name in names if pattern.fullmatch(name)]
        taken, others, missing = sequence_of(file, names)
        if others:
            gap = f"the files of its numbers {format_frames(missing)} are missing"
            self._leave_out(file, f"{gap}, and beyond this gap are more, such as {others[0]}", _GAP)
        return taken or None

    def _names(self, folder: str) -> list[str]:
        """The names in a folder, in order. Raises `JobRejected` once a scene had too many looked at."""
        if folder not in self._listed:
            try:
                self._listed[folder] = sorted(os.listdir(folder))  # noqa: PTH208 - names need not be text
            except OSError:
                self._listed[folder] = []
            self._seen((FRESH - 1) * len(self._listed[folder]))
        self._seen(len(self._listed[folder]))
        return self._listed[folder]

    def _below(self, folder: str) -> list[str]:
        """Every file below a folder, in order, links to folders not followed."""
        if folder not in self._walked:
            self._walked[folder] = list(self._walk(folder, _DEEPEST))
        self._seen(len(self._walked[folder]))
        return self._walked[folder]

    def _walk(self, folder: str, depth: int) -> Iterator[str]:
        for name in self._names(folder):
            path = f"{folder}/{name}"
            if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
                if depth:
                    yield from self._walk(path, depth - 1)
            else:
                yield path

    def _seen(self, names: int) -> None:
        self._looked_at += names
        if self._looked_at > MOST_NAMES:
            raise JobRejected(
                Code.TOO_LARGE,
                "The scene names folders with too many files. Give its caches, sequences and tiles "
                "folders of their own.",
            )

    def _add_folder(self, file: NamedFile) -> None:
        if any(file.path == folder or is_inside(file.path, folder) for folder in PROGRAM_FOLDERS):
            self._leave_out(file, "it belongs to the system")
            return
        if self._is_too_wide(file):
            self._leave_out(file, "a cache of its own needs a folder of its own", _OWN_FOLDER)
            return
        below = self._below(file.path)
        found = [path for path in below if is_cache_name(path[len(file.path) + 1 :], file.kind)]
        # A cache that nothing has written yet needs no words: what lacks one is told by the inspection.
        if not found and file.is_derived:
            return
        if file.is_derived:
            place = self._layout.beside(file.path, file.owner)
        else:
            place = self._layout.place(file.path, file.kind)
        taken = 0
        for path in found:
            if not self._unfit(path, file.kind):
                where = "" if file.kind is Kind.BAKE else f"{place}{path[len(file.path) :]}"
                self._take(file.kind, path, where, is_collected=True)
                taken += 1
        self._keep(file, place, taken)

    def _is_too_wide(self, file: NamedFile) -> bool:
        """Whether a cache's folder holds the scene, its library or all that a person has."""
        homes = [self._home, os.path.expanduser("~")]  # noqa: PTH111 - there may be no such folder
        if file.owner:
            homes.append(os.path.dirname(file.owner))  # noqa: PTH120 - names need not be text
        homes += [os.path.realpath(home) for home in homes]
        return any(holds_one_of(folder, homes) for folder in (file.path, os.path.realpath(file.path)))

    def _keep(self, file: NamedFile, place: str, taken: int) -> None:
        if taken:
            self.paths[file.path] = place
        else:
            self._leave_out(file, "no such file is there")

    def _take(self, kind: Kind, path: str, place: str, *, is_collected: bool = False) -> None:
        if path in self.files:
            return
        source, real = Path(path), Path(path).resolve()
        self.files[path] = TakenFile(
            kind=kind,
            source=source,
            real=real,
            place=place,
            size_bytes=real.stat().st_size,
            is_outside=not is_inside(path, self._home) or not is_inside(str(real), self._home),
            is_collected=is_collected,
        )
        if len(self.files) > MOST_FILES:
            raise JobRejected(
                Code.TOO_LARGE,
                f"The scene needs more than {MOST_FILES} files. Pack some into it: File, External Data.",
            )

    def _unfit(self, path: str, kind: Kind) -> str:
        """Why the file may not or cannot travel, empty if it can."""
        if why := refusal(path, self._home, kind):
            return why
        try:
            target = os.path.realpath(path, strict=True)
            status = os.stat(target)  # noqa: PTH116 - names need not be text
            if why := refusal(target, self._home, kind):
                return f"it is a link, and of its target: {why}" if target != path else why
            if not stat.S_ISREG(status.st_mode):
                return "it is no regular file"
            if not os.access(target, os.R_OK):
                return "it may not be read"
        except (OSError, ValueError) as error:
            return "there is no such file" if isinstance(error, FileNotFoundError) else _cause(error)
        return ""

    def _leave_out(self, file: NamedFile, why: str, remedy: str = "") -> None:
        shown = printable(file.path.encode(errors="surrogateescape").decode(errors="replace"), 300)
        what = f"{file.kind} “{shown}” of “{file.block}”"
        remedy = remedy or (_FIND if "no such file" in why else _MOVE)
        why = printable(why.encode(errors="surrogateescape").decode(errors="replace"), 300)
        self.left_out[file.path] = LeftOut(what=what, why=why, remedy=remedy, is_used=file.is_used)


def _cause(error: OSError | ValueError) -> str:
    return f"it cannot be read: {cause_of(error)}" if isinstance(error, OSError) else "no file has that name"


def _folder_of(place: str) -> str:
    folder, slash, _ = place.rpartition("/")
    return folder + slash
