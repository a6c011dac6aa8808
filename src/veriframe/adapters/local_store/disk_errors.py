"""What a disk's error means."""

from __future__ import annotations

import errno


def is_full(error: OSError) -> bool:
    """Whether the disk, or this user's part of it, has no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def reason(error: OSError) -> str:
    """Why something could not be done, in a few words."""
    return "the disk is full" if is_full(error) else error.strerror or str(error)
