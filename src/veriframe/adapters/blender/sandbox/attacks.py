"""What a hostile scene would try, run inside the walls by the self-test. Standard library only.

Every attack is real but harmless: it goes for bait that the self-test has laid out, never for the host's
own files or processes. An attack returns a sentence about what it reached, or raises `OSError` where it
was held. One JSON line per attack goes to the report pipe.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import platform
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

Bait = Mapping[str, str]

BAIT_FILE = "bait.json"
"""In the shown folder: what there is to attack."""

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWUSER = 0x10000000
_MS_REMOUNT_BIND = 32 | 4096
_NUMBERS = {
    "x86_64": {"keyctl": 250, "perf_event_open": 298, "bpf": 321, "userfaultfd": 323, "io_uring_setup": 425},
    "aarch64": {"keyctl": 219, "perf_event_open": 241, "bpf": 280, "userfaultfd": 282, "io_uring_setup": 425},
}
_PTRACE_TRACEME = 0
_PR_GET_NO_NEW_PRIVS = 39
_CAPABILITIES_V3 = 0x20080522


def read_secret(bait: Bait) -> str:
    """Read a file outside, by its path and by the roots of other processes."""
    for path in _ways(bait, bait["secret_file"]):
        with contextlib.suppress(OSError):
            if bait["secret"] in Path(path).read_text():
                return f"read {path}"
    raise PermissionError("the file cannot be reached")


def read_accounts(bait: Bait) -> str:
    """Read the host's accounts, as "Import Text" nodes have painted them into pictures."""
    for name in ("/etc/passwd", "/etc/shadow"):
        for path in _ways(bait, name):
            with contextlib.suppress(OSError):
                if ":" in Path(path).read_text():
                    return f"read {path}"
    raise PermissionError("no list of accounts can be reached")


def _ways(bait: Bait, path: str) -> tuple[str, ...]:
    # "self/root" of another process and open working folders are the classic ways round a chroot.
    pids = ("1", bait["decoy_pid"], str(os.getppid()))
    roots = (f"/proc/{pid}/{name}" for pid in pids for name in ("root", "cwd/../../../../../.."))
    return (path, *(root + path for root in roots), f"/out/../..{path}", f"/job/../../..{path}")


def write_outside(bait: Bait) -> str:
    """Make a file in a folder outside that anybody may write."""
    path = Path(bait["open_folder"], "written-from-inside")
    path.write_text("x")
    return f"wrote {path}"


def write_shown(bait: Bait) -> str:
    """Write where only reading was granted, after trying to mount it anew as writable."""
    folder = Path(bait["shown_folder"])
    _libc.mount(None, bytes(folder), None, _MS_REMOUNT_BIND, None)
    Path(folder, "written-from-inside").write_text("x")
    return f"wrote into {folder}"


def read_environment(bait: Bait) -> str:
    """Read the environment of any other process, where keys and passwords tend to be."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if bait["secret"].encode() in (folder / "environ").read_bytes():
                    return f"read {folder}/environ"
    raise PermissionError("no environment holds the secret")


def see_processes(bait: Bait) -> str:
    """Read another process's command line."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if bait["decoy_mark"].encode() in (folder / "cmdline").read_bytes():
                    return f"saw process {folder.name}"
    raise PermissionError("no process outside can be seen")


def signal_outside(bait: Bait) -> str:
    """End a process outside."""
    pid = int(bait["decoy_pid"])
    if pid in {os.getpid(), os.getppid(), 1}:
        raise ProcessLookupError("that number is one of our own")
    os.kill(pid, signal.SIGTERM)
    return f"sent a signal to process {pid}"


def connect_network(bait: Bait) -> str:
    """Reach a listener on the host's loopback, by TCP and by UDP."""
    address = ("127.0.0.1", int(bait["tcp_port"]))
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(bait["secret"].encode(), ("127.0.0.1", int(bait["udp_port"])))
    with socket.create_connection(address, timeout=2):
        return f"connected to {address[0]}:{address[1]}"


def connect_unix(bait: Bait) -> str:
    """Reach a local service by a socket file, and by an abstract name that no file system guards."""
    for name in (bait["unix_path"], "\0" + bait["unix_name"]):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            client.connect(name)
            return f"connected to {name.replace(chr(0), '@')}"
    raise PermissionError("no local service can be reached")


