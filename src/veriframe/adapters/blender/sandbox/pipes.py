"""Pipes to the program inside the sandbox, and the status messages of the commands that build it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable


class Pipe:
    """Both ends of a pipe. The child's end is closed here once the child has it."""

    def __init__(self, *, outlives_reader: bool = False) -> None:
        """`outlives_reader`: writing to it never fails, even after the worker's death."""
        self.read, self.write = os.pipe()
        if outlives_reader:
            # An end that is also readable counts as a reader itself.
            only_writes, self.write = self.write, os.open(f"/proc/self/fd/{self.write}", os.O_RDWR)
            os.close(only_writes)
        self._open = {self.read, self.write}

    def close_write(self) -> None:
        """Closes the write end. A second call does nothing: the number may belong to another file by then."""
        self._close(self.write)

    def close_read(self) -> None:
        """Closes the read end, likewise, of a pipe that the child reads."""
        self._close(self.read)

    async def send(self, content: bytes) -> None:
        """Writes as fast as the child reads. Returns if no one reads any more."""
        os.set_blocking(self.write, False)
        left, loop = memoryview(content), asyncio.get_running_loop()
        with contextlib.suppress(BrokenPipeError):
            while left:
                try:
                    left = left[os.write(self.write, left) :]
                except BlockingIOError:
                    writable = asyncio.Event()
                    loop.add_writer(self.write, writable.set)
                    try:
                        await writable.wait()
                    finally:
                        loop.remove_writer(self.write)

    def close(self) -> None:
        """Closes both ends."""
        self._close(self.read)
        self._close(self.write)

    def _close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.remove(descriptor)
            os.close(descriptor)


class Gate:
    """Holds the program back until the worker starts it. If the worker dies, the program never starts.

    The process that waits inside reports that it is ready and reads the start signal from the gate, which
    is its standard input. The program itself gets another standard input.
    """

    WAITING = """
[ -x "$1" ] || { echo "$1: cannot be run" >&2; exit 125; }
echo >&0 && read -r word || exit 125
exec "$@" < /dev/null
"""
    """The shell script that waits inside and then executes the program."""

    def __init__(self) -> None:
        self._ours, self._inside = socket.socketpair()
        self._ours.setblocking(False)
        self.is_open = False

    @property
    def inside(self) -> int:
        """The descriptor of the inner end."""
        return self._inside.fileno()

    def close_inside(self) -> None:
        """Closes the inner end, once a child has it."""
        self._inside.close()

    async def open(self, prepare: Callable[[], Awaitable[None]]) -> None:
        """Waits until the sandbox is complete, calls `prepare`, and starts the program. Raises `EOFError`."""
        if not await asyncio.get_running_loop().sock_recv(self._ours, 1):
            raise EOFError("nothing waits inside")
        await prepare()
        self._ours.send(b"\n")
        self.is_open = True

    def close(self) -> None:
        """Closes both ends."""
        self._ours.close()
        self._inside.close()


class Status:
    """The status messages of the builders, JSON documents one after another, from a pipe's read end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._rest = descriptor, b""
        self.messages: dict[str, object] = {}
        os.set_blocking(descriptor, False)

    async def child_pid(self) -> int:
        """Waits for the process id of the first process inside. Raises `EOFError`."""
        readable, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self._descriptor, readable.set)
        try:
            while not isinstance(pid := self.messages.get("child-pid"), int):
                await readable.wait()
                readable.clear()
                if not self.read():
                    raise EOFError("the sandbox's builder reported no process id")
            return pid
        finally:
            loop.remove_reader(self._descriptor)

    def read(self) -> bool:
        """Reads what has arrived. Returns False if the pipe is closed."""
        try:
            chunk = os.read(self._descriptor, 65_536)
        except BlockingIOError:
            return True
        self._rest = (self._rest + chunk).lstrip()
        with contextlib.suppress(ValueError):
            while self._rest:
                message, end = json.JSONDecoder().raw_decode(self._rest.decode())
                self._rest = self._rest[end:].lstrip()
                # The outer of two nested builders reports first, and its `child-pid` is valid on the host.
                self.messages = {**message, **self.messages}
        return bool(chunk)

    def exit_code(self, returncode: int) -> tuple[int, bool]:
        """Returns the program's own exit code, and whether the sandbox was built.

        `returncode` is that of the builder.
        """
        exit_code = self.messages.get("exit-code")
        if isinstance(exit_code, int):
            return exit_code, True
        # bubblewrap reports the exit code of every program, and the program cannot reach bubblewrap: without
        # the report, bubblewrap itself has crashed, before or after the program's start.
        return returncode, "started" in self.messages and "failed" not in self.messages
