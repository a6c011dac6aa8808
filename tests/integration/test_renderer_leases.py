"""The limits that lease and inspection set for a Blender under a hostile scene's control."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.integration.test_renderer_hostile import FRAME, PICTURE, Victim, send

from veriframe.errors import Code, RenderFailed, ValidationFailed
from veriframe.model.rendering.frames import Region, RenderTask

TASK = RenderTask(size=(64, 36))


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    """Returns a new victim."""
    return Victim(tmp_path)


@pytest.mark.parametrize(
    ("task", "size"),
    [
        (TASK, (16_000, 6_000)),
        (TASK, (64, 35)),
        (replace(TASK, percent=25), (65, 36)),
        (replace(TASK, region=Region(left=1, top=1, width=9, height=8)), (64, 36)),
        (replace(TASK, percent=25, region=Region(left=1, top=1, width=9, height=8)), (9, 9)),
    ],
)
async def test_a_frame_of_another_size_is_refused_before_it_is_read(
    victim: Victim, task: RenderTask, size: tuple[int, int]
) -> None:
    """fault_86: whatever its file contains. A frame that is scaled may have any size up to the full one."""
    report = {**FRAME, "width": size[0], "height": size[1]}
    with pytest.raises(RenderFailed, match=f"{size[0]}×{size[1]} pixels, but") as failed:
        await victim.render(f"{PICTURE}; {send(report)}; sleep 60", task)
    assert failed.value.code == Code.WRONG_SIZE
    assert list(victim.out.iterdir()) == []


async def test_a_huge_picture_reported_as_small_is_not_decoded(victim: Victim) -> None:
    """fault_86: the file itself is 16000×6000, 22 s of decoding; its header is enough to refuse it."""
    frames = await victim.render(f"{PICTURE}; {send(FRAME)}")
    Image.new("L", (16_000, 6_000)).save(victim.out / "frame_0001.png")
    huge = [replace(frames[0], width=16_000, height=6_000)]
    for claimed in (frames, huge):
        with pytest.raises(ValidationFailed) as failed:
            await victim.validate(TASK, claimed, lease_seconds=5)
        assert failed.value.code == Code.WRONG_SIZE


async def test_decoding_ends_within_the_lease(victim: Victim) -> None:
    """fault_86: it ends with LEASE, which does not count against the scene's bytes."""
    size = (8_000, 8_000)
    frames = await victim.render(f"{PICTURE}; {send(FRAME)}")
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0]), dtype=np.uint8)
    Image.fromarray(noise).save(victim.out / "frame_0001.png", compress_level=0)
    limits = {"output_bytes": 2**30, "memory_bytes": 4 * 2**30}
    with pytest.raises(ValidationFailed, match="the lease left no more time") as failed:
        await victim.validate(RenderTask(size=size), frames, lease_seconds=1, **limits)
    assert failed.value.code == Code.LEASE


async def test_a_render_ended_by_the_lease_is_no_timeout(victim: Victim) -> None:
    """fault_86: the code is LEASE, and the sentence names the limit that would have applied."""
    with pytest.raises(
        RenderFailed, match=r"after 1s: the lease left no more time. .* 30s \(frame_seconds\)"
    ) as failed:
        await victim.render("sleep 60", lease_seconds=1, frame_seconds=30)
    assert failed.value.code == Code.LEASE


async def test_loading_ended_by_the_lease_is_no_timeout(victim: Victim) -> None:
    """fault_86: if a restarted worker renders without an inspection."""
    async with victim.renderer("sleep 60").open(victim.scene) as session:
        with pytest.raises(
            RenderFailed, match=r"lease left no more time. .* 15s \(loading_seconds\)"
        ) as failed:
            async for _ in session.frames(TASK, victim.out, lease_seconds=1):
                pass
    assert failed.value.code == Code.LEASE
