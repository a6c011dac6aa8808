"""Pipes to what runs inside, and what the builders of the walls say on theirs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable


class Pipe:
    """Both ends of a pipe. The write end is for the child, and closed here once the child has it."""

    def __init__(self, *, outlives_reader: bool = False) -> None:
        """`outlives_reader`: writing to it never fails, also when we are dead."""
        self.read, self.write = os.pipe()
        if outlives_reader:
            # An end that can read, too, counts as a reader itself.
            only_writes, self.write = self.write, os.open(f"/proc/self/fd/{self.write}", os.O_RDWR)
            os.close(only_writes)
        self._open = {self.read, self.write}

    def close_write(self) -> None:
        """Let go of the write end. Twice does nothing: the number may belong to another file by now."""
        self._close(self.write)

    def close(self) -> None:
        """Let go of both ends."""
        self._close(self.read)
        self._close(self.write)

    def _close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.remove(descriptor)
            os.close(descriptor)


class Gate:
    """What waits inside says that it is there, and starts by our word alone: our death opens nothing.

    Inside, it is the standard input of everything up to the program, which gets another one.
    """

    WAITING = """
[ -x "$1" ] || { echo "$1: cannot be run" >&2; exit 125; }
echo >&0 && read -r word || exit 125
exec "$@" < /dev/null
"""
    """A shell's script for the innermost wall, before the program takes its place."""

    def __init__(self) -> None:
        self._ours, self._inside = socket.socketpair()
        self._ours.setblocking(False)
        self.is_open = False

    @property
    def inside(self) -> int:
        """The descriptor of the end that waits."""
        return self._inside.fileno()

    def close_inside(self) -> None:
        """Let go of the end that waits, once a child has it."""
        self._inside.close()

    async def open(self, prepare: Callable[[], Awaitable[None]]) -> None:
        """Wait until the innermost wall stands, prepare, and let the program start. Raises `EOFError`."""
        if not await asyncio.get_running_loop().sock_recv(self._ours, 1):
            raise EOFError("nothing waits inside")
        await prepare()
        self._ours.send(b"\n")
        self.is_open = True

    def close(self) -> None:
        """Let go of both ends."""
        self._ours.close()
        self._inside.close()


class Status:
    """What the walls' builders say, as JSON documents one after another, on a pipe's read end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._rest = descriptor, b""
        self.said: dict[str, object] = {}
        os.set_blocking(descriptor, False)

    async def child_pid(self) -> int:
        """The process id of the first process inside, as soon as it is said. Raises `EOFError`."""
        heard, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self._descriptor, heard.set)
        try:
            while not isinstance(pid := self.said.get("child-pid"), int):
                await heard.wait()
                heard.clear()
                if not self.read():
                    raise EOFError("the walls' builder said no process id")
            return pid
        finally:
            loop.remove_reader(self._descriptor)

    def read(self) -> bool:
        """Take what has been said meanwhile. False where nothing more will come."""
        try:
            chunk = os.read(self._descriptor, 65_536)
        except BlockingIOError:
            return True
        self._rest = (self._rest + chunk).lstrip()
        with contextlib.suppress(ValueError):
            while self._rest:
                message, end = json.JSONDecoder().raw_decode(self._rest.decode())
                self._rest = self._rest[end:].lstrip()
                # The outer of two nested builders speaks first, and its `child-pid` is the one known here.
                self.said = {**message, **self.said}
        return bool(chunk)
