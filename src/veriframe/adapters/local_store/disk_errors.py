"""The meaning of disk errors."""

from __future__ import annotations

import errno


def is_full(error: OSError) -> bool:
    """Whether the disk or this user's quota is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def reason(error: OSError) -> str:
    """The error's cause, in a few words."""
    return "the disk is full" if is_full(error) else error.strerror or str(error)
