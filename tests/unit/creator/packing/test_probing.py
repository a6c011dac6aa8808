"""Estimates: small renders tell what a frame takes, also if Blender prepares the scene for each change."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.renderer import FakeSession
from tests.unit.creator.packing.test_packing import Artist, artist  # noqa: F401 - a fixture

from veriframe.model.bundle.options import BundleOptions
from veriframe.model.rendering.frames import Frame, RenderTask

PREPARING, SATURATED = 1.5, 40


def frame_seconds(pixels: int, samples: int) -> float:
    """A second for each 40 000 samples, up to 40 of a pixel: adaptive sampling ends the rest."""
    return 0.2 + pixels * min(samples, SATURATED) / 40_000


class _Slow(FakeSession):
    """Prepares the scene before its first frame, and whenever the number of samples is another one."""

    samples: int | None = None

    async def frames(self, task: RenderTask, *arguments: Any, **named: Any) -> AsyncIterator[Frame]:
        preparing, self.samples = PREPARING * (task.samples != self.samples), task.samples
        async for frame in super().frames(task, *arguments, **named):
            seconds = frame_seconds(frame.width * frame.height, task.samples or 0)
            yield replace(frame, seconds=preparing + seconds)


@pytest.fixture
def slow(artist: Artist, monkeypatch: pytest.MonkeyPatch) -> Artist:  # noqa: F811
    """Has a Blender that takes its time."""
    monkeypatch.setattr(artist.renderer, "session", lambda scene: _Slow(artist.renderer, scene))
    return artist


async def test_three_frames_are_probed_for_the_estimate(slow: Artist) -> None:
    """In two sizes with few samples, in another one with all of them."""
    slow.show(width=1920, height=1080, samples=32)
    packed = await slow.packing.pack(slow.scene, slow.target, BundleOptions(frames=tuple(range(1, 251))))
    found = await slow.packing.estimate(packed, 10**18)
    tasks = slow.renderer.tasks
    assert [task.frames for task in tasks[::5]] == [(1,), (126,), (250,)]
    assert {task.samples for task in tasks} == {8, 32}
    assert found.frames == 250
    assert found.price_fri is not None
    right = frame_seconds(1920 * 1080, 32)
    assert found.frame_seconds == pytest.approx(right, rel=0.01)


async def test_what_a_change_of_samples_costs_is_no_part_of_a_frame(slow: Artist) -> None:
    """fault_265: a probe with all samples took a second more, multiplied by what the frame is larger."""
    slow.show(width=480, height=270, samples=16)
    packed = await slow.packing.pack(slow.scene, slow.target, BundleOptions(frames=(1,)))
    found = await slow.packing.estimate(packed)
    assert found.frame_seconds == pytest.approx(frame_seconds(480 * 270, 16) + PREPARING, rel=0.01)


async def test_all_samples_are_probed_at_fewer_pixels(slow: Artist) -> None:
    """fault_307: rather than a part of the samples, of which adaptive sampling takes no more at the end."""
    slow.show(width=640, height=360, samples=512)
    packed = await slow.packing.pack(slow.scene, slow.target, BundleOptions(frames=(1,)))
    found = await slow.packing.estimate(packed)
    assert 512 in {task.samples for task in slow.renderer.tasks}
    assert found.covers(frame_seconds(640 * 360, 512))


async def test_a_light_frame_is_probed_whole(slow: Artist) -> None:
    """Small pictures of it have other costs for each pixel."""
    slow.show(width=320, height=180, samples=12)
    packed = await slow.packing.pack(slow.scene, slow.target, BundleOptions(frames=(1,)))
    await slow.packing.estimate(packed)
    assert 100 in {task.percent for task in slow.renderer.tasks if task.samples == 12}