def leave_process(bait: Bait) -> str:
    """Leave a process behind that belongs to no session of ours."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.closerange(0, 256)
            time.sleep(float(bait["linger_seconds"]))
        os._exit(0)
    raise ChildProcessError("seen from outside only")


def make_namespace(_: Bait) -> str:
    """Make a user namespace, the first step of most escapes through the kernel."""
    child = os.fork()
    if child == 0:
        os._exit(ctypes.get_errno() if _libc.unshare(_CLONE_NEWUSER) else 0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        return "made a user namespace"
    raise OSError(code, os.strerror(code))


def call_kernel(_: Bait) -> str:
    """Call what a renderer never needs and what has had many faults: keys, BPF, io_uring, ptrace."""
    numbers = _NUMBERS.get(platform.machine(), {})
    reached = [name for name, number in numbers.items() if not _refused(_libc.syscall, number)]
    child = os.fork()
    if child == 0:
        os._exit(int(_refused(_libc.ptrace, _PTRACE_TRACEME)))
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        reached.append("ptrace")
    if reached:
        return f"the kernel answered {', '.join(reached)}"
    raise PermissionError("all were refused")


def _refused(call: Callable[..., int], first: int) -> bool:
    return call(first, 0, 0, 0, 0, 0) == -1 and ctypes.get_errno() in {errno.EPERM, errno.ENOSYS}


def keep_privileges(_: Bait) -> str:
    """Hold a capability, or be able to gain one by a set-uid program."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    sets = (ctypes.c_uint32 * 6)()
    if _libc.capget(header, sets) == 0 and any(sets):
        return "holds capabilities"
    if _libc.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1:
        return "may gain privileges by a set-uid program"
    raise PermissionError("no capabilities, and no way to any")


def inherit_files(_: Bait) -> str:
    """Find a file that the worker had open."""
    mine = {0, 1, 2, int(os.environ["REPORT_FD"])}
    for descriptor in set(range(3, 1024)) - mine:
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_GETFD)
            return f"file descriptor {descriptor} is open"
    raise PermissionError("nothing else is open")


def take_memory(bait: Bait) -> str:
    """Take memory far beyond the limit."""
    held = [b"x" * 2**24 for _ in range(int(bait["memory_bytes"]) // 2**24)]
    time.sleep(3)  # long enough for a watcher that looks several times a second
    return f"took {len(held) * 16} MiB"


def fork_much(bait: Bait) -> str:
    """Start more processes than allowed."""
    for number in range(int(bait["processes"])):
        try:
            if os.fork() == 0:
                time.sleep(4)
                os._exit(0)
        except OSError as refusal:
            _say("fork_much", str(refusal), held=True)
            sys.exit(f"only {number} processes")
    time.sleep(3)
    return f"started {bait['processes']} processes"


def fill_output(bait: Bait) -> str:
    """Write more than allowed, in many files so that no limit on one file meets it."""
    for number in range(int(bait["output_bytes"]) // 2**20):
        Path(bait["out"], str(number)).write_bytes(b"\1" * 2**20)
    time.sleep(2)
    return f"wrote {bait['output_bytes']} bytes"


def run_for_ever(_: Bait) -> str:
    """Never end, and do not listen to polite requests."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(20)
    return "ran for 20 seconds"


ATTACKS: tuple[Callable[[Bait], str], ...] = (
    inherit_files,  # first, since other attacks may open some
    read_secret,
    read_accounts,
    write_outside,
    write_shown,
    read_environment,
    see_processes,
    signal_outside,
    connect_network,
    connect_unix,
    make_namespace,
    call_kernel,
    keep_privileges,
    leave_process,
)
"""The quick ones, in the order in which one process tries them."""

BOMBS: tuple[Callable[[Bait], str], ...] = (take_memory, fork_much, fill_output, run_for_ever)
"""Each needs a run of its own, because it ends the run."""


def _say(name: str, detail: str, *, held: bool) -> None:
    line = json.dumps({"name": name, "held": held, "detail": detail})
    os.write(int(os.environ["REPORT_FD"]), line.encode() + b"\n")


def main() -> None:
    """Try the named attacks, one after another. Arguments: shown folder, output folder, mark, names.

    The mark only stands in the command line, where the self-test finds what was left behind.
    """
    shown, out, _, *names = sys.argv[1:]
    bait = {**json.loads(Path(shown, BAIT_FILE).read_text()), "shown_folder": shown, "out": out}
    for attack in (attack for attack in (*ATTACKS, *BOMBS) if attack.__name__ in names):
        try:
            reached = attack(bait)
        except (OSError, MemoryError) as refusal:
            _say(attack.__name__, str(refusal) or type(refusal).__name__, held=True)
        else:
            _say(attack.__name__, reached, held=False)


if __name__ == "__main__":
    main()
