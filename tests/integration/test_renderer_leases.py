"""What the lease and the inspection allow a Blender that a scene has taken over, behind real walls."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.integration.test_renderer_hostile import FINISHED, FRAME, LIMITS, PICTURE, Victim, say

from veriframe.errors import Code, RenderFailed, VerificationFailed
from veriframe.model.rendering.frames import RenderTask


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    """A new one."""
    return Victim(tmp_path)


async def test_a_frame_of_another_size_is_refused_before_it_is_decoded(victim: Victim) -> None:
    """fault_86: inspected with 64×36 pixels; the render reports 16000×6000, whatever its file holds."""
    huge = {**FRAME, "width": 16_000, "height": 6_000}
    task = RenderTask(limits=LIMITS, size=(64, 36))
    script = f"{PICTURE}; {say(huge, FINISHED)}"
    with pytest.raises(RenderFailed, match=r"16000×6000 pixels, .* found 64×36") as failed:
        await victim.renderer(script).render(victim.scene, task, victim.out, victim.received.append)
    assert failed.value.code == Code.WRONG_SIZE


async def test_a_huge_picture_under_a_small_frames_report_is_not_unpacked(victim: Victim) -> None:
    """fault_86: the file itself is 16000×6000, 22 s of decoding; its header is enough."""
    rendering = await victim.render(f"{PICTURE}; {say(FRAME, FINISHED)}")
    Image.new("L", (16_000, 6_000)).save(victim.out / "frame_0001.png")
    huge = replace(rendering, frames=(replace(rendering.frames[0], width=16_000, height=6_000),))
    for claimed in (rendering, huge):
        task = RenderTask(limits=LIMITS, size=(64, 36), lease_seconds=20)
        started = time.monotonic()
        with pytest.raises(VerificationFailed) as failed:
            await victim.renderer("").validate(victim.scene, task, claimed, victim.out, victim.clean)
        assert failed.value.code == Code.WRONG_SIZE
        assert time.monotonic() - started < 5


async def test_decoding_ends_within_the_lease(victim: Victim) -> None:
    """fault_86: cut as LEASE, which is not held against the scene's bytes."""
    size = (8_000, 8_000)
    rendering = await victim.render(f"{PICTURE}; {say(FRAME, FINISHED)}")
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0]), dtype=np.uint8)
    Image.fromarray(noise).save(victim.out / "frame_0001.png", compress_level=0)
    limits = replace(LIMITS, output_bytes=2**30, memory_bytes=4 * 2**30)
    task = RenderTask(limits=limits, size=size, lease_seconds=1)
    started = time.monotonic()
    with pytest.raises(VerificationFailed, match="the lease left no more") as failed:
        await victim.renderer("").validate(victim.scene, task, rendering, victim.out, victim.clean)
    assert failed.value.code == Code.LEASE
    assert time.monotonic() - started < 4


async def test_a_black_frame_has_no_more_than_the_lease(victim: Victim) -> None:
    """fault_86: neither its small second render nor that one's decoding."""
    rendering = await victim.render(f"{PICTURE}; {say(FRAME, FINISHED)}")
    Image.new("L", (64, 36)).save(victim.out / "frame_0001.png")
    task = RenderTask(limits=LIMITS, size=(64, 36), lease_seconds=4)
    started = time.monotonic()
    with pytest.raises(RenderFailed, match="the lease left no more") as failed:
        await victim.renderer("sleep 60").validate(victim.scene, task, rendering, victim.out, victim.clean)
    assert failed.value.code == Code.LEASE
    assert time.monotonic() - started < 8


async def test_a_small_frame_may_not_be_larger_than_the_scenes_own(victim: Victim) -> None:
    """fault_86: black at full size, and then huge."""
    rendering = await victim.render(f"{PICTURE}; {say(FRAME, FINISHED)}")
    Image.new("L", (64, 36)).save(victim.out / "frame_0001.png")
    task = RenderTask(limits=LIMITS, size=(64, 36))
    script = f"{PICTURE}; {say({**FRAME, 'width': 65}, FINISHED)}"
    with pytest.raises(RenderFailed) as failed:
        await victim.renderer(script).validate(victim.scene, task, rendering, victim.out, victim.clean)
    assert failed.value.code == Code.WRONG_SIZE


async def test_what_the_lease_cuts_is_no_time_out(victim: Victim) -> None:
    """fault_86: its code, and the sentence with the limit that would have held."""
    task = RenderTask(limits=LIMITS, lease_seconds=1)
    with pytest.raises(RenderFailed, match=r"after 1 s: the lease left no more. .* 16 s \(loading") as failed:
        await victim.renderer("sleep 60").render(victim.scene, task, victim.out, victim.received.append)
    assert failed.value.code == Code.LEASE
