"""Makes untrusted texts safe to show: names of objects, paths and other texts of a hostile file."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode's control, format (including bidirectional), surrogate, private and unassigned characters, and line
and paragraph separators."""

REPLACEMENT = "\ufffd"


def printable(text: str, limit: int = 80) -> str:
    """Return `text` on one line, at most `limit` characters, with hidden characters replaced by U+FFFD.

    They are replaced, not dropped, so that names that differ only in them do not look the same.
    """
    # Cut first, because the text may be as long as a whole report.
    cut = text if len(text) <= limit else text[: max(0, limit - 1)] + "…"
    return "".join(_shown(character) for character in cut)


def some_names(names: Sequence[str], most: int = 5, limit: int = 80) -> str:
    """Quote the first `most` names and count the others: `“a”, “b” and 3 more`."""
    shown = ", ".join(f"“{printable(name, limit)}”" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if category in _HIDDEN:
        return REPLACEMENT
    return " " if category == "Zs" else character


_KNOWN_STARTS = (
    (b"\x89PNG", "it looks like a PNG picture"),
    (b"\xff\xd8\xff", "it looks like a JPEG picture"),
    (b"\x76\x2f\x31\x01", "it looks like an OpenEXR picture"),
    (b"PK\x03\x04", "it looks like a zip archive; unpack it"),
    (b"7z\xbc\xaf", "it looks like a 7z archive; unpack it"),
    (b"\xfd7zXZ", "it looks like an xz archive; unpack it"),
    (b"BZh", "it looks like a bzip2 archive; unpack it"),
    (b"\x1f\x8b", "there is a gzip wrapping"),
    (b"\x28\xb5\x2f\xfd", "there is a zstd wrapping"),
    (b"Kaydara FBX", "it looks like an FBX model"),
    (b"glTF", "it looks like a glTF model"),
    (b"%PDF", "it looks like a PDF page"),
    (b"\x7fELF", "it looks like a program"),
    (b"version https://git-lfs", "it looks like a pointer of Git LFS; fetch the file itself"),
)


def describe_start(start: bytes) -> str:
    """Describe what a file with these first bytes seems to be, as part of a sentence."""
    if not start:
        return "it is empty"
    for magic, look in _KNOWN_STARTS:
        if start.startswith(magic):
            return look
    words = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if words.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "it looks like a web page, perhaps an error page of a gateway"
    if start[257:262] == b"ustar":
        return "it looks like a tar archive; unpack it"
    if all(byte >= 32 or byte in b"\t\r\n\f" for byte in start):
        return "it looks like text"
    return "its first bytes are not those of a scene"
