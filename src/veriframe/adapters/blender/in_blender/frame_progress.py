"""How far a frame is, read from the statistics of Blender's engines. Standard library only."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

SAMPLES = re.compile(r"Sample (\d{1,9})/(\d{1,9})")
REMAINING = re.compile(r"Remaining:(\d{1,4}(?::\d\d){1,2}(?:\.\d\d)?) ")
PREPARING = re.compile(r"\| (?:Synchronizing|Initializing|Waiting|Updating|Loading)\b")
COMPOSITING = re.compile(r"\| Compositing\b")
MOST = 0.99
"""The most that is reported before the frame is done."""
NEARLY = 0.9
"""The share up to which an engine's expectation counts; after that, the rest halves with each doubling."""


class FrameProgress:
    """The phase and the finished share of one frame. The share never falls, whatever an engine expects.

    Phases: `preparing`, `rendering`, `sampling or denoising`, `compositing`, `writing`. Cycles reports
    neither its last samples nor when it begins to denoise: either may be under way once the time is over
    that it expected for its samples.
    """

    def __init__(self, *, denoises: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """`denoises`: whether the scene asks for it. `clock` gives seconds."""
        self._denoises, self._clock = denoises, clock
        self._phase, self._started = "rendering", clock()
        self._sampled: float | None = None
        self._expected: float | None = None
        self._shown = 0.0

    @property
    def phase(self) -> str:
        """What is done with the frame now."""
        expected = self._expected
        is_late = expected is not None and self._clock() - self._started >= expected
        may_denoise = self._phase == "rendering" and self._denoises and is_late
        return "sampling or denoising" if may_denoise else self._phase

    def fraction(self) -> float | None:
        """The finished share: by samples, which Cycles reports rarely, or by its expected time."""
        if self._expected is None and self._sampled is None:
            return None
        by_time = 0.0
        if self._expected is not None:
            by_time = (self._clock() - self._started) / max(self._expected, 1e-3)
            if by_time > NEARLY:
                # Later than expected: on a busy machine by far, and denoising comes on top.
                by_time = 1 - (1 - NEARLY) * NEARLY / by_time
        self._shown = max(self._shown, min(MOST, max(by_time, self._sampled or 0.0)))
        return self._shown

    def read(self, statistics: str) -> None:
        """Reads the engine's statistics, which come many times a second."""
        if found := SAMPLES.search(statistics):
            self._sampled = min(1.0, int(found[1]) / max(1, int(found[2])))
            self._phase = "rendering"
        elif PREPARING.search(statistics) and not self._sampled:
            self._phase = "preparing"
        elif COMPOSITING.search(statistics):
            self._phase = "compositing"
        if found := REMAINING.search(statistics):
            left = sum(float(part) * 60**power for power, part in enumerate(reversed(found[1].split(":"))))
            self._expected = self._clock() - self._started + left

    def write(self) -> None:
        """The frame's file is being written."""
        self._phase = "writing"
