"""Status messages of the sandbox's builders, in any number of pieces."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select

import pytest
from tests.waiting import until

from veriframe.adapters.blender.sandbox.pipes import Pipe, Status


async def test_a_process_id_is_read_as_soon_as_it_is_complete() -> None:
    """Bubblewrap writes a document in several pieces."""
    with contextlib.closing(Pipe()) as pipe:
        status = Status(pipe.read)
        asking = asyncio.create_task(status.child_pid())
        for piece in (b'{"child-', b'pid": 12', b', "other": 1}\n {"chi'):
            await until(lambda: not select.select([pipe.read], [], [], 0)[0])
            assert not asking.done()
            os.write(pipe.write, piece)
        assert await asking == 12


async def test_the_outer_builders_messages_take_precedence() -> None:
    """It reports first, and its process id is valid on the host."""
    with contextlib.closing(Pipe()) as pipe:
        os.write(pipe.write, b'{"child-pid": 1}{"child-pid": 2}\n{"exit-code": 7}')
        status = Status(pipe.read)
        assert await status.child_pid() == 1
        assert status.messages == {"child-pid": 1, "exit-code": 7}
        assert status.read()


async def test_a_silent_builder_is_not_awaited() -> None:
    """It has failed, and the log says why."""
    with contextlib.closing(Pipe()) as pipe:
        pipe.close_write()
        with pytest.raises(EOFError):
            await asyncio.wait_for(Status(pipe.read).child_pid(), 5)


async def test_a_command_is_sent_as_fast_as_it_is_read() -> None:
    """More than a pipe holds."""
    content = bytes(range(256)) * 1024
    with contextlib.closing(Pipe()) as pipe:
        sending, received = asyncio.create_task(pipe.send(content)), b""
        while len(received) < len(content):
            await asyncio.sleep(0)
            received += os.read(pipe.read, 10_000)
        await sending
    assert received == content


async def test_no_one_who_reads_is_no_error() -> None:
    """Not even if it ends while the pipe is full: its end is noticed elsewhere."""
    with contextlib.closing(Pipe()) as pipe:
        sending = asyncio.create_task(pipe.send(bytes(2**20)))
        await until(lambda: not select.select([], [pipe.write], [], 0)[1])
        assert not sending.done()
        pipe.close_read()
        await asyncio.wait_for(sending, 5)
        await pipe.send(b"more")
