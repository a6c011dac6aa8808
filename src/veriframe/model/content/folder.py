"""Folders from strangers: how much one may hold, and what its entries may be called."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from veriframe.errors import Code, JobRejected
from veriframe.model.text import printable

NAME_BYTES = 255
"""Of one name, as in most file systems."""

_TURNING = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))
"""The classes of characters that turn the reading direction, so that `gnp.exe` reads as another name."""

_MARKS = frozenset("\u200e\u200f\u061c")
_BREAKING = frozenset(("Cc", "Cs", "Zl", "Zp"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLimits:
    """What a folder may hold: bytes of its files, entries (files and folders at any depth), and how deep.

    An entry of the folder itself lies 1 deep. `path_bytes` is of a path from the folder, in UTF-8.
    """

    size_bytes: int
    entries: int = 20_000
    depth: int = 16
    path_bytes: int = 1024


def check_path(path: str, limits: FolderLimits) -> None:
    """Raise `JobRejected` where an entry's path, from its folder and with `/`, is unfit for a disk.

    CORRUPT: a name that is none, leads elsewhere, is too long, or deceives whoever reads it. TOO_LARGE: too
    deep, or too long in all.
    """
    names = path.split("/")
    if len(names) > limits.depth:
        raise JobRejected(Code.TOO_LARGE, f"The folder has entries more than {limits.depth} deep.")
    if len(path.encode(errors="replace")) > limits.path_bytes:
        raise JobRejected(Code.TOO_LARGE, f"The folder has paths of more than {limits.path_bytes} bytes.")
    why = _unfit(names[-1])
    if why:
        shown = printable(names[-1])
        raise JobRejected(
            Code.CORRUPT, f"The folder has an entry “{shown}”: {why}. Rename it, and add again."
        )


def check_totals(limits: FolderLimits, *, entries: int, size_bytes: int) -> None:
    """Raise `JobRejected` (TOO_LARGE) where a folder has more entries or bytes than it may."""
    if entries > limits.entries:
        raise JobRejected(Code.TOO_LARGE, f"The folder has more than {limits.entries} entries.")
    if size_bytes > limits.size_bytes:
        raise JobRejected(Code.TOO_LARGE, f"The folder has more than {limits.size_bytes} bytes.")


def _unfit(name: str) -> str:
    """Why a name is unfit; nothing where it is fit."""
    if name in ("", ".", "..") or "\0" in name:
        return "no file can have that name"
    if len(name.encode(errors="replace")) > NAME_BYTES:
        return f"its name has more than {NAME_BYTES} bytes"
    if name.isascii() and name.isprintable():
        return ""
    if any(unicodedata.category(character) in _BREAKING for character in name):
        return "its name has control characters"
    if any(c in _MARKS or unicodedata.bidirectional(c) in _TURNING for c in name):
        return "its name turns the reading direction"
    return ""
