"""Pauses of a render, with a shell in place of Blender in a real sandbox."""

from __future__ import annotations

import asyncio
import math
import os
from pathlib import Path

import pytest
from tests.integration.sandbox_runs import open_folder, own_temporary_folder, processes_with
from tests.integration.test_renderer_hostile import FRAME, INSPECT, PICTURE, Victim, send
from tests.waiting import until

from veriframe.adapters.blender.session import BlenderSession
from veriframe.model.rendering.frames import Frame, RenderTask
from veriframe.ports.renderer import RenderSession

__all__ = ["open_folder", "own_temporary_folder"]


def state(pid: int) -> str:
    """A process's state, as the kernel shows it: R at work, S waiting, T stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def frames_of(session: RenderSession, victim: Victim) -> list[Frame]:
    """Renders frame 1."""
    return [frame async for frame in session.frames(RenderTask(), victim.out)]


@pytest.mark.parametrize("how", ["plain", "detached"])
async def test_a_paused_render_is_stopped_and_goes_on(tmp_path: Path, how: str) -> None:
    """fault_190, fault_192: every process of it, also one that has left; no limit of time runs meanwhile."""
    victim, mark = Victim(tmp_path), f"busy-{os.getpid()}-{how}"
    # It works until it is continued; its child starts once it would notice that.
    child = 'sh -c "while :; do :; done" "child-$0" &'
    busy = f"sh -c 'trap go=1 CONT; {child} while [ -z \"$go\" ]; do :; done; kill $!; {PICTURE}' {mark}"
    work = busy if how == "plain" else f"setsid {busy} & wait"
    script = f"{INSPECT}; {work}; {send(FRAME)}; sleep 60"
    async with victim.renderer(script).open(victim.scene) as session:
        assert isinstance(session, BlenderSession)
        await session.inspect()
        rendering = asyncio.create_task(frames_of(session, victim))
        await until(lambda: processes_with(f"child-{mark}"))
        await session.pause()
        assert session._live.deadline == math.inf
        assert {state(pid) for pid in processes_with(mark)} == {"T"}
        assert not rendering.done()
        await session.resume()
        assert session._live.deadline < math.inf
        (frame,) = await rendering
    assert (victim.out / frame.file).read_text() == "picture\n"


async def test_a_paused_render_can_be_ended(tmp_path: Path) -> None:
    """fault_74: nothing of it is left."""
    victim, mark = Victim(tmp_path), f"endless-{os.getpid()}"
    script = f"{INSPECT}; sh -c 'while :; do :; done' {mark}"
    async with victim.renderer(script).open(victim.scene) as session:
        await session.inspect()
        rendering = asyncio.create_task(frames_of(session, victim))
        await until(lambda: processes_with(mark))
        await session.pause()
        rendering.cancel()
        await asyncio.gather(rendering, return_exceptions=True)
    assert processes_with(mark) == []
