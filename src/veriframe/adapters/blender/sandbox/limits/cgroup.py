"""A control group round one run: memory and process limits that the kernel holds, v1 or v2."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PREFIX = "veriframe-"
_SWEEP_SECONDS = 60
_serial = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where this process may make groups: one folder per controller (v1), or one for all (v2)."""

    version: int
    memory: Path
    pids: Path


@cache
def find() -> Hierarchy | None:
    """The hierarchy that can be written and really limits memory and processes, or None."""
    own = _own_groups()
    candidates = []
    if "memory" in own and "pids" in own:
        candidates.append(Hierarchy(1, _ROOT / "memory" / own["memory"], _ROOT / "pids" / own["pids"]))
    if "" in own:
        unified = _ROOT / own[""]
        candidates.append(Hierarchy(2, unified, unified))
    for found in candidates:
        if _works(found):
            _sweep(found)
            return found
    return None


def _sweep(hierarchy: Hierarchy) -> None:
    """End and remove what workers that were killed have left: old groups whose maker is no more."""
    for folder in {hierarchy.memory, hierarchy.pids}:
        for group in folder.glob(f"{_PREFIX}*-*"):
            maker = group.name.removeprefix(_PREFIX).split("-")[0]
            with contextlib.suppress(OSError):
                old = time.time() - group.stat().st_ctime > _SWEEP_SECONDS
                if old and not Path("/proc", maker).exists():
                    _kill(_members(group))
                    group.rmdir()  # refused where another container's processes are inside


def _own_groups() -> Mapping[str, str]:
    groups: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            groups.update(dict.fromkeys(controllers.split(","), path.lstrip("/")))
    return groups


def _works(hierarchy: Hierarchy) -> bool:
    try:
        with contextlib.closing(Group(hierarchy, memory_bytes=2**30, pids=64)):
            return True
    except OSError:
        return False


class Group:
    """One run's group. Raises `OSError` where it cannot be made."""

    def __init__(self, hierarchy: Hierarchy, *, memory_bytes: int, pids: int) -> None:
        name = f"{_PREFIX}{os.getpid()}-{next(_serial)}"
        self._version = hierarchy.version
        self._memory, self._pids = hierarchy.memory / name, hierarchy.pids / name
        try:
            for folder in self.folders:
                folder.mkdir()
            self._limit(memory_bytes, pids)
        except OSError:
            self.close()
            raise

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders whose `cgroup.procs` a process must write itself into."""
        return tuple(dict.fromkeys((self._memory, self._pids)))

    def _limit(self, memory_bytes: int, pids: int) -> None:
        if self._version == 2:
            _set(self._memory / "memory.max", memory_bytes)
            with contextlib.suppress(OSError):
                _set(self._memory / "memory.swap.max", 0)
        else:
            _set(self._memory / "memory.limit_in_bytes", memory_bytes)
            with contextlib.suppress(OSError):
                _set(self._memory / "memory.memsw.limit_in_bytes", memory_bytes)
        _set(self._pids / "pids.max", pids)

    def peak_bytes(self) -> int:
        """The most memory that was used at once, page cache included; 0 where the kernel does not say."""
        name = "memory.peak" if self._version == 2 else "memory.max_usage_in_bytes"
        with contextlib.suppress(OSError, ValueError):
            return int((self._memory / name).read_text())
        return 0

    def out_of_memory(self) -> bool:
        """Whether the kernel killed something in here for memory."""
        name = "memory.events" if self._version == 2 else "memory.oom_control"
        return self._counter(self._memory / name, "oom_kill") > 0

    def out_of_pids(self) -> bool:
        """Whether a fork in here was refused."""
        return self._counter(self._pids / "pids.events", "max") > 0

    @staticmethod
    def _counter(file: Path, name: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            for line in file.read_text().splitlines():
                key, _, value = line.partition(" ")
                if key == name:
                    return int(value)
        return 0

    def kill_once(self) -> bool:
        """Kill everything inside, without waiting. False where nothing is there."""
        members = _members(self._pids)
        _kill(members)
        return bool(members)

    def kill(self) -> None:
        """Kill everything inside; forks that race are met by going round again. May block for some time."""
        for _ in range(100):
            if not self.kill_once():
                return
            time.sleep(0.005)

    def close(self) -> None:
        """Kill what is left and remove the group. May block for some time."""
        self.kill()
        for folder in self.folders:
            for _ in range(50):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)  # the kernel needs a moment to let dead members go
                else:
                    break


def _set(file: Path, number: int) -> None:
    # Never makes the file: in an ordinary folder that would look like a limit that was taken.
    with file.open("r+") as limit:
        limit.write(str(number))


def _members(group: Path) -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        # 0 stands for a process of another namespace; to `kill` it would mean ourselves.
        return [pid for line in (group / "cgroup.procs").read_text().split() if (pid := int(line)) > 0]
    return []


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
