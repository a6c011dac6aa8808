"""Takes paths, hosts and users out of the texts of errors, before they are published."""

from __future__ import annotations

import re

from veriframe.model.text import printable

PLACE = "…"
"""What stands in their place: never longer than they were."""

_PLACES = re.compile(
    r"""
    \b[A-Za-z][A-Za-z0-9+.-]*://\S+                  # an address
    | [\w.+-]+@\S+                                  # a user at a host
    | \b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?          # a host by its number
    | \[[0-9A-Fa-f]*:[0-9A-Fa-f:]+\](?::\d+)?
    | \blocalhost\b(?::\d+)?
    # Paths, of Windows and of others; a space may be in a name, if what follows has a separator again.
    | (?:\b[A-Za-z]:|\\)\\\S+(?:(?:\ [^\s\\]+){0,2}\ [^\s\\]*\\\S*)*
    | (?<!\w)(?:~\w*|\.{1,2})?/+[^\s/]\S*(?:(?:\ [^\s/]+){0,2}\ [^\s/]*/\S*)*
    """,
    re.VERBOSE,
)


def without_places(text: str, limit: int) -> str:
    """Return `text` as `printable` does, with `PLACE` for what may tell of a machine or of its user."""
    text = printable(text, limit)
    # Again, because what is left beside a place may look like one only then; each time the text is shorter.
    while (clean := _PLACES.sub(PLACE, text)) != text:
        text = clean
    return text
