"""What a program can write to while it runs: file systems in memory of its own, or folders of the host."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from veriframe.adapters.blender import outputs
from veriframe.adapters.blender.sandbox.limits import resource_usage as watcher
from veriframe.adapters.blender.sandbox.run import RunLimits, SandboxedRun

SPARE_BYTES = 2**20
"""A file system in memory is larger than its limit by this, so that passing the limit can be seen."""

INODE_BYTES = 1024
"""What a name without content takes of the kernel's memory, about."""

FULL_DISK_BYTES = 64 * 2**20
"""With less than this free on the host's disk, a run that writes there is ended."""

_LOOK_SECONDS = 0.0005


class Writable(Protocol):
    """Where one run writes, and what it takes there."""

    in_memory: bool
    """Whether it lies in memory, so that no page of it counts twice."""

    @abstractmethod
    async def hold(self, pid: int) -> None:
        """Take hold of it by way of a process that waits inside. Raises `OSError`."""

    @abstractmethod
    def exceeds(self, limits: RunLimits) -> bool:
        """Whether more was written than allowed."""

    @abstractmethod
    def is_full(self) -> bool:
        """Whether what all others on this machine need is nearly used up."""

    @abstractmethod
    def memory_bytes(self) -> int:
        """Memory that it takes, whether a process has it mapped or not."""

    @abstractmethod
    def output(self) -> contextlib.AbstractContextManager[int]:
        """A descriptor of the output folder. Raises `OSError`."""

    def collect(self, run: SandboxedRun, out: Path) -> outputs.Fault | None:
        """Copy what the program was to leave to `out`, now that nothing inside lives any more.

        Raises `HostUnavailable` where no copy can be made.
        """
        try:
            with self.output() as folder:
                return outputs.collect(folder, run.expected, out, most_bytes=run.limits.output_bytes)
        except OSError as error:
            return outputs.unreadable(error)


class Folders(Writable):
    """Folders of the host, which only walking measures: files that are open without a name are not seen."""

    in_memory = False

    def __init__(self, scratch: Path, out: Path) -> None:
        """`scratch` is the program's temporary folder, `out` what it leaves its output in."""
        self._scratch, self._out = scratch, out

    async def hold(self, pid: int) -> None:
        """Nothing: folders stay."""

    def exceeds(self, limits: RunLimits) -> bool:
        """By the files that can be seen."""
        return watcher.exceeds(self._out, limits.output_bytes) or watcher.exceeds(
            self._scratch, limits.tmp_bytes
        )

    def is_full(self) -> bool:
        """By what is free on the disk, which files without a name take, too."""
        try:
            return shutil.disk_usage(self._out).free < FULL_DISK_BYTES
        except OSError:
            return False  # the program has removed the folder, and nothing can be written there any more

    def memory_bytes(self) -> int:
        """None."""
        return 0

    def output(self) -> contextlib.AbstractContextManager[int]:
        """The folder itself."""
        return outputs.opened(self._out)


class Mounts(Writable):
    """File systems in memory of a mount namespace, by descriptors that outlive it."""

    in_memory = True

    def __init__(self, out: PurePosixPath | None, *others: PurePosixPath, files: int = 0) -> None:
        """Their paths in the namespace of the process that is given to `hold`.

        `files`: how many the output may have, each of which is rounded up to pages.
        """
        self._rounded_up_bytes = files * watcher.PAGE_BYTES
        self._out, self._paths = out, (*others, *(() if out is None else (out,)))
        self._held: dict[PurePosixPath, int] = {}

    async def hold(self, pid: int) -> None:
        """Open them by way of a process that waits, as soon as they are there. Raises `OSError`."""
        while not self._try_to_hold(pid):  # noqa: ASYNC110 - nothing tells when a mount comes about
            await asyncio.sleep(_LOOK_SECONDS)

    def _try_to_hold(self, pid: int) -> bool:
        try:
            root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError):
            return False
        try:
            # The process begins on the host's root, and gets its own, with all mounts on it, at once.
            if not _is_of_the_host("/", root):
                for path in self._paths:
                    self._hold_one(root, path)
        except FileNotFoundError:
            self._let_go()
        finally:
            os.close(root)
        return bool(self._held)

    def _hold_one(self, root: int, path: PurePosixPath) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path.relative_to("/"), flags, dir_fd=root)
        if _is_of_the_host(str(path), descriptor):
            os.close(descriptor)  # it takes no memory of its own
        else:
            self._held[path] = descriptor

    def exceeds(self, limits: RunLimits) -> bool:
        """By what the file system itself has given away, to whatever file, with or without a name."""
        if self._out is None or self._out not in self._held:
            return False
        used = os.fstatvfs(self._held[self._out])
        files = used.f_files - used.f_ffree
        most = limits.output_bytes + self._rounded_up_bytes
        return _taken_bytes(used) > most or files > watcher.MAX_FILES

    def is_full(self) -> bool:
        """Never: each has its own size."""
        return False

    def memory_bytes(self) -> int:
        """Of all of them, files' names included."""
        each = [os.fstatvfs(descriptor) for descriptor in self._held.values()]
        return sum(_taken_bytes(used) + INODE_BYTES * (used.f_files - used.f_ffree) for used in each)

    @contextmanager
    def output(self) -> Iterator[int]:
        """What was held."""
        if self._out is None or self._out not in self._held:
            raise FileNotFoundError("the output was not held")
        yield self._held[self._out]

    def close(self) -> None:
        """Let go, and with it of all that lies there. May block for seconds, where that is much."""
        self._let_go()

    def _let_go(self) -> None:
        while self._held:
            os.close(self._held.popitem()[1])


def _taken_bytes(used: os.statvfs_result) -> int:
    return (used.f_blocks - used.f_bfree) * used.f_frsize


def _is_of_the_host(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))  # noqa: PTH116 - one path, two roots
    except OSError:
        return False
