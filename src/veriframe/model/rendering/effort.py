"""How long a frame takes at the very least, from its pixels and samples: for a warning, and for a limit.

A scene decides how long a sample takes, and only a render tells. But no scene is faster than an empty one, so
a frame that exceeds its limit at that rate is hardly rendered in time.
"""

from __future__ import annotations

from dataclasses import replace

from veriframe.model.quantities import format_span
from veriframe.model.rendering.scene import SceneInspection, SceneVerdict

SAMPLES_PER_SECOND = 4_000_000
"""The samples of an empty scene that Cycles takes in a second on one processor.

Measured with Blender 4.5 and a grey world: 4.15 million for each second of processor time, at 64 and at 1024
samples a pixel. Blender's cube, which new files begin with, reaches 1.76 million.
"""


HOPELESS = 4
"""How many times its limit a frame must exceed at that rate to be refused: adaptive sampling spares a lot."""


def most_samples(frame_seconds: float, processors: int) -> int:
    """The most samples of a frame that a worker tries, with this limit on this number of processors."""
    return int(HOPELESS * SAMPLES_PER_SECOND * processors * frame_seconds)


def least_seconds(inspection: SceneInspection, processors: int) -> float:
    """The least time for one frame on this number of processors; 0 for engines that do not trace samples."""
    if inspection.engine != "CYCLES":
        return 0.0
    return _samples(inspection) / (SAMPLES_PER_SECOND * processors)


def with_effort(verdict: SceneVerdict, frame_seconds: float, processors: int) -> SceneVerdict:
    """The verdict, with a warning if a frame will hardly be rendered within `frame_seconds`."""
    seconds, scene = least_seconds(verdict.inspection, processors), verdict.inspection
    if seconds <= frame_seconds:
        return verdict
    warning = (
        f"Frame 1 takes {_samples(scene) / 1e9:.3g} billion samples ({scene.width} × {scene.height} pixels,"
        f" {scene.samples} samples each). Even an empty scene would need about {format_span(round(seconds))}"
        f" on {processors} processors, unless adaptive sampling ends it early, and a frame is ended after"
        f" {format_span(frame_seconds)} (frame_seconds). Lower the samples or the resolution."
    )
    return replace(verdict, warnings=(*verdict.warnings, warning))


def _samples(inspection: SceneInspection) -> int:
    return inspection.width * inspection.height * inspection.samples
