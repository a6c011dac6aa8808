"""What this machine may not give a run: room on the disk, a descriptor. No scene is to blame for that."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from veriframe.errors import HostUnavailable

NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)

_FREE_DISK = "Free the disk, or set TMPDIR to a folder with more room that only this user can fill."
_RAISE_LIMIT = "Raise the limit on open files (ulimit -n), or set fewer slots."
_REMEDIES = {
    errno.ENOSPC: _FREE_DISK,
    errno.EDQUOT: _FREE_DISK,
    errno.EFBIG: _FREE_DISK,
    **dict.fromkeys(NO_DESCRIPTORS, _RAISE_LIMIT),
}


@contextlib.contextmanager
def needed() -> Iterator[None]:
    """Raises `HostUnavailable`, with the remedy, in place of any `OSError`."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        remedy = _REMEDIES.get(error.errno or 0, "Run: veriframe doctor.")
        raise HostUnavailable(
            f"This machine cannot carry out a run: {error.strerror or error}{where}. {remedy}"
        ) from error
