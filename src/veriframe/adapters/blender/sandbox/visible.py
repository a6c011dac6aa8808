"""What a sandboxed program sees at every level: system folders, its environment, its paths."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path, PurePosixPath

from veriframe.adapters.blender.sandbox.run import OUT, REPORT_VARIABLE, SandboxedRun

SANDBOX_UID = 61_321
"""The user and group of a root worker's renders, outside all ranges that Debian assigns."""

SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
SYSTEM_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
"""Folders on old systems, links into /usr on new ones."""

SYSTEM_FILES = ("/etc/fonts", "/etc/ld.so.cache", "/etc/alternatives")
"""All of /etc that a renderer sees: font settings and the locations of shared libraries."""


def environment(run: SandboxedRun, report_fd: int | None, scratch: str) -> dict[str, str]:
    """Returns the program's whole environment. `scratch` is its temporary folder and its home."""
    variables = {
        "PATH": SEARCH_PATH,
        "HOME": scratch,
        "TMPDIR": scratch,
        "LANG": "C.UTF-8",
        **run.environment,
    }
    if report_fd is not None:
        variables[REPORT_VARIABLE] = str(report_fd)
    return variables


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
