"""The limits that lease and inspection set for a Blender under a hostile scene's control."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.integration.test_renderer_hostile import FINISHED, FRAME, LIMITS, PICTURE, Victim, send

from veriframe.errors import Code, RenderFailed, ValidationFailed
from veriframe.model.rendering.frames import RenderTask


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    """Returns a new victim."""
    return Victim(tmp_path)


async def test_a_frame_of_another_size_is_refused_before_it_is_decoded(victim: Victim) -> None:
    """fault_86: inspected with 64×36 pixels; the render reports 16000×6000, whatever its file contains."""
    huge = {**FRAME, "width": 16_000, "height": 6_000}
    task = RenderTask(limits=LIMITS, size=(64, 36))
    script = f"{PICTURE}; {send(huge, FINISHED)}"
    with pytest.raises(RenderFailed, match=r"16000×6000 pixels, .* found 64×36") as failed:
        await victim.renderer(script).render(victim.scene, task, victim.out, victim.received.append)
    assert failed.value.code == Code.WRONG_SIZE


async def test_a_huge_picture_reported_as_small_is_not_decoded(victim: Victim) -> None:
    """fault_86: the file itself is 16000×6000, 22 s of decoding; its header is enough to refuse it."""
    rendering = await victim.render(f"{PICTURE}; {send(FRAME, FINISHED)}")
    Image.new("L", (16_000, 6_000)).save(victim.out / "frame_0001.png")
    huge = replace(rendering, frames=(replace(rendering.frames[0], width=16_000, height=6_000),))
    for claimed in (rendering, huge):
        task = RenderTask(limits=LIMITS, size=(64, 36), lease_seconds=20)
        started = time.monotonic()
        with pytest.raises(ValidationFailed) as failed:
            await victim.renderer("").validate(victim.scene, task, claimed, victim.out, victim.clean)
        assert failed.value.code == Code.WRONG_SIZE
        assert time.monotonic() - started < 5


async def test_decoding_ends_within_the_lease(victim: Victim) -> None:
    """fault_86: it ends with LEASE, which does not count against the scene's bytes."""
    size = (8_000, 8_000)
    rendering = await victim.render(f"{PICTURE}; {send(FRAME, FINISHED)}")
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0]), dtype=np.uint8)
    Image.fromarray(noise).save(victim.out / "frame_0001.png", compress_level=0)
    limits = replace(LIMITS, output_bytes=2**30, memory_bytes=4 * 2**30)
    task = RenderTask(limits=limits, size=size, lease_seconds=1)
    started = time.monotonic()
    with pytest.raises(ValidationFailed, match="the lease left no more time") as failed:
        await victim.renderer("").validate(victim.scene, task, rendering, victim.out, victim.clean)
    assert failed.value.code == Code.LEASE
    assert time.monotonic() - started < 4


async def test_a_black_frame_is_rendered_again_within_the_lease(victim: Victim) -> None:
    """fault_86: neither its small second render nor the decoding of that may exceed it."""
    rendering = await victim.render(f"{PICTURE}; {send(FRAME, FINISHED)}")
    Image.new("L", (64, 36)).save(victim.out / "frame_0001.png")
    task = RenderTask(limits=LIMITS, size=(64, 36), lease_seconds=4)
    started = time.monotonic()
    with pytest.raises(RenderFailed, match="the lease left no more time") as failed:
        await victim.renderer("sleep 60").validate(victim.scene, task, rendering, victim.out, victim.clean)
    assert failed.value.code == Code.LEASE
    assert time.monotonic() - started < 8


async def test_a_small_frame_may_not_be_larger_than_the_scenes_own(victim: Victim) -> None:
    """fault_86: a frame that is black at full size, and huge in the second render."""
    rendering = await victim.render(f"{PICTURE}; {send(FRAME, FINISHED)}")
    Image.new("L", (64, 36)).save(victim.out / "frame_0001.png")
    task = RenderTask(limits=LIMITS, size=(64, 36))
    script = f"{PICTURE}; {send({**FRAME, 'width': 65}, FINISHED)}"
    with pytest.raises(RenderFailed) as failed:
        await victim.renderer(script).validate(victim.scene, task, rendering, victim.out, victim.clean)
    assert failed.value.code == Code.WRONG_SIZE


async def test_a_render_ended_by_the_lease_is_no_timeout(victim: Victim) -> None:
    """fault_86: the code is LEASE, and the sentence names the limit that would have applied."""
    task = RenderTask(limits=LIMITS, lease_seconds=1)
    with pytest.raises(
        RenderFailed, match=r"after 1 s: the lease left no more time. .* 16 s \(loading"
    ) as failed:
        await victim.renderer("sleep 60").render(victim.scene, task, victim.out, victim.received.append)
    assert failed.value.code == Code.LEASE
