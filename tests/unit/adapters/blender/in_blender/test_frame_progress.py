"""A frame's phase and progress, from statistics as Blender 4.5 gives them."""

from __future__ import annotations

import pytest

from veriframe.adapters.blender.in_blender.frame_progress import MOST, FrameProgress

START = "Fra:1 Mem:90.61M (Peak 439.12M) | Time:00:01.02 | "
MEMORY = "Mem:114.74M, Peak:274.71M | Scene, ViewLayer | "


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


def test_the_phases_of_a_frame(clock: Clock) -> None:
    """fault_157: once the time that was expected for the samples is over, they or denoising are under way."""
    frame, phases = FrameProgress(denoises=True, clock=clock), []
    for statistics, seconds in [
        (f"{START}{MEMORY}Updating Scene BVH | Building BVH", 1),
        (f"{START}{MEMORY}Sample 0/4", 1),
        (f"{START}Remaining:00:10.00 | {MEMORY}Sample 1/4", 9),
        ("", 2),
        ("Fra:1 Mem:246.11M (Peak 439.12M) | Time:01:26.95 | Compositing", 1),
    ]:
        frame.read(statistics)
        clock.now += seconds
        phases.append(frame.phase)
    frame.write()
    assert [*phases, frame.phase] == [
        "preparing",
        "rendering",
        "rendering",
        "sampling or denoising",
        "compositing",
        "writing",
    ]


def test_without_a_denoiser_a_late_frame_is_still_rendering(clock: Clock) -> None:
    """The engine only expected too little."""
    frame = FrameProgress(denoises=False, clock=clock)
    frame.read(f"{START}Remaining:00:10.00 | {MEMORY}Sample 1/4")
    clock.now += 60
    assert frame.phase == "rendering"


def test_a_late_frame_is_not_shown_as_all_but_done(clock: Clock) -> None:
    """fault_306: at twice the time that was expected, nobody knows how much is left; it goes on slower."""
    frame, shown = FrameProgress(denoises=True, clock=clock), []
    frame.read(f"{START}Remaining:01:40.00 | {MEMORY}Sample 1/32")
    for _ in range(6):
        clock.now += 50
        shown.append(frame.fraction() or 0.0)
    assert shown[0] == 0.5
    assert shown == sorted(set(shown))
    assert 0.9 < shown[1] < 0.92
    assert shown[-1] < 0.975


def test_the_share_never_falls(clock: Clock) -> None:
    """fault_156: though an engine expects more time than before, or counts its samples anew."""
    frame = FrameProgress(denoises=True, clock=clock)
    shown: list[float] = []
    assert frame.fraction() is None
    for statistics, seconds in [
        (f"{START}Remaining:00:10.00 | {MEMORY}Sample 1/4", 8),
        (f"{START}Remaining:01:30.00 | {MEMORY}Sample 2/4", 1),
        (f"{START}Remaining:1:00:00.00 | {MEMORY}Sample 0/4", 1),
        (f"{START}Remaining:00:01.00 | {MEMORY}Sample 3/4", 60),
    ]:
        frame.read(statistics)
        clock.now += seconds
        shown.append(frame.fraction() or 0.0)
    assert shown == sorted(shown)
    assert shown[0] == 0.8
    assert 0.95 < shown[-1] <= MOST
