"""Which files a scene may take along. A scene names any path, so that its author decides what is published.

A file travels only if it is of the kind that the scene uses it as, by its name's ending, and in no hidden
folder. Paths are absolute and normalised. A name on a disk need not be text: such bytes are surrogates here.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a scene uses a file as."""

    LIBRARY = "library"
    IMAGE = "image"
    MOVIE = "movie"
    FONT = "font"
    SOUND = "sound"
    VOLUME = "volume"
    CACHE = "cache"
    LIGHT_PROFILE = "light profile"
    SHADER_SCRIPT = "shader script"
    MESH = "mesh"
    TABLE = "table"
    MESH_CACHE = "mesh cache"
    POINT_CACHE = "point cache"
    OCEAN_CACHE = "ocean cache"
    FLUID_CACHE = "fluid cache"
    BAKE = "bake"


class Shape(StrEnum):
    """How many files a path stands for: one, UDIM tiles, a numbered sequence, or all in a folder."""

    FILE = "file"
    TILES = "tiles"
    SEQUENCE = "sequence"
    FOLDER = "folder"


ENDINGS: dict[Kind, frozenset[str]] = {
    kind: frozenset(endings.split())
    for kind, endings in {
        Kind.LIBRARY: "blend",
        Kind.IMAGE: "bmp sgi rgb bw png jpg jpeg jp2 j2c tga cin dpx exr hdr tif tiff webp psd psb dds "
        "mp4 mov avi mkv webm mpg mpeg ogv m4v",
        Kind.MOVIE: "mp4 mov avi mkv webm mpg mpeg ogv m4v mts m2ts flv wmv gif",
        Kind.FONT: "ttf otf ttc pfb woff woff2",
        Kind.SOUND: "wav mp3 ogg oga flac aac m4a aif aiff ac3 mp2 opus mp4 mov mkv",
        Kind.VOLUME: "vdb",
        Kind.CACHE: "abc usd usda usdc usdz",
        Kind.LIGHT_PROFILE: "ies",
        Kind.SHADER_SCRIPT: "osl oso",
        Kind.MESH: "obj ply stl",
        Kind.TABLE: "csv",
        Kind.MESH_CACHE: "mdd pc2",
        Kind.POINT_CACHE: "bphys",
        Kind.OCEAN_CACHE: "exr",
        Kind.FLUID_CACHE: "vdb uni raw gz obj",
        Kind.BAKE: "json blob",
    }.items()
}

SYSTEM_FOLDERS = ("/proc", "/sys", "/dev", "/etc", "/run", "/boot")

PROGRAM_FOLDERS = (*SYSTEM_FOLDERS, "/usr", "/bin", "/lib", "/lib64", "/sbin", "/snap", "/var/lib")
"""No cache of a scene lies there, and walking through them takes long."""

_TILE = {"<UDIM>": "(?:1(?!000)[0-9]{3}|2000)", "<UVTILE>": r"u\d{1,3}_v\d{1,3}"}
"""UDIM tiles have the numbers 1001 to 2000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """A path that a scene names. `block` is the data-block, `owner` the `.blend` that holds it.

    `is_used`: whether anything in the scene uses the block. `is_derived`: the path stands nowhere, but
    follows from that of `owner`.
    """

    kind: Kind
    block: str
    path: str
    shape: Shape = Shape.FILE
    is_used: bool = True
    is_derived: bool = False
    owner: str = ""


def refusal(path: str, home: str, kind: Kind) -> str:
    """Why a file may not travel, empty if it may. `home` is the folder of the scene.

    Asked of the path as it is named, and again of the file that links lead to.
    """
    if path.startswith(tuple(f"{folder}/" for folder in SYSTEM_FOLDERS)):
        return "it belongs to the system"
    # The scene's own folder may lie in a hidden one.
    shared = posixpath.commonpath((home, path))
    if any(name.startswith(".") for name in posixpath.relpath(path, shared).split("/") if name != ".."):
        return "it is hidden, or in a hidden folder"
    if posixpath.splitext(path)[1].removeprefix(".").lower() not in ENDINGS[kind]:
        return f"by its name it is no {kind}"
    return ""


def tiles_of(file: NamedFile) -> re.Pattern[str] | None:
    """What the names of its UDIM tiles look like, in the path's folder; None if it has none."""
    name = posixpath.basename(file.path)
    for mark, digits in _TILE.items() if file.shape is Shape.TILES else ():
        if mark in name:
            before, after = name.split(mark, 1)
            return re.compile(re.escape(before) + digits + re.escape(after), re.DOTALL)
    return None


def is_inside(path: str, folder: str) -> bool:
    """Whether a path is below a folder."""
    return path.startswith(folder.rstrip("/") + "/")
