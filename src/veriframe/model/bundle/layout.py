"""Where each file of a scene lies in its bundle.

What is below the scene's folder keeps its place. The rest goes to `files/KIND/`; a name that is taken gets a
numbered folder. A folder from elsewhere loses its name, which may be that of a person: it is called `cache`.
Places follow from the order in which the scene names its files, not from paths of
the machine.
"""

from __future__ import annotations

import posixpath
import re

from veriframe.errors import JobRejected
from veriframe.model.bundle import job_file
from veriframe.model.bundle.travel import Kind, is_inside
from veriframe.model.content.folder import FolderLimits, check_path

FILES = "files"
_CACHE = "cache"
_FOLDERS = frozenset({Kind.POINT_CACHE, Kind.OCEAN_CACHE, Kind.FLUID_CACHE, Kind.BAKE})
"""Kinds whose paths are folders."""

_LIMITS = FolderLimits(size_bytes=0)
_UNFIT = re.compile(r"[^\w.<>+ -]", re.ASCII)


class Layout:
    """Gives out places. `home` is the absolute folder of the scene, `scene` the scene's own path."""

    def __init__(self, home: str, scene: str) -> None:
        self._home = home
        self._taken = {job_file.FILE_NAME}
        self._places: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self.scene = fit_name(posixpath.basename(scene))
        self._keep(scene, self.scene)

    def place(self, path: str, kind: Kind) -> str:
        """The place of a file or folder; the same for the same path."""
        if path not in self._places:
            inside = posixpath.relpath(path, self._home) if is_inside(path, self._home) else ""
            if not inside or not is_fit(inside) or inside.casefold() in self._taken:
                name = _CACHE if kind in _FOLDERS else fit_name(posixpath.basename(path))
                inside = self._new(f"{FILES}/{kind.replace(' ', '_')}", name)
            self._keep(path, inside)
        return self._places[path]

    def beside(self, path: str, owner: str) -> str:
        """The place of a folder that must lie beside its `.blend`, which has a place already."""
        if path not in self._places:
            folder = posixpath.dirname(self._places[owner])
            self._keep(path, posixpath.join(folder, f"blendcache_{_stem(self._places[owner])}"))
        return self._places[path]

    def _new(self, folder: str, name: str) -> str:
        place = wanted = f"{folder}/{name}"
        # Each name goes on where it was, so that many of one name do not take the square of their number.
        number = self._numbers.get(wanted.casefold(), 1)
        while place.casefold() in self._taken:
            number += 1
            place = f"{folder}/{number}/{name}"
        self._numbers[wanted.casefold()] = number
        return place

    def _keep(self, path: str, place: str) -> None:
        self._taken.add(place.casefold())
        self._places[path] = place


def is_fit(path: str) -> bool:
    """Whether a path within a bundle has only names that every worker takes."""
    names = path.split("/")
    try:
        path.encode()
        for depth in range(1, len(names) + 1):
            check_path("/".join(names[:depth]), _LIMITS)
    except (JobRejected, UnicodeEncodeError):
        return False
    return not any(name.startswith(".") for name in names)


def fit_name(name: str) -> str:
    """The name itself if it is fit, else with `_` for what is not."""
    return name if is_fit(name) else _UNFIT.sub("_", name).lstrip(".")[-200:] or "file"


def _stem(path: str) -> str:
    return posixpath.splitext(posixpath.basename(path))[0]
