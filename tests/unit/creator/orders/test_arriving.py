"""Frames arrive a few at a time, and leave room on the disk."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.fakes.renderer import FakeRenderer
from tests.unit.creator.orders.studio import BUNDLE, Studio

from veriframe.creator.orders.arriving import BATCH
from veriframe.errors import HostUnavailable
from veriframe.model.rendering.frames import Frame, RenderTask, ValidatedFrame


class _Counting(FakeRenderer):
    """Notes how many files are there whenever frames are checked."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.seen: list[int] = []

    async def validate(
        self,
        task: RenderTask,
        frames: Sequence[Frame],
        out: Path,
        clean: Path,
        *,
        lease_seconds: float = math.inf,
    ) -> Sequence[ValidatedFrame]:
        """Counts those that are not under their names yet."""
        self.seen.append(sum(path.parent != self.folder for path in self.folder.rglob("frame_*.png")))
        return await super().validate(task, frames, out, clean, lease_seconds=lease_seconds)


async def test_a_large_chunk_is_checked_in_batches(studio: Studio) -> None:
    """fault_217: never more than eight frames lie on the disk unchecked."""
    number = (await studio.ordered(replace(BUNDLE, frames=tuple(range(1, 21)), chunk=20))).number
    await studio.deliver((await studio.status(number)).chunks[0])
    renderer = _Counting(studio.folder / "out")
    found = await studio.fetch(number, renderer=renderer)
    assert found.written == list(range(1, 21))
    assert renderer.seen == [BATCH, BATCH, 4]


async def test_a_disk_without_room_gets_no_frames(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_217: said with the place and the setting, before anything is fetched."""
    number = (await studio.ordered()).number
    await studio.deliver((await studio.status(number)).chunks[0])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(HostUnavailable, match="disk_free_bytes"):
        await studio.fetch(number)
    assert studio.frames() == []
