"""The one asset that is open, and who waits for another one."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.waiting import turns, until

from veriframe.model.rendering.scene import SceneLimits
from veriframe.retry import end
from veriframe.verifier.scenes import Scenes


async def test_nobody_who_comes_later_keeps_another_asset_waiting(tmp_path: Path) -> None:
    """fault_363: users of one asset came one after the other, and those of another never had their turn."""
    scenes = Scenes(
        store=None,  # type: ignore[arg-type]
        renderer=None,  # type: ignore[arg-type]
        limits=SceneLimits(),
        memory_bytes=0,
        folder=tmp_path,
    )
    entered, gates = list[str](), dict[str, asyncio.Event]()

    async def use(name: str) -> None:
        async with scenes.kept(f"asset {name[0]}"):
            entered.append(name)
            await gates.setdefault(name, asyncio.Event()).wait()

    tasks = list[asyncio.Task[None]]()
    for name in ("a1", "a2", "b1", "a3", "b2"):
        tasks.append(asyncio.create_task(use(name)))
        await turns()
    assert entered == ["a1", "a2"]
    for name in ("a1", "a2"):
        gates[name].set()
    await until(lambda: "b1" in entered)
    gates["b1"].set()
    await until(lambda: "a3" in entered)
    assert entered == ["a1", "a2", "b1", "a3"]
    await end(tasks)
