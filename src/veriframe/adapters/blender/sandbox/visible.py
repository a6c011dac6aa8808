"""What a sandboxed program sees at every level: system folders, its environment, its paths."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from veriframe.adapters.blender.sandbox.run import OUT, SandboxedRun

SANDBOX_UID = 61_321
"""The user and group of a root worker's renders, outside all ranges that Debian assigns."""

MOST_COPIED_BYTES = 2**26
"""A larger file is copied only if the sandbox could not read it otherwise."""

SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
SYSTEM_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
"""Folders on old systems, links into /usr on new ones."""

SYSTEM_FILES = ("/etc/fonts", "/etc/ld.so.cache", "/etc/alternatives")
"""All of /etc that a renderer sees: font settings and the locations of shared libraries."""


def environment(run: SandboxedRun, pipes: Mapping[str, int], scratch: str) -> dict[str, str]:
    """Returns the program's whole environment. `scratch` is its temporary folder and its home.

    `pipes` maps names of variables to file descriptors.
    """
    return {
        "PATH": SEARCH_PATH,
        "HOME": scratch,
        "TMPDIR": scratch,
        "LANG": "C.UTF-8",
        **run.environment,
        **{name: str(descriptor) for name, descriptor in pipes.items()},
    }


def on_host(run: SandboxedRun, word: str | PurePosixPath) -> str:
    """Returns a word of the command line for a level without mounts: inside paths become host paths."""
    if not isinstance(word, PurePosixPath):
        return word
    shown = {**run.visible, **({} if run.out is None else {OUT: run.out})}
    for inside in (word, *word.parents):
        if inside in shown:
            return str(shown[inside] / word.relative_to(inside))
    return str(word)


def chown_to_sandbox(path: Path) -> None:
    """Makes the sandbox user of a root worker the owner of a file or folder."""
    if os.geteuid() == 0:
        os.chown(path, SANDBOX_UID, SANDBOX_UID, follow_symlinks=False)


def grant_access(path: Path) -> None:
    """Lets the sandbox user of a root worker, and no other user, traverse a folder or read a file."""
    mode, more = (0o700, 0o010) if path.is_dir() else (0o600, 0o040)
    if os.geteuid() == 0:
        # A root user that may not change owners cannot run renders as another user either.
        with contextlib.suppress(OSError):
            os.chown(path, -1, SANDBOX_UID)
            mode |= more
    path.chmod(mode)


def grant_reading(folder: Path) -> None:
    """Lets the sandbox user of a root worker read a folder and every file in it; links are left alone.

    Only adds rights, and only where they lack. Raises `OSError`.
    """
    if os.geteuid() != 0:
        return
    for parent, folders, files in os.walk(folder):
        for path in (parent, *(os.path.join(parent, name) for name in (*folders, *files))):  # noqa: PTH118 - quick
            status = os.lstat(path)
            needed = 0o050 if stat.S_ISDIR(status.st_mode) else 0o040
            if not stat.S_ISLNK(status.st_mode) and status.st_mode & (needed >> 3) != needed >> 3:
                with contextlib.suppress(PermissionError):
                    os.chown(path, -1, SANDBOX_UID)
                    os.chmod(path, stat.S_IMODE(status.st_mode) | needed)  # noqa: PTH101 - quick


def is_readable_inside(file: Path) -> bool:
    """Whether the sandbox user can read a file that a sandbox shows. Raises `OSError`."""
    mode = os.stat(file).st_mode  # noqa: PTH116 - a single call
    return os.geteuid() != 0 or bool(mode & 0o004)


def deliver(file: Path, target: Path) -> bool:
    """Puts a file into a folder that a sandbox already shows, as a hard link or a copy.

    Returns False if it is large and would have to be copied only for that. Raises `OSError`.
    """
    if is_readable_inside(file):
        with contextlib.suppress(OSError):
            os.link(file.resolve(), target)
            return True
        if file.stat().st_size > MOST_COPIED_BYTES:
            return False
    shutil.copyfile(file, target)
    grant_access(target)
    return True
