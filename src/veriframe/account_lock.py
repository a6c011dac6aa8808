"""One service of a kind for each account on a machine: a lock that is released when its process dies."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from veriframe.causes import cause_of, may_pass
from veriframe.disk import try_lock
from veriframe.errors import HostUnavailable, SettingsError

TRIES, TRY_SECONDS = 10, 0.01
"""How often, and after what pause, a service tries to take its lock."""


@contextmanager
def account_lock(file: Path, kind: str = "worker") -> Iterator[None]:
    """Locks `file` for the block. `kind` is what runs for the account, for the error.

    Raises `SettingsError` if another process holds it, or it cannot be created here; `HostUnavailable` if
    that may pass, as on a full disk.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        error_type = HostUnavailable if may_pass(error) else SettingsError
        raise error_type(
            f"{file} cannot be created: {cause_of(error)}. Set home to a folder that this user can write."
        ) from error
    try:
        _take(descriptor, file, kind)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(file: Path) -> str | None:
    """Returns the id of the process that holds the lock of `file`; None if nobody does, or it has no file."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Shared, so that two who ask do not see each other; held for a moment only.
        return None if try_lock(descriptor, shared=True) else _process(descriptor)
    finally:
        os.close(descriptor)


def _process(descriptor: int) -> str:
    return os.pread(descriptor, 20, 0).decode("ascii", "replace") or "unknown"


def _take(descriptor: int, file: Path, kind: str) -> None:
    for _ in range(TRIES):
        if try_lock(descriptor):
            return
        time.sleep(TRY_SECONDS)  # whoever asks for the holder has it for a moment
    raise SettingsError(
        f"Another {kind} (process {_process(descriptor)}) runs for the account {file.stem}. Stop it, or give "
        "this one its own account with --account NAME."
    )
