"""Hostile programs that hide files or memory from their limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.sandbox_runs import (
    BUILDERS,
    MIB,
    STRICT,
    WATCHED,
    Received,
    own_temporary_folder,
    reachable,
    run_python,
    run_shell,
)

from veriframe.adapters.blender.sandbox import output_mounts
from veriframe.adapters.blender.sandbox.run import Ending

__all__ = ["own_temporary_folder"]


HIDDEN = {
    "unlinked": "file = os.open('f', os.O_RDWR | os.O_CREAT); os.unlink('f')",
    "unnamed": "file = os.open('.', os.O_RDWR | os.O_TMPFILE)",
    "mapped": """
file = os.open('f', os.O_RDWR | os.O_CREAT); os.unlink('f'); os.ftruncate(file, 2**21)
pages = mmap.mmap(file, 2**21); os.close(file); pages[:] = b'x' * 2**21; kept.append(pages); file = None""",
    "locked": """
os.mkdir(f'd{n}', 0o300); file = os.open(f'd{n}/f', os.O_RDWR | os.O_CREAT)""",
    "deep": "os.mkdir('d' * 255); os.chdir('d' * 255); file = os.open('f', os.O_RDWR | os.O_CREAT)",
}


WRITE = """
import mmap, os, sys
os.chdir(sys.argv[1])
kept = []
for n in range(64):
    try:
        DEED
        if file is not None:
            os.posix_fallocate(file, 0, 2**21)
    except OSError:
        break
    os.write(int(os.environ['REPORT_FD']), b'2 MiB\\n')
"""


@pytest.mark.parametrize("builder", STRICT)
@pytest.mark.parametrize("way", HIDDEN)
async def test_output_cannot_be_hidden_from_its_limit(way: str, builder: str, tmp_path: Path) -> None:
    """fault_93: 180 to 500 MiB were written at a limit of 4."""
    received = Received()
    script = WRITE.replace("DEED", HIDDEN[way].strip().replace("\n", "\n        "))
    end = await run_python(BUILDERS[builder](), script, out=reachable(tmp_path), received=received)
    # Writing to a mapping beyond the free space ends the program by a signal.
    assert end.ending in (Ending.OUTPUT_LIMIT, Ending.EXITED, Ending.CRASHED)
    assert 1 <= len(received.reports) <= 2


async def test_a_disk_that_fills_up_ends_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """fault_93: at that level nothing else detects files without a name."""
    monkeypatch.setattr(output_mounts, "FULL_DISK_BYTES", 2**62)
    end = await run_shell(BUILDERS["none"](), "sleep 9", out=reachable(tmp_path))
    assert end.ending is Ending.OUTPUT_LIMIT
    end = await run_shell(BUILDERS["strict"](), "sleep 0.3")
    assert end.ending is Ending.EXITED


async def test_a_path_that_is_too_long_is_too_much(tmp_path: Path) -> None:
    """fault_93: if the output is on the host's disk."""
    await cannot_be_measured("deep", tmp_path)


async def cannot_be_measured(way: str, tmp_path: Path) -> None:
    """A folder that cannot be measured counts as too large."""
    script = WRITE.replace("2**21", "2**15").replace("DEED", HIDDEN[way].strip())
    end = await run_python(BUILDERS["none"](), script + "import time; time.sleep(5)", out=reachable(tmp_path))
    assert end.ending is Ending.OUTPUT_LIMIT
    assert end.seconds < 4


MEMORY = {
    "memfd": "for n in range(200): os.write(os.memfd_create('x'), b'x' * 2**21)",
    "shared pages": """
pages = mmap.mmap(-1, 400 * 2**20)
for n in range(400): pages[n * 2**20 : (n + 1) * 2**20] = b'x' * 2**20; pages.madvise(mmap.MADV_DONTNEED)""",
    "zero pages": "pages = mmap.mmap(os.open('/dev/zero', os.O_RDWR), 400 * 2**20)",
    "segment": "import ctypes; assert ctypes.CDLL(None).shmget(0, 400 * 2**20, 0o1600) >= 0",
    "secret": "import ctypes; assert ctypes.CDLL(None).syscall(447, 0) >= 0",
    "sockets": "import socket; socket.socketpair()",
    "queue": "import ctypes; assert ctypes.CDLL(None).msgget(0, 0o1600) >= 0",
}


@pytest.mark.parametrize("builder", WATCHED)
@pytest.mark.parametrize("way", MEMORY)
async def test_memory_that_no_process_shows_is_refused(way: str, builder: str) -> None:
    """fault_94: 2000 MiB of it were taken at a limit of 256."""
    received = Received()
    script = f"import mmap, os, time\n{MEMORY[way]}\nos.write(int(os.environ['REPORT_FD']), b'got it\\n')"
    end = await run_python(BUILDERS[builder](), script, received=received)
    assert received.reports == []
    assert (end.ending, end.code) == (Ending.EXITED, 1)


@pytest.mark.parametrize("builder", STRICT)
async def test_files_in_memory_count_as_memory(builder: str) -> None:
    """fault_94: each file system is within its own size, but their sum is over the limit."""
    script = """
import os, time
for n, folder in enumerate(("/tmp", "/dev/shm")):
    for m in range(20):
        with open(f"{folder}/{m}", "wb") as file: file.write(b"x" * 2**22)
time.sleep(5)
"""
    end = await run_python(BUILDERS[builder](), script, memory=128)
    assert end.ending is Ending.OOM
    assert end.peak_memory_bytes > 100 * MIB


@pytest.mark.parametrize("builder", [name for name in BUILDERS if name != "none"])
async def test_the_oom_score_cannot_be_lowered(builder: str) -> None:
    """fault_94: the kernel must kill the render first if memory runs out."""
    received = Received()
    await run_shell(
        BUILDERS[builder](),
        "echo 0 > /proc/self/oom_score_adj || echo refused >&$REPORT_FD",
        received=received,
    )
    assert received.reports == [b"refused"]
