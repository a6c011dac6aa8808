"""Lines that come out of a sandbox, made harmless: capped, split, and stripped of what drives a terminal."""

from __future__ import annotations

import asyncio
import os
import re
import unicodedata
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")

MAX_LOG_LINE = 2_000
"""Characters of one log line that are kept."""

_CHUNK_BYTES = 1024
"""Read and cut at once: as many lines, at most, are handled before the event loop turns."""


def strip(line: bytes) -> str:
    """A line of a log: no escape sequences, no control or direction-changing characters, not too long."""
    text = _ANSI.sub("", line[: 4 * MAX_LOG_LINE].decode("utf-8", "replace"))
    kept = (c for c in text.replace("\t", " ") if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"})
    return "".join(kept)[:MAX_LOG_LINE].rstrip()


class Caps(NamedTuple):
    """The most of a stream: bytes of one line, bytes of all, and lines, of which empty ones are some too."""

    line_bytes: int
    total_bytes: int
    lines: int


class LineSplitter:
    """Cuts a stream of chunks into lines and counts what it saw. Says when a cap is passed."""

    def __init__(self, on_line: Callable[[bytes], None], caps: Caps, *, cut: bool) -> None:
        """`cut`: a line that is too long is cut (a log) instead of passing the cap (a report)."""
        self._on_line = on_line
        self._max_line, self._cut = caps.line_bytes, cut
        self._bytes_left, self._lines_left = caps.total_bytes, caps.lines
        self._line = bytearray()

    def feed(self, chunk: bytes) -> bool:
        """Take a chunk. False where a cap is passed; nothing more is handed on then."""
        self._bytes_left -= len(chunk)
        if self._bytes_left < 0:
            return False
        *ends, start = chunk.split(b"\n")
        return all(self._go_on(end) and self._hand_on() for end in ends) and self._go_on(start)

    def close(self) -> None:
        """The stream has ended: what is left is a line too."""
        if self._line:
            self._hand_on()

    def _go_on(self, part: bytes) -> bool:
        room = self._max_line - len(self._line)
        self._line += part[:room]
        return self._cut or len(part) <= room

    def _hand_on(self) -> bool:
        self._lines_left -= 1
        if self._lines_left < 0:
            return False
        line = bytes(self._line)
        self._line.clear()
        self._on_line(line)
        return True


async def read_lines(descriptor: int, splitter: LineSplitter, on_flood: Callable[[], None]) -> None:
    """Read a pipe to its end and have it cut into lines; `on_flood` is called once, where a cap is passed.

    However much comes, the event loop turns between two chunks.
    """
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(descriptor), "rb")
    )
    is_flooded = False
    with closing(transport):
        # Reading goes on after a flood, so that nobody waits for a full pipe.
        while chunk := await reader.read(_CHUNK_BYTES):
            if not is_flooded and not splitter.feed(chunk):
                is_flooded = True
                on_flood()
            # What has been read ahead is handed out without a pause.
            await asyncio.sleep(0)
    splitter.close()
