"""Several processes on one embedded store, some of them killed at any moment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from veriframe.adapters.local_store import LocalStore
from veriframe.ports.store import FetchLimits, Pin

ADD_MANY = """
import asyncio, sys
from pathlib import Path
import structlog
from veriframe.adapters.local_store import LocalStore

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
folder, source, limit, *numbers = sys.argv[1:]
store = LocalStore(Path(folder), int(limit))

async def add_all():
    for number in map(int, numbers):
        Path(source).write_bytes(number.to_bytes(4, "big") * 250_000)
        print(await store.add(Path(source), f"pin-{number}"), number, flush=True)

asyncio.run(add_all())
"""
"""Adds numbered files of a million bytes; prints each CID after `add` returned."""

MILLION = 1_000_000


def start(folder: Path, name: str, numbers: Sequence[int], limit_bytes: int) -> subprocess.Popen[str]:
    """Starts a process that adds numbered files and prints to a pipe."""
    arguments = [str(folder / "store"), str(folder / name), str(limit_bytes), *map(str, numbers)]
    return subprocess.Popen(
        [sys.executable, "-c", ADD_MANY, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def read(line: str) -> Pin:
    """The pin in a line."""
    cid, number = line.split()
    return Pin(cid=cid, name=f"pin-{number}")


def number_in(file: Path) -> int:
    """The number of a file."""
    return int.from_bytes(file.read_bytes()[:4], "big")


async def assert_kept(store: LocalStore, pins: Sequence[Pin], target: Path) -> None:
    """Checks that every pin exists and its content is intact."""
    assert set(pins) - set(await store.pins()) == set()
    for pin in pins:
        assert (await store.fetch(pin.cid, target, FetchLimits(file_bytes=MILLION))).size_bytes == MILLION
        assert f"pin-{number_in(target)}" == pin.name


async def test_processes_share_a_store(tmp_path: Path) -> None:
    """fault_49: four processes that add at once, partly the same files, lose nothing."""
    shares = [range(8), range(4, 12), range(8, 16), range(0, 16, 2)]
    processes = [start(tmp_path, f"source-{n}", share, 16 * MILLION) for n, share in enumerate(shares)]
    lines = [line for process in processes for line in process.communicate(timeout=60)[0].splitlines()]
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert len(lines) == sum(map(len, shares))
    store = LocalStore(tmp_path / "store", 16 * MILLION)
    await assert_kept(store, [read(line) for line in lines], tmp_path / "target")
    assert await store.size_bytes() == 16 * MILLION


@pytest.mark.parametrize("lines_before", [0, 1, 3])
async def test_a_killed_process_harms_nothing(tmp_path: Path, lines_before: int) -> None:
    """fault_73: a process that is killed while it adds loses no reported file; the next one cleans up."""
    process = start(tmp_path, "source", range(1000), 2000 * MILLION)
    assert process.stdout is not None
    if lines_before == 0:
        while not list((tmp_path / "store" / "work").glob("*/new")):
            assert process.poll() is None
    reported = [read(process.stdout.readline()) for _ in range(lines_before)]
    process.kill()
    # Lines printed before the kill count as well.
    reported += [read(line) for line in process.communicate(timeout=60)[0].splitlines()]
    store = LocalStore(tmp_path / "store", 2000 * MILLION)
    await assert_kept(store, reported, tmp_path / "target")
    (tmp_path / "last").write_bytes(b"x")
    await store.add(tmp_path / "last", "last")
    assert list((tmp_path / "store" / "work").iterdir()) == []
    for path in (tmp_path / "store" / "content").iterdir():
        await store.fetch(path.name, tmp_path / "target", FetchLimits(file_bytes=MILLION))
