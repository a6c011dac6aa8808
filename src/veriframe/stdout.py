"""Standard output that may fail at any time: its reader may exit, its disk may be full, letters may lack.

The first write that fails raises an error. What is written after it is lost without another one.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, Any

from veriframe.errors import HostUnavailable, OutputGone, VeriFrameError
from veriframe.readable import READABLE

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_DESCRIPTOR = 1


class _Descriptor(io.FileIO):
    """Descriptor 1."""

    def __init__(self) -> None:
        super().__init__(_DESCRIPTOR, "wb", closefd=False)

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of the bytes. Raises `OutputGone` or `HostUnavailable`, but only once."""
        while True:
            try:
                written: int | None = super().write(data)
            except OSError as error:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, _DESCRIPTOR)
                os.close(nowhere)
                raise _failure(error) from error
            if written is not None:
                return written
            # Another program has set O_NONBLOCK on the shared descriptor.
            select.select([], [_DESCRIPTOR], [])


def _failure(error: OSError) -> VeriFrameError:
    if error.errno == errno.EPIPE:
        return OutputGone()
    from veriframe.causes import cause_of  # noqa: PLC0415 - it is slow to import, and seldom needed

    return HostUnavailable(f"The output cannot be written: {cause_of(error)}.")


class _Recoded(io.BufferedIOBase):
    """Takes UTF-8 and writes another encoding."""

    def __init__(self, target: io.BufferedWriter, encoding: str) -> None:
        self._target, self._encoding = target, encoding
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: ReadableBuffer, /) -> int:
        """Write the bytes in the other encoding. Returns how many were given."""
        given = bytes(data)
        self._target.write(self._decoder.decode(given).encode(self._encoding, READABLE))
        return len(given)

    def flush(self) -> None:
        """Write what is buffered."""
        self._target.flush()

    def fileno(self) -> int:
        """The descriptor."""
        return self._target.fileno()

    def isatty(self) -> bool:
        """Whether the descriptor is a terminal."""
        return self._target.isatty()

    def writable(self) -> bool:
        """Always true."""
        return True


def install() -> None:
    """Replace this process's `sys.stdout` permanently, unless other code already has, as tests do."""
    old = sys.stdout
    if old is not sys.__stdout__ or not isinstance(old, io.TextIOWrapper):
        return
    old.flush()
    target: Any = io.BufferedWriter(_Descriptor())
    if codecs.lookup(old.encoding).name != "utf-8":
        # It is UTF-8 to all who write: libraries have rules of their own for other encodings.
        target = _Recoded(target, old.encoding)
    sys.stdout = io.TextIOWrapper(
        target,
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=old.line_buffering,
        write_through=old.write_through,
    )
