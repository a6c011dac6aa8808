"""A control group (v1 or v2) for one run: memory and process limits that the kernel enforces."""

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
    """Where this process may create groups: one folder per controller (v1), or one for all (v2)."""

    version: int
    memory: Path
    pids: Path


@cache
def find() -> Hierarchy | None:
    """Returns the hierarchy that is writable and really limits memory and processes, or None."""
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
    """Kills and removes what killed workers have left: old groups whose worker is dead."""
    for folder in {hierarchy.memory, hierarchy.pids}:
        for group in folder.glob(f"{_PREFIX}*-*"):
            worker = group.name.removeprefix(_PREFIX).split("-")[0]
            with contextlib.suppress(OSError):
                old = time.time() - group.stat().st_ctime > _SWEEP_SECONDS
                if old and not Path("/proc", worker).exists():
                    _kill(_members(group))
                    group.rmdir()  # fails if another container's processes are inside


def _own_groups() -> Mapping[str, str]:
    groups: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            groups.update(dict.fromkeys(controllers.split(","), path.lstrip("/")))
    return groups


def _works(hierarchy: Hierarchy) -> bool:
    try:
        with contextlib.closing(ControlGroup(hierarchy, memory_bytes=2**30, pids=64)):
            return True
    except OSError:
        return False


class ControlGroup:
    """The control group of one run. Raises `OSError` if it cannot be created."""

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
        """The folders whose `cgroup.procs` a process must write its id to."""
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
        """The peak memory, page cache included; 0 if the kernel does not report it."""
        name = "memory.peak" if self._version == 2 else "memory.max_usage_in_bytes"
        with contextlib.suppress(OSError, ValueError):
            return int((self._memory / name).read_text())
        return 0

    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process of the group for lack of memory."""
        name = "memory.events" if self._version == 2 else "memory.oom_control"
        return self._counter(self._memory / name, "oom_kill") > 0

    def out_of_pids(self) -> bool:
        """Whether the kernel refused a fork in the group."""
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
        """Kills everything inside without waiting. Returns False if the group is empty."""
        members = _members(self._pids)
        _kill(members)
        return bool(members)

    def kill(self) -> None:
        """Kills everything inside, repeatedly because of concurrent forks. May block for some time."""
        for _ in range(100):
            if not self.kill_once():
                return
            time.sleep(0.005)

    def close(self) -> None:
        """Kills everything that is left and removes the group. May block for some time."""
        self.kill()
        for folder in self.folders:
            for _ in range(50):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)  # the kernel needs a moment to remove dead members
                else:
                    break


def _set(file: Path, number: int) -> None:
    # Must not create the file: in an ordinary folder the limit would seem to be set.
    with file.open("r+") as limit:
        limit.write(str(number))


def _members(group: Path) -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        # 0 stands for a process of another namespace; for `kill` it would mean our own process group.
        return [pid for line in (group / "cgroup.procs").read_text().split() if (pid := int(line)) > 0]
    return []


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
