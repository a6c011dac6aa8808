"""Lines that come out of a sandbox, made harmless: capped, split, and stripped of what drives a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")

MAX_LOG_LINE = 2_000
"""Characters of one log line that are kept."""


def strip(line: bytes) -> str:
    """A line of a log: no escape sequences, no control or direction-changing characters, not too long."""
    text = _ANSI.sub("", line[: 4 * MAX_LOG_LINE].decode("utf-8", "replace"))
    kept = (c for c in text.replace("\t", " ") if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"})
    return "".join(kept)[:MAX_LOG_LINE].rstrip()


class LineSplitter:
    """Cuts a stream of chunks into lines and counts what it saw. Says when a cap is passed."""

    def __init__(self, on_line: Callable[[bytes], None], *, max_line: int, max_total: int, cut: bool) -> None:
        """`cut`: a line that is too long is cut (a log) instead of passing the cap (a report)."""
        self._on_line = on_line
        self._max_line, self._left, self._cut = max_line, max_total, cut
        self._rest = b""

    def feed(self, chunk: bytes) -> bool:
        """Take a chunk. False where a cap is passed; nothing more is handed on then."""
        self._left -= len(chunk)
        if self._left < 0:
            return False
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if len(line) > self._max_line and not self._cut:
                return False
            self._on_line(line[: self._max_line])
        if len(self._rest) > self._max_line:
            if not self._cut:
                return False
            self._rest = self._rest[: self._max_line]
        return True

    def close(self) -> None:
        """The stream has ended: what is left is a line too."""
        if self._rest:
            self._on_line(self._rest[: self._max_line])
            self._rest = b""
