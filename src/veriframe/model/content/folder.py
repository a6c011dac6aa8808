"""Limits on untrusted folders: their size, and the names of their entries."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from veriframe.errors import Code, JobRejected
from veriframe.model.quantities import format_size
from veriframe.model.text import printable

NAME_BYTES = 255
"""Longest name, as in most file systems."""

_TURNING = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))
"""Bidirectional classes that change the reading direction, so that `gnp.exe` looks like another name."""

_MARKS = frozenset("\u200e\u200f\u061c")
_BREAKING = frozenset(("Cc", "Cs", "Zl", "Zp"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLimits:
    """Limits of a folder: bytes of its files, entries (files and folders at any depth), and depth.

    An entry directly in the folder has depth 1. `path_bytes` limits a path from the folder, in UTF-8.
    """

    size_bytes: int
    entries: int = 20_000
    depth: int = 16
    path_bytes: int = 1024


def check_path(path: str, limits: FolderLimits) -> None:
    """Raise `JobRejected` if the path of an entry, relative to its folder and with `/`, is unfit for a disk.

    CORRUPT: the name is not valid, leads elsewhere, is too long, or misleads its reader. TOO_LARGE: the path
    is too deep or too long.
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
            Code.CORRUPT, f"The folder has an entry “{shown}”: {why}. Rename it and add the folder again."
        )


def check_totals(limits: FolderLimits, *, entries: int, size_bytes: int) -> None:
    """Raise `JobRejected` (TOO_LARGE) if a folder has too many entries or bytes."""
    if entries > limits.entries:
        raise JobRejected(Code.TOO_LARGE, f"The folder has more than {limits.entries} entries.")
    if size_bytes > limits.size_bytes:
        raise JobRejected(Code.TOO_LARGE, f"The folder has more than {format_size(limits.size_bytes)}.")


def _unfit(name: str) -> str:
    """Why a name is unfit, or an empty text if it is fit."""
    if name in ("", ".", "..") or "\0" in name:
        return "no file can have that name"
    if len(name.encode(errors="replace")) > NAME_BYTES:
        return f"its name has more than {NAME_BYTES} bytes"
    if name.isascii() and name.isprintable():
        return ""
    if any(unicodedata.category(character) in _BREAKING for character in name):
        return "its name has control characters"
    if any(c in _MARKS or unicodedata.bidirectional(c) in _TURNING for c in name):
        return "its name changes the reading direction"
    return ""
