"""System calls that a renderer does not need and that bypass the limits or Landlock."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from tests import ordinary
from tests.integration.sandbox_runs import (
    BUILDERS,
    PYTHON,
    RUNTIME,
    Received,
    own_temporary_folder,
    reachable,
    run_python,
    run_shell,
)

from veriframe.adapters.blender.runtimes import CONFINE, SCRIPTS
from veriframe.adapters.blender.sandbox.run import Ending

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
    """Runs a script that fails with an `OSError` if the call is denied."""
    received = Received()
    # Everything before the attack works.
    end = await run_python(BUILDERS[builder](), _START + _END, received=received)
    assert (end.ending, received.reports) == (Ending.EXITED, [b"got it"]), end.log_tail
    received = Received()
    out = reachable(tmp_path)
    end = await run_python(BUILDERS[builder](), _START + script + _END, out=out, received=received)
    assert received.reports == []
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
    """fault_94: each new file got a copy of 128 KiB that no control group counts, 2 GiB in total."""
    await is_refused(builder, _LIST + ACCESS_LISTS[way], tmp_path)


_FILE = """
path = os.path.join(here, "file")
file = os.open(path, os.O_RDWR | os.O_CREAT)
os.write(file, b"x" * 4096)
os.lseek(file, 0, os.SEEK_SET)
"""
PIPED = {
    "vmsplice": """
pages = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
call(NUMBER, os.pipe()[1], struct.pack("=QQ", address, 4096), ctypes.c_size_t(1), 0)""".replace(
        "NUMBER", "{'x86_64': 278, 'aarch64': 75}[os.uname().machine]"
    ),
    "splice": "os.splice(file, os.pipe()[1], 4096)",
    "sendfile": "os.sendfile(os.pipe()[1], file, 0, 4096)",
    "tee": """
read, write = pipe_with(b"x" * 4096)
call({'x86_64': 276, 'aarch64': 77}[os.uname().machine], read, os.pipe()[1], ctypes.c_size_t(4096), 0)""",
}
LOCKS = {
    "process's lock": "fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)",
    "waiting lock": "fcntl.lockf(file, fcntl.LOCK_EX, 1)",
    "file's lock": "fcntl.fcntl(file, 37, struct.pack('=hhxxxxqqixxxx', fcntl.F_WRLCK, 0, 0, 1, 0))",
    "file's waiting lock": "fcntl.fcntl(file, 38, struct.pack('=hhxxxxqqixxxx', fcntl.F_WRLCK, 0, 0, 1, 0))",
    "lease": "fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)",
}
CACHED = {
    "preadv2": """
library = os.open("/usr/bin/env", os.O_RDONLY)
os.read(library, 1)
os.preadv(library, [bytearray(1)], 0, os.RWF_NOWAIT)"""
}


@pytest.mark.parametrize("builder", FILTERED)
@pytest.mark.parametrize("way", PIPED)
async def test_no_page_is_put_into_a_pipe(way: str, builder: str, tmp_path: Path) -> None:
    """fault_94: 64 pipes held 2 GiB, and the watcher saw 9 MiB."""
    await is_refused(builder, _FILE + PIPED[way], tmp_path)


@pytest.mark.parametrize("builder", FILTERED)
@pytest.mark.parametrize("way", LOCKS)
async def test_no_lock_is_taken(way: str, builder: str, tmp_path: Path) -> None:
    """fault_94: 900 000 of them took 170 MiB that no control group counts."""
    await is_refused(builder, _FILE + LOCKS[way], tmp_path)


@pytest.mark.parametrize("builder", FILTERED)
@pytest.mark.parametrize("way", CACHED)
async def test_the_page_cache_cannot_be_probed(way: str, builder: str, tmp_path: Path) -> None:
    """fault_27: it would reveal which programs other users have started."""
    await is_refused(builder, CACHED[way], tmp_path)


@pytest.mark.parametrize("builder", FILTERED)
async def test_files_can_still_be_copied_and_read(builder: str, tmp_path: Path) -> None:
    """Libraries fall back to the calls that remain."""
    script = """
import os, shutil, sys
for name in ("first", "second"):
    open(os.path.join(os.environ["HOME"], name), "wb").write(b"x" * 2**20)
