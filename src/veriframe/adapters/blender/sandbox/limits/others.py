"""How much of the processors other programs use: all but this process and its descendants."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from veriframe.adapters.blender.sandbox.limits import resource_usage

WINDOW = 10
"""How many measurements the mean spans. A program that only starts up is no reason to pause."""

_IDLE = (3, 4, 7)
"""Columns of /proc/stat in which no program works here: idle, waiting for disks, stolen by a host."""

Ticks = tuple[int, int, int]
"""Clock ticks so far: of all processors, those of them at work, those of our own processes."""


class OtherPrograms:
    """The share of all processors that others use, measured anew with each call."""

    def __init__(self, measure: Callable[[], Ticks] | None = None) -> None:
        self._measure = measure or _measure
        self._known: deque[Ticks] = deque([self._measure()], maxlen=WINDOW + 1)

    def share(self) -> float:
        """Returns the mean over the last calls, 0 … 1; 0 if it cannot be measured. Reads all of /proc."""
        self._known.append(self._measure())
        (total, busy, _), (total_now, busy_now, _) = self._known[0], self._known[-1]
        if total_now <= total:
            return 0.0
        # A process that ends unnoticed takes its ticks with it: that must cost one measurement, not all.
        own = sum(max(0, after[2] - before[2]) for before, after in pairwise(self._known))
        return min(1.0, max(0.0, (busy_now - busy - own) / (total_now - total)))


def _measure() -> Ticks:
    own = resource_usage.measure_tree(os.getpid()).ticks
    try:
        counted = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return 0, 0, own
    return sum(counted), sum(counted) - sum(counted[column] for column in _IDLE if column < len(counted)), own
