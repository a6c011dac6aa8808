"""Ways to outlive a run, to be counted nowhere, or not to die when killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.sandbox_runs import BUILDERS, own_temporary_folder, run_python
from tests.integration.test_sandbox_calls import FILTERED, is_refused

from veriframe.adapters.blender.sandbox.run import Ending

__all__ = ["own_temporary_folder"]

TIES = {
    "a child of the worker": "call(56, 0x8000 | 17, 0, 0, 0, 0)",
    "orphans": "if libc.prctl(36, 0, 0, 0, 0): raise OSError(errno.EPERM, 'prctl')",
    "the worker's death": "if libc.prctl(1, 0, 0, 0, 0): raise OSError(errno.EPERM, 'prctl')",
    "a folder's lock": "fcntl.flock(os.open(here, os.O_RDONLY), fcntl.LOCK_EX)",
}


@pytest.mark.parametrize("builder", FILTERED)
@pytest.mark.parametrize("way", TIES)
async def test_a_program_keeps_its_ties_to_the_worker(way: str, builder: str, tmp_path: Path) -> None:
    """fault_94: without them it would outlive its run, or the worker, uncounted."""
    await is_refused(builder, TIES[way], tmp_path)


ENDLESS = {
    "mincore": "call(27, ctypes.c_void_p(0), ctypes.c_size_t(0), ctypes.c_void_p(0))",
    "move_pages": "call(279, 0, 0, 0, 0, 0, 0)",
    "migrate_pages": "call(256, 0, 0, 0, 0)",
}


@pytest.mark.parametrize("builder", FILTERED)
@pytest.mark.parametrize("name", ENDLESS)
async def test_no_call_goes_over_any_number_of_pages(name: str, builder: str, tmp_path: Path) -> None:
    """fault_94: a killed process returned from one after minutes, and this machine was blamed."""
    await is_refused(builder, ENDLESS[name], tmp_path)


HIDING = {
    "a name that is no text": "libc.prctl(15, b'\\xff\\xfe', 0, 0, 0)\nhold()",
    "no first thread": """
import threading
threading.Thread(target=hold).start()
libc.syscall(60, 0)
""",
}


@pytest.mark.parametrize("builder", ["strict-watcher", "landlock-watcher"])
@pytest.mark.parametrize("way", HIDING)
async def test_memory_is_seen_whatever_a_program_calls_itself(way: str, builder: str) -> None:
    """fault_94: without a control group, twice the allowed memory was not noticed."""
    script = """
import ctypes, time
libc = ctypes.CDLL(None, use_errno=True)
def hold():
    kept = bytearray(400 * 2**20)
    for at in range(0, len(kept), 4096):
        kept[at] = 1
    time.sleep(8)
"""
    end = await run_python(BUILDERS[builder](), script + HIDING[way])
    assert end.ending is Ending.OOM, end
