"""Attacks on other processes, and on services that listen. Standard library only."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

Decoys = Mapping[str, str]

_libc = ctypes.CDLL(None, use_errno=True)
_IN_OPEN = 0x20


def read_environment(decoys: Decoys) -> str:
    """Read the environment of any other process, which often holds keys and passwords."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if decoys["secret"].encode() in (folder / "environ").read_bytes():
                    return f"read {folder}/environ"
    raise PermissionError("no environment holds the secret")


def see_processes(decoys: Decoys) -> str:
    """Read another process's command line."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if decoys["decoy_mark"].encode() in (folder / "cmdline").read_bytes():
                    return f"saw process {folder.name}"
    raise PermissionError("no process outside can be seen")


def signal_outside(decoys: Decoys) -> str:
    """Kill a process outside."""
    pid = int(decoys["decoy_pid"])
    if pid in {os.getpid(), os.getppid(), 1}:
        raise ProcessLookupError("that number is one of our own")
    os.kill(pid, signal.SIGTERM)
    return f"sent a signal to process {pid}"


def limit_outside(_: Decoys) -> str:
    """Set limits, processors or priority of another process of the same user, such as the worker."""
    other = os.fork()
    if other == 0:
        time.sleep(20)
        os._exit(0)
    try:
        for name, change in (
            ("limits", lambda: resource.prlimit(other, resource.RLIMIT_NOFILE, (3, 3))),
            ("processors", lambda: os.sched_setaffinity(other, {0})),
            ("priority", lambda: os.setpriority(os.PRIO_PROCESS, other, 19)),
        ):
            with contextlib.suppress(OSError):
                change()
                return f"set another process's {name}"
    finally:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)
    raise PermissionError("all were refused")


def connect_network(decoys: Decoys) -> str:
    """Reach a listener on the host's loopback, by TCP and UDP."""
    address = ("127.0.0.1", int(decoys["tcp_port"]))
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(decoys["secret"].encode(), ("127.0.0.1", int(decoys["udp_port"])))
    with socket.create_connection(address, timeout=2):
        return f"connected to {address[0]}:{address[1]}"


def connect_unix(decoys: Decoys) -> str:
    """Reach a local service through a socket file, and through an abstract name outside any file system."""
    for name in (decoys["unix_path"], "\0" + decoys["unix_name"]):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            client.connect(name)
            return f"connected to {name.replace(chr(0), '@')}"
    raise PermissionError("no local service can be reached")


def leave_process(decoys: Decoys) -> str:
    """Leave a process behind in a session of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.closerange(0, 256)
            time.sleep(float(decoys["linger_seconds"]))
        os._exit(0)
    raise ChildProcessError("visible only from outside")


def inherit_files(_: Decoys) -> str:
    """Use a file that the worker had open."""
    mine = {0, 1, 2, int(os.environ["REPORT_FD"])}
    for descriptor in set(range(3, 1024)) - mine:
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_GETFD)
            return f"file descriptor {descriptor} is open"
    raise PermissionError("nothing else is open")


def watch_programs(_: Decoys) -> str:
    """Learn which programs the host starts, by a watch on their folder."""
    watch = _libc.inotify_init1(0)
    if watch >= 0 and _libc.inotify_add_watch(watch, b"/usr/bin", _IN_OPEN) >= 0:
        os.close(watch)
        return "watched /usr/bin"
    folder = os.open("/usr/bin", os.O_RDONLY)
    try:
        fcntl.fcntl(folder, fcntl.F_NOTIFY, fcntl.DN_ACCESS)
        fcntl.fcntl(folder, fcntl.F_NOTIFY, 0)
    finally:
        os.close(folder)
    return "watched /usr/bin in the old way"
