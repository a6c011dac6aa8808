"""How fast this worker has rendered each asset since its start: chunks that would not fit are left."""

from __future__ import annotations

import math
from dataclasses import replace

from veriframe.model.attempt.pace import Pace

MOST_KNOWN = 10_000
"""The most assets that are remembered."""


class Speeds:
    """The pace of each asset, by CID."""

    def __init__(self) -> None:
        self._paces: dict[str, Pace] = {}

    def pace(self, asset_cid: str) -> Pace | None:
        """Returns the pace of an asset, or None before its first frame."""
        return self._paces.get(asset_cid)

    def note_frame(self, asset_cid: str, seconds: float) -> None:
        """Takes note of the time that a frame has taken."""
        before = self._paces.get(asset_cid, Pace(0.0))
        self._keep(asset_cid, replace(before, frame_seconds=max(before.frame_seconds, seconds)))

    def note_first(self, asset_cid: str, seconds: float, loading_seconds: float) -> None:
        """Takes note of a first frame, and of the time before it in which its scene was opened."""
        self.note_frame(asset_cid, seconds)
        before = self._paces[asset_cid]
        self._keep(asset_cid, replace(before, loading_seconds=max(before.loading_seconds, loading_seconds)))

    def note_too_slow(self, asset_cid: str) -> None:
        """Takes note of a frame that exceeded its limit."""
        self.note_frame(asset_cid, math.inf)

    def _keep(self, asset_cid: str, pace: Pace) -> None:
        self._paces.pop(asset_cid, None)
        self._paces[asset_cid] = pace
        while len(self._paces) > MOST_KNOWN:
            del self._paces[next(iter(self._paces))]