shutil.copyfile(os.path.join(os.environ["HOME"], "first"), os.path.join(sys.argv[1], "a"))
"""
    out = reachable(tmp_path)
    end = await run_python(BUILDERS[builder](), script, out=out)
    assert (end.ending, end.code, end.fault) == (Ending.EXITED, 0, None), end.log_tail
    assert (out / "a").read_bytes() == b"x" * 2**20


SET_IDS = {
    "chmod": "call({'x86_64': 90}.get(os.uname().machine, 452), path.encode(), 0o4755)",
    "fchmod": "os.fchmod(file, 0o2755)",
    "fchmodat": "os.chmod(os.path.basename(path), 0o4755, dir_fd=os.open(here, os.O_RDONLY))",
    "fchmodat2": "call(452, -100, path.encode(), 0o4755, 0)",
    "open": "os.open(path + '2', os.O_RDWR | os.O_CREAT, 0o4755)",
    "open without a name": "os.open(here, os.O_RDWR | os.O_TMPFILE, 0o2755)",
    "mknod": "os.mknod(path + '2', 0o4755 | 0o100000)",
    "mkdir": "os.mkdir(path + '2', 0o2755)",
    "openat2": "call(437, -100, path.encode(), struct.pack('=QQQ', os.O_RDONLY, 0, 0), ctypes.c_size_t(24))",
}
"""`openat2` is denied, so its mode needs no check."""
OTHERS = {
    "limits": "resource.prlimit(other, resource.RLIMIT_NOFILE, (3, 3))",
    "processors": "os.sched_setaffinity(other, {0})",
    "scheduler": "os.sched_setscheduler(other, os.SCHED_BATCH, os.sched_param(0))",
    "parameters": "os.sched_setparam(other, os.sched_param(0))",
    "priority": "os.setpriority(os.PRIO_PROCESS, other, 19)",
    "priority of a group": "os.setpriority(os.PRIO_PGRP, os.getpgrp(), 19)",
    "priority of a user": "os.setpriority(os.PRIO_USER, 0, 19)",
    "pages": "call({'x86_64': 279, 'aarch64': 239}[os.uname().machine], other, 0, None, None, None, 0)",
}
_CHILD = """
other = os.fork()
if other == 0:
    time.sleep(9)
    os._exit(0)
"""
CHANGES = {
    "chmod": "os.chmod(path, 0o600)",
    "fchmod": "os.fchmod(file, 0o600)",
    "fchmodat2": "call(452, -100, path.encode(), 0o600, 0)",
    "chown": "os.chown(path, -1, os.getgid())",
    "fchown": "os.fchown(file, -1, os.getgid())",
    "lchown": "os.lchown(path, -1, os.getgid())",
    "utimensat": "os.utime(path)",
    "futimens": "os.utime(file, (1, 1))",
    "flags": "fcntl.ioctl(file, 0x40086602, struct.pack('=l', 0x40))",
}
"""Changes that Landlock does not restrict."""


@pytest.mark.parametrize("builder", FILTERED)
@pytest.mark.parametrize("way", SET_IDS)
async def test_no_set_uid_file_is_made(way: str, builder: str, tmp_path: Path) -> None:
    """fault_26: below STRICT it was on the host's disk, and any user of the machine could run it as ours."""
    await is_refused(builder, _FILE + SET_IDS[way], tmp_path)


@pytest.mark.parametrize("builder", FILTERED)
@pytest.mark.parametrize("way", OTHERS)
async def test_no_other_process_is_changed(way: str, builder: str, tmp_path: Path) -> None:
    """fault_24: at LANDLOCK an ordinary user's worker got other limits, and a single processor."""
    await is_refused(builder, _CHILD + OTHERS[way], tmp_path)


@pytest.mark.parametrize("builder", [name for name in FILTERED if name.startswith("landlock")])
@pytest.mark.parametrize("way", CHANGES)
async def test_no_rights_and_times_are_changed(way: str, builder: str, tmp_path: Path) -> None:
    """fault_24: at LANDLOCK, a scene made the files of the worker's user accessible to every user."""
    await is_refused(builder, _FILE + CHANGES[way], tmp_path)


@pytest.mark.parametrize("builder", FILTERED)
async def test_a_program_may_still_change_itself(builder: str) -> None:
    """Its own limits, processors and priority, and at STRICT the permissions of its own files."""
    script = """
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
os.sched_setaffinity(0, os.sched_getaffinity(0))
os.setpriority(os.PRIO_PROCESS, 0, 5)
open(os.open(os.path.join(here, "new"), os.O_WRONLY | os.O_CREAT, 0o644), "w").close()
"""
    if builder.startswith("strict"):
        script += "os.chmod(here, 0o755)"
    received = Received()
    end = await run_python(BUILDERS[builder](), _START + script + _END, received=received)
    assert (end.ending, received.reports) == (Ending.EXITED, [b"got it"]), end.log_tail


@pytest.mark.parametrize("builder", [name for name in BUILDERS if name.startswith("strict")])
async def test_settings_of_the_kernel_cannot_be_read(builder: str) -> None:
    """fault_27: one of them identifies the boot, so that two runs could recognise each other."""
    received = Received()
    script = """
import os
import shlex
from pathlib import Path
said = int(os.environ["REPORT_FD"])
for name in ("kernel/random/boot_id", "kernel/osrelease", "vm/overcommit_memory"):
    try:
        os.write(said, Path("/proc/sys", name).read_bytes())
    except PermissionError:
        os.write(said, b"refused\\n")
"""
    argv = (PYTHON, "-I", "-S", CONFINE, "/tmp/script.py")
    write = f"cat > /tmp/script.py << 'END'\n{script}END\nexec {shlex.join(map(str, argv))}"
    visible = {CONFINE: SCRIPTS / CONFINE.name, **RUNTIME}
    await run_shell(BUILDERS[builder](), write, received=received, visible=visible)
    assert received.reports == [b"refused"] * 3


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
    """fault_94: with the user namespace of bubblewrap."""
    ordinary.run(_AS_USER, "ACCESS_LISTS", way, builder)
