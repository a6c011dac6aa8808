"""Pipes to what runs inside, and what the builders of the walls say on theirs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os


class Pipe:
    """Both ends of a pipe. The write end is for the child, and closed here once the child has it."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
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
