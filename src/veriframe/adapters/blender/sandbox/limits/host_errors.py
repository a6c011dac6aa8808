"""Turns this machine's errors, such as a full disk, into `HostUnavailable`: no scene causes them."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from veriframe.causes import cause_of
from veriframe.errors import HostUnavailable

NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)

_FREE_DISK = "Free some disk space, or set TMPDIR to a larger folder that only this user can write to."
_RAISE_LIMIT = "Raise the limit on open files (ulimit -n), or set fewer slots."
_REMEDIES = {
    errno.ENOSPC: _FREE_DISK,
    errno.EDQUOT: _FREE_DISK,
    errno.EFBIG: _FREE_DISK,
    **dict.fromkeys(NO_DESCRIPTORS, _RAISE_LIMIT),
}


@contextlib.contextmanager
def as_unavailable() -> Iterator[None]:
    """Raises `HostUnavailable` with the remedy in place of any `OSError`."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        remedy = _REMEDIES.get(error.errno or 0, "Run: veriframe doctor.")
        raise HostUnavailable(
            f"This machine cannot carry out a run: {cause_of(error)}{where}. {remedy}"
        ) from error
