"""What an order will take, from small renders of a few frames: time, chunk, lease and a suggested price.

A frame takes `fixed + by_pixel · pixels + by_sample · pixels · samples` seconds. Renders of one frame with
another size, and with other samples, tell the three apart. It holds for the samples of the densest
probe: with adaptive sampling, more take hardly longer once most pixels have enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from veriframe.model.bundle.job_file import MOST_CHUNK_FRAMES
from veriframe.model.registry.offer import LEASE_SECONDS

CHUNK_SECONDS = 600.0
"""The work that a chunk should hold: its loading hardly counts, and little is lost with it."""

CHUNKS_IN_LEASE = 10
"""A chunk takes at most this part of its lease: workers that its creator has not paid yet stop after a
quarter, and a machine may be half as fast."""

LEASE_STEP_SECONDS = 600
PRICE_STEP_FRI = 10**12
MODEL_ERROR = 0.35
"""How far a frame may be from the law above, as a share: caches, threads and other programs."""

JITTER_SECONDS = 0.15
"""How much two renders of a light frame differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A small render of one frame: its picture's pixels, the samples of each, and how long it took."""

    frame: int
    pixels: int
    samples: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCost:
    """What a frame takes: a fixed time, one by each pixel, and one by each sample of a pixel; in seconds."""

    fixed: float
    by_pixel: float
    by_sample: float

    def seconds(self, pixels: int, samples: int) -> float:
        """The time for the frame at this size."""
        return self.fixed + pixels * (self.by_pixel + samples * self.by_sample)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an order asks for: frames of this many pixels and samples, and the time to load its scene.

    `chunk` is the creator's own number of frames for each job, None for a suggestion.
    """

    frames: int
    pixels: int
    samples: int
    loading_seconds: float
    chunk: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What an order will take on the machine of the probes.

    `frame_seconds` and `error_seconds`: an average frame takes this long, more or less. `chunk` is the number
    of frames for each job, `price_fri` what all frames together are worth, None without a tariff.
    """

    frames: int
    frame_seconds: float
    error_seconds: float
    loading_seconds: float
    chunk: int
    lease_seconds: int
    price_fri: int | None

    @property
    def chunks(self) -> int:
        """How many jobs the order has."""
        return -(-self.frames // self.chunk)

    @property
    def chunk_seconds(self) -> float:
        """What a full chunk takes, with loading."""
        return self.loading_seconds + self.chunk * self.frame_seconds

    @property
    def total_seconds(self) -> float:
        """What all chunks take, one after the other."""
        return self.chunks * self.loading_seconds + self.frames * self.frame_seconds

    @property
    def frame_price_fri(self) -> int | None:
        """The suggested price of one frame, rounded up to what a person would write."""
        if self.price_fri is None:
            return None
        return -(-self.price_fri // (self.frames * PRICE_STEP_FRI)) * PRICE_STEP_FRI

    def covers(self, seconds: float) -> bool:
        """Whether an average frame that took this long is within the error bar."""
        return abs(seconds - self.frame_seconds) <= self.error_seconds


def cost_of(cold: Probe, warm: Sequence[Probe]) -> FrameCost:
    """What one frame takes.

    `cold` is the first render of the frame, with everything that its scene needs. `warm` are of the same
    frame after it: one as small, and better one of more pixels, and one with more samples, of any size.
    Without these two, their share counts as fixed.
    """
    by_sample = by_pixel = 0.0
    if warm:
        base = min(warm, key=lambda probe: (probe.samples, probe.pixels))
        steep = _slope(base, [p for p in warm if p.samples == base.samples])
        dense = max(warm, key=lambda probe: (probe.samples, probe.pixels))
        if added := dense.samples - base.samples:
            fixed = max(0.0, base.seconds - base.pixels * steep)
            by_sample = max(0.0, (dense.seconds - fixed) / dense.pixels - steep) / added
        by_pixel = max(0.0, steep - base.samples * by_sample)
    fixed = cold.seconds - cold.pixels * (by_pixel + cold.samples * by_sample)
    return FrameCost(fixed=max(0.0, fixed), by_pixel=by_pixel, by_sample=by_sample)


def _slope(base: Probe, others: Sequence[Probe]) -> float:
    """Seconds for each pixel between `base` and the largest of the others; 0 if none is larger."""
    largest = max(others, key=lambda probe: probe.pixels)
    added = largest.pixels - base.pixels
    return max(0.0, largest.seconds - base.seconds) / added if added else 0.0


def estimated(costs: Sequence[tuple[int, FrameCost]], work: Work, hour_fri: int | None = None) -> Estimate:
    """The estimate of an order.

    `costs` are of some frames, by their numbers in order: between them, costs change evenly. `hour_fri` is
    the price of an hour of this machine.
    """
    times = [cost.seconds(work.pixels, work.samples) for _, cost in costs]
    average, loading = _average([number for number, _ in costs], times), work.loading_seconds
    spread = (max(times) - min(times)) / 4
    error = math.hypot(spread, MODEL_ERROR * average, JITTER_SECONDS)
    chunk = work.chunk or suggested_chunk(average + error, loading, work.frames)
    total = -(-work.frames // chunk) * loading + work.frames * average
    return Estimate(
        frames=work.frames,
        frame_seconds=average,
        error_seconds=error,
        loading_seconds=loading,
        chunk=chunk,
        lease_seconds=suggested_lease(loading + chunk * (average + error)),
        price_fri=None if hour_fri is None else math.ceil(hour_fri * total / 3600),
    )


def suggested_chunk(frame_seconds: float, loading_seconds: float, frames: int) -> int:
    """About ten minutes of work, at least one frame; the order's frames evenly over its chunks."""
    most = max(1, int((CHUNK_SECONDS - loading_seconds) / max(frame_seconds, 1e-3)))
    most = min(most, frames, MOST_CHUNK_FRAMES)
    return -(-frames // -(-frames // most))


def suggested_lease(chunk_seconds: float) -> int:
    """The usual lease, or longer if a chunk would take more than a tenth of it; in whole ten minutes."""
    needed = math.ceil(CHUNKS_IN_LEASE * chunk_seconds / LEASE_STEP_SECONDS) * LEASE_STEP_SECONDS
    return max(LEASE_SECONDS, needed)


def _average(numbers: Sequence[int], times: Sequence[float]) -> float:
    """The mean of times that change evenly between frames."""
    if len(numbers) == 1 or numbers[0] == numbers[-1]:
        return sum(times) / len(times)
    area = sum((b - a) * (x + y) / 2 for (a, x), (b, y) in pairwise(zip(numbers, times, strict=True)))
    return area / (numbers[-1] - numbers[0])
