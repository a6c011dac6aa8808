"""System calls that a renderer does not need and that reach past the limits, or past Landlock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests import ordinary
from tests.integration.test_sandbox_output import own_temporary_folder, run_python
from tests.integration.test_sandbox_run import BUILDERS, Heard, reachable

from veriframe.adapters.blender.sandbox.cell import Ending

__all__ = ["own_temporary_folder"]

FILTERED = [name for name in BUILDERS if name != "none"]

_START = """
import ctypes, errno, fcntl, mmap, os, resource, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
out, here = sys.argv[1], os.path.join(os.environ["HOME"], "own")
os.mkdir(here)

def call(*arguments):
    if libc.syscall(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def pipe_with(data):
    read, write = os.pipe()
    os.write(write, data)
    return read, write
"""
_END = "\nos.write(int(os.environ['REPORT_FD']), b'got it\\n')"


async def is_refused(builder: str, script: str, tmp_path: Path) -> None:
    """Run a script that ends by an `OSError` where it is held. `run_python` says what it sees."""
    heard = Heard()
    # That all before the attack works.
    end = await run_python(BUILDERS[builder](), _START + _END, heard=heard)
    assert (end.ending, heard.reports) == (Ending.EXITED, [b"got it"]), end.log_tail
    heard = Heard()
    out = reachable(tmp_path)
    end = await run_python(BUILDERS[builder](), _START + script + _END, out=out, heard=heard)
    assert heard.reports == []
    assert (end.ending, end.code) == (Ending.EXITED, 1)
    assert any("Error: [Errno" in line for line in end.log_tail), end.log_tail


_LIST = """
nobody = 2**32 - 1
entries = [(1, 7, nobody), *[(2, 7, os.getuid())] * 8, (4, 5, nobody), (16, 7, nobody), (32, 5, nobody)]
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
name = "system.posix_acl_default"
"""
ACCESS_LISTS = {
    "setxattr": "os.setxattr(here, name, acl)",
    "lsetxattr": "os.setxattr(here, name, acl, follow_symlinks=False)",
    "fsetxattr": "os.setxattr(os.open(here, os.O_RDONLY), name, acl)",
    "setxattrat": """
data = ctypes.create_string_buffer(acl, len(acl))
given = ctypes.create_string_buffer(struct.pack("=QII", ctypes.addressof(data), len(acl), 0))
call(463, -100, here.encode(), 0, name.encode(), given, ctypes.c_size_t(16))""",
}


@pytest.mark.parametrize("builder", FILTERED)
@pytest.mark.parametrize("way", ACCESS_LISTS)
async def test_no_access_list_is_attached(way: str, builder: str, tmp_path: Path) -> None:
    """fault_94: each new file got a copy of 128 KiB that no control group counts, 2 GiB in all."""
    await is_refused(builder, _LIST + ACCESS_LISTS[way], tmp_path)


_AS_USER = """
import asyncio, sys, tempfile
from pathlib import Path
from tests.integration import test_sandbox_calls as attacks
from veriframe import disk

folder = Path(tempfile.mkdtemp())
tempfile.tempdir = tempfile.mkdtemp(dir=folder)
table, way, builder = sys.argv[1:]
scripts = getattr(attacks, table)
try:
    asyncio.run(attacks.is_refused(builder, getattr(attacks, "_LIST") + scripts[way], folder))
finally:
    assert disk.remove(folder)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the others run as this user already")
@pytest.mark.parametrize("builder", ["strict", "landlock"])
@pytest.mark.parametrize("way", ACCESS_LISTS)
def test_no_access_list_is_attached_as_an_ordinary_user(way: str, builder: str) -> None:
    """fault_94: with bubblewrap's own user namespace."""
    ordinary.run(_AS_USER, "ACCESS_LISTS", way, builder)
