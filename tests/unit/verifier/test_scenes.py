"""The one asset that is open, and who waits for another one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.waiting import turns, until

from veriframe.model.rendering.scene import SceneLimits
from veriframe.retry import end
from veriframe.verifier import scenes as module
from veriframe.verifier.scenes import Scenes


@pytest.mark.parametrize("is_overdue", [True, False])
async def test_nobody_who_comes_later_keeps_another_asset_waiting_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_overdue: bool
) -> None:
    """fault_363: users of one asset came one after the other, and those of another never had their turn.

    For a while they go first: opening an asset again takes longer than they do.
    """
    if is_overdue:
        monkeypatch.setattr(module, "MOST_WAIT_SECONDS", 0.0)
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
    first = ["a1", "a2"] if is_overdue else ["a1", "a2", "a3"]
    assert entered == first
    for name in first:
        gates[name].set()
    await until(lambda: "b1" in entered)
    assert entered[: len(first) + 1] == [*first, "b1"]
    gates["b1"].set()
    await until(lambda: {"a3", "b2"} & {*entered[len(first) + 1 :]} or not is_overdue)
    await end(tasks)
    assert scenes._users == 0
    assert scenes._waiting == []
