"""One worker for each account on a machine: a lock that is released when its process dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veriframe.disk import try_lock
from veriframe.errors import HostUnavailable, SettingsError


@contextmanager
def account_lock(file: Path) -> Iterator[None]:
    """Locks `file` for the block. Raises `SettingsError` if another process holds it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostUnavailable(
            f"{file} cannot be created: {error.strerror}. Set home to a folder of this user."
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
            f"Another worker (process {holder}) runs for the account {file.stem}. Stop it, or give this "
            "one its own account with --account NAME."
        )
