"""The checks of this machine: its home folder, disk, processors, memory and graphics processors."""

from __future__ import annotations

import math
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.doctor.finding import Finding, Verdict
from veriframe.model.quantities import format_size
from veriframe.model.text import printable

CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),  # v2
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # v1
)
CONTAINER_PROCESSORS = Path("/sys/fs/cgroup/cpu.max")
CPU_FACTS = Path("/proc/cpuinfo")
NVIDIA_FACTS = Path("/proc/driver/nvidia/gpus")
PCI_DEVICES = Path("/sys/bus/pci/devices")

_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
"""Makers of graphics processors that Blender can use. Others, as in virtual machines, only show a screen."""
_DISPLAY_CLASS = "0x03"


async def home(folder: Path) -> Finding:
    """Check that the home folder exists or can be created, and is writable."""
    if _make_writable(folder):
        return Finding(str(folder))
    return Finding(
        f"{folder} cannot be written", Verdict.BAD, "Set VERIFRAME_HOME to a folder that this user can write."
    )


def _make_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


async def disk(folder: Path, needed_bytes: int) -> Finding:
    """Check that there is room for a scene, its frames and the store."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(
            f"{folder} cannot be measured: {cause_of(error)}", Verdict.BAD, "Fix the home folder first."
        )
    detail = f"{format_size(free)} free at {folder}"
    if free < needed_bytes:
        return Finding(
            detail, Verdict.BAD, f"Free at least {format_size(needed_bytes)}, or set disk_free_bytes lower."
        )
    return Finding(detail)


async def processors(slots: int) -> Finding:
    """Show the processors that this process may use; renders of `slots` jobs share them."""
    usable = min(len(os.sched_getaffinity(0)), _container_processors())
    detail = (
        f"{usable} of {os.cpu_count() or usable}{_model()}, for {slots} render{'s' * (slots > 1)} at once"
    )
    if slots > usable:
        return Finding(
            detail, Verdict.WARNING, f"Set slots to {usable} at most: renders slow one another down."
        )
    return Finding(detail)


def _container_processors() -> int:
    """The container's limit, rounded up. Without one, more than any machine has."""
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = map(int, CONTAINER_PROCESSORS.read_text().split())  # "max 100000" without a limit
        return max(1, math.ceil(quota / period))
    return 2**31


def _model() -> str:
    with suppress(OSError):
        if found := re.search(r"^model name\s*:\s*(.+)$", CPU_FACTS.read_text(), re.MULTILINE):
            return f" ({printable(found[1], 60)})"
    return ""


async def memory(limit_bytes: int, processes: int, waiting_bytes: int = 0) -> Finding:
    """Check that all renders and inspections can use their limit at once, beside what waits."""
    available = _memory_bytes(CONTAINER_LIMITS)
    detail = (
        f"{format_size(available)} in all; {processes} × {format_size(limit_bytes)} for renders and"
        f" inspections, {format_size(waiting_bytes)} for what waits"
    )
    if processes * limit_bytes + waiting_bytes > available:
        return Finding(
            detail,
            Verdict.WARNING,
            "Set memory_bytes or slots lower, or large scenes may exhaust this machine's memory.",
        )
    return Finding(detail)


def _memory_bytes(limits: Sequence[Path]) -> int:
    """The memory of this machine, or the container's limit if that is lower."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in limits:
        # Outside a container the file is missing, says "max", or holds a number above all memory.
        with suppress(OSError, ValueError):
            sizes.append(int(file.read_text()))
    return min(sizes)


async def gpus() -> Finding:
    """Show the graphics processors of this machine. The sandbox gives none of them to a render."""
    found = _nvidia() or _on_the_bus()
    if not found:
        return Finding("none found; renders use the processors")
    return Finding(f"{', '.join(found)}; not used: renders use the processors")


def _nvidia() -> list[str]:
    """The models that NVIDIA's driver names."""
    models = list[str]()
    for file in sorted(NVIDIA_FACTS.glob("*/information")):
        with suppress(OSError):
            if found := re.search(r"^Model:\s*(.+)$", file.read_text(), re.MULTILINE):
                models.append(printable(found[1], 60))
    return models


def _on_the_bus() -> list[str]:
    """Makers and device numbers of all graphics processors, as without their drivers."""
    names = list[str]()
    for device in sorted(PCI_DEVICES.glob("*")):
        with suppress(OSError):
            kind, vendor = ((device / name).read_text().strip() for name in ("class", "vendor"))
            if kind.startswith(_DISPLAY_CLASS) and vendor in _VENDORS:
                names.append(f"{_VENDORS[vendor]} {printable((device / 'device').read_text().strip(), 10)}")
    return names
