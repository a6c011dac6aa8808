"""One worker for each account on a machine: a lock that dies with its process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veriframe.disk import try_lock
from veriframe.errors import HostUnavailable, SettingsError


@contextmanager
def account_lock(file: Path) -> Iterator[None]:
    """Hold `file` for the block. Raises `SettingsError` where another process holds it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostUnavailable(
            f"{file} cannot be made: {error.strerror}. Set home to a folder of yours."
        ) from error
    try:
        _take(descriptor, file)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, file: Path) -> None:
    if not try_lock(descriptor):
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace") or "unknown"
        raise SettingsError(
            f"Another worker (process {holder}) works for the account {file.stem}. Stop it, or give this "
            "one an account of its own with --account NAME."
        )
