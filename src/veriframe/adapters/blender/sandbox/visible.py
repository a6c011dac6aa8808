"""What a walled program sees at every level: system folders, its environment, its paths."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path, PurePosixPath

from veriframe.adapters.blender.sandbox.run import OUT, REPORT_VARIABLE, SandboxedRun

SANDBOX_UID = 61_321
"""The user and group that a root worker's renders run as: in no range that Debian gives to anybody."""

SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
SYSTEM_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
"""Folders in old systems, links into /usr in new ones."""

SYSTEM_FILES = ("/etc/fonts", "/etc/ld.so.cache", "/etc/alternatives")
"""All of /etc that a renderer sees: fonts' settings and where shared libraries lie."""


def environment(run: SandboxedRun, report_fd: int | None, scratch: str) -> dict[str, str]:
    """The program's whole environment. `scratch` is its own temporary folder, which is its home too."""
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
    """A word of the command line for a level without mounts of its own: inside paths become the host's."""
    if not isinstance(word, PurePosixPath):
        return word
    shown = {**run.visible, **({} if run.out is None else {OUT: run.out})}
    for inside in (word, *word.parents):
        if inside in shown:
            return str(shown[inside] / word.relative_to(inside))
    return str(word)


def give_away(path: Path) -> None:
    """Hand a file or a folder to the user that a root worker's renders run as."""
    if os.geteuid() == 0:
        os.chown(path, SANDBOX_UID, SANDBOX_UID, follow_symlinks=False)


def let_in(path: Path) -> None:
    """Let the user of a root worker's renders pass through a folder, or read a file, and no other user."""
    mode, more = (0o700, 0o010) if path.is_dir() else (0o600, 0o040)
    if os.geteuid() == 0:
        # A root that may not give files away has no other user for its renders either.
        with contextlib.suppress(OSError):
            os.chown(path, -1, SANDBOX_UID)
            mode |= more
    path.chmod(mode)
