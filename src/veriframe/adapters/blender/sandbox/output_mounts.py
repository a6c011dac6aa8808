"""Where a program can write while it runs: its own file systems in memory, or folders of the host."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from abc import abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from veriframe.adapters.blender import outputs
from veriframe.adapters.blender.sandbox.limits import resource_usage
from veriframe.adapters.blender.sandbox.run import RunLimits, SandboxedRun

SPARE_BYTES = 2**20
"""A file system in memory is larger than its limit by this, so that exceeding the limit can be detected."""

INODE_BYTES = 1024
"""The approximate kernel memory of an empty file."""

FULL_DISK_BYTES = 64 * 2**20
"""A run that writes to the host's disk is ended if less than this is free."""

_POLL_SECONDS = 0.0005

_LIVE_FILES = 256
"""How many files of a live run are allowed to be rounded up to whole pages; their own bytes count exactly."""


def rounded_files(run: SandboxedRun) -> int:
    """Returns how many files the output may have at once without being charged for rounding up to pages."""
    return _LIVE_FILES if run.live else len(run.expected)


def output_room_bytes(run: SandboxedRun) -> int:
    """Returns how much a run can write before it fails: more than allowed, so that the excess is detected."""
    return run.limits.output_bytes + rounded_files(run) * resource_usage.PAGE_BYTES + SPARE_BYTES


class Writable(Protocol):
    """Where one run writes, and how much it has written."""

    in_memory: bool
    """Whether it is in memory, so that its pages must not be counted twice."""

    taken_bytes: int = 0
    """The size of all files that were taken out while the program ran; they count as output."""

    @abstractmethod
    async def hold(self, pid: int) -> None:
        """Opens it through a process that waits inside. Raises `OSError`."""

    @abstractmethod
    def exceeds(self, limits: RunLimits) -> bool:
        """Whether the program has written more than allowed. Blocks, unless the output is in memory."""

    @abstractmethod
    def is_full(self) -> bool:
        """Whether the host's disk is nearly full."""

    @abstractmethod
    def memory_bytes(self) -> int:
        """The memory that it occupies, mapped by a process or not."""

    @abstractmethod
    def output(self) -> contextlib.AbstractContextManager[int]:
        """Yields a descriptor of the output folder. Raises `OSError`."""

    def collect(self, run: SandboxedRun, out: Path) -> outputs.OutputFault | None:
        """Copies the expected files to `out`. Call it only after every process inside is dead.

        Raises `HostUnavailable` if a file cannot be copied.
        """
        try:
            with self.output() as folder:
                return outputs.collect(folder, run.expected, out, max_bytes=run.limits.output_bytes)
        except OSError as error:
            return outputs.unreadable(error)

    def take(
        self, name: str, target: Path, later: Collection[str], limits: RunLimits
    ) -> outputs.OutputFault | None:
        """Moves one file to `target` while the program runs. `later`: the only other names allowed.

        Raises `HostUnavailable` if it cannot be written.
        """
        max_bytes = limits.output_bytes - self.taken_bytes
        try:
            with self.output() as folder:
                taken = outputs.move_out(folder, name, target, later=later, max_bytes=max_bytes)
        except OSError as error:
            return outputs.unreadable(error)
        if isinstance(taken, outputs.OutputFault):
            return taken
        self.taken_bytes += taken
        return None


class HostFolders(Writable):
    """Folders of the host, measured by listing them; open files without a name are not counted."""

    in_memory = False

    def __init__(self, scratch: Path, out: Path) -> None:
        """`scratch` is the program's temporary folder, `out` its output folder."""
        self._scratch, self._out = scratch, out

    async def hold(self, pid: int) -> None:
        """Does nothing: folders outlive the program."""

    def exceeds(self, limits: RunLimits) -> bool:
        """Measures the files that have a name."""
        return resource_usage.exceeds(
            self._out, limits.output_bytes - self.taken_bytes
        ) or resource_usage.exceeds(self._scratch, limits.tmp_bytes)

    def is_full(self) -> bool:
        """Measures the free space on the disk, which files without a name reduce too."""
        try:
            return shutil.disk_usage(self._out).free < FULL_DISK_BYTES
        except OSError:
            return False  # the program has removed the folder, so nothing can be written there

    def memory_bytes(self) -> int:
        """Zero: folders are on disk."""
        return 0

    def output(self) -> contextlib.AbstractContextManager[int]:
        """Opens the folder."""
        return outputs.opened(self._out)


class MemoryFileSystems(Writable):
    """File systems in memory of a mount namespace, held by descriptors that outlive it."""

    in_memory = True

    def __init__(self, out: PurePosixPath | None, *others: PurePosixPath, files: int = 0) -> None:
        """Their paths in the namespace of the process that is passed to `hold`.

        `files` is how many the output may have; the size of each is rounded up to pages.
        """
        self._rounded_up_bytes = files * resource_usage.PAGE_BYTES
        self._out, self._paths = out, (*others, *(() if out is None else (out,)))
        self._held: dict[PurePosixPath, int] = {}

    async def hold(self, pid: int) -> None:
        """Opens them through a waiting process as soon as they exist. Raises `OSError`."""
        while not self._try_to_hold(pid):  # noqa: ASYNC110 - no event announces a mount
            await asyncio.sleep(_POLL_SECONDS)

    def _try_to_hold(self, pid: int) -> bool:
        try:
            root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError):
            return False
        try:
            # The process starts with the host's root and then switches atomically to its own, fully mounted.
            if not _is_of_the_host("/", root):
                for path in self._paths:
                    self._hold_one(root, path)
        except FileNotFoundError:
            self._close_all()
        finally:
            os.close(root)
        return bool(self._held)

    def _hold_one(self, root: int, path: PurePosixPath) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path.relative_to("/"), flags, dir_fd=root)
        if _is_of_the_host(str(path), descriptor):
            os.close(descriptor)  # a folder of the host, without memory of its own
        else:
            self._held[path] = descriptor

    def exceeds(self, limits: RunLimits) -> bool:
        """Asks the file system itself, which counts all files, with or without a name."""
        if self._out is None or self._out not in self._held:
            return False
        used = os.fstatvfs(self._held[self._out])
        files = used.f_files - used.f_ffree
        most = limits.output_bytes - self.taken_bytes + self._rounded_up_bytes
        return _taken_bytes(used) > most or files > resource_usage.MAX_FILES

    def is_full(self) -> bool:
        """Never: each has its own size."""
        return False

    def memory_bytes(self) -> int:
        """The memory of all of them, inodes included."""
        each = [os.fstatvfs(descriptor) for descriptor in self._held.values()]
        return sum(_taken_bytes(used) + INODE_BYTES * (used.f_files - used.f_ffree) for used in each)

    @contextmanager
    def output(self) -> Iterator[int]:
        """Yields the descriptor that `hold` opened."""
        if self._out is None or self._out not in self._held:
            raise FileNotFoundError("the output was not held")
        yield self._held[self._out]

    def close(self) -> None:
        """Closes the descriptors, which frees the contents. May block for seconds if these are large."""
        self._close_all()

    def _close_all(self) -> None:
        while self._held:
            os.close(self._held.popitem()[1])


def _taken_bytes(used: os.statvfs_result) -> int:
    return (used.f_blocks - used.f_bfree) * used.f_frsize


def _is_of_the_host(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))  # noqa: PTH116 - one path, two roots
    except OSError:
        return False
