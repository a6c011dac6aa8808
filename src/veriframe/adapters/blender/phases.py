"""The time limits of a session: of loading, then of each frame. They stand still while it does not work."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

from veriframe.adapters.blender.outcome import Allowance
from veriframe.adapters.blender.sandbox.run import LiveRun
from veriframe.model.rendering.frames import RenderLimits, RenderTask


class Phases:
    """One phase after another; each sets the deadline of `run`, once there is one.

    `started` is when the present phase began, by `monotonic`, moved by its pauses. `allowance` is its limit.
    """

    def __init__(self, limits: RenderLimits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._monotonic = limits, monotonic
        self.run: LiveRun | None = None
        self.until = math.inf
        """The end by the lease, which no pause moves."""
        self._frame_seconds = limits.frame_seconds
        self._paused_at: float | None = None
        self._is_resting, self.started = False, monotonic()
        self.allowance = Allowance(limits=limits, seconds=limits.loading_seconds)
        self.enter_loading()

    @property
    def is_running(self) -> bool:
        """Whether there is something to do, and no pause."""
        return not self._is_resting and self._paused_at is None

    @property
    def seconds(self) -> float:
        """How long the present phase has worked."""
        return (self._monotonic() if self._paused_at is None else self._paused_at) - self.started

    def begin(self, task: RenderTask, lease_seconds: float) -> None:
        """A task begins: its lease bounds all its phases, and each frame has its own limit."""
        self.until = self._monotonic() + lease_seconds
        self._frame_seconds = self._limits.of(task).frame_seconds

    def enter_loading(self) -> None:
        """Blender starts, or opens the scene."""
        self._enter(self._limits.loading_seconds, " (loading_seconds)")

    def enter_frame(self) -> None:
        """It renders the next frame."""
        self._enter(self._frame_seconds, " (frame_seconds)")

    def rest(self) -> None:
        """It waits for a command, for as long as it takes."""
        self._is_resting = True
        self._bound()

    def pause(self) -> None:
        """Stops the time of the present phase, and of those that begin meanwhile."""
        if self._paused_at is None:
            self._paused_at = self._monotonic()
            self._bound()

    def resume(self) -> None:
        """The present phase goes on with the time that it had left, within the lease."""
        if self._paused_at is not None:
            self.started += self._monotonic() - max(self._paused_at, self.started)
            self._paused_at = None
            self.allowance = replace(self.allowance, lease_seconds=self.until - self.started)
            self._bound()

    def _enter(self, seconds: float, settings: str) -> None:
        self.started, self._is_resting = self._monotonic(), False
        self.allowance = Allowance(
            limits=self._limits, seconds=seconds, settings=settings, lease_seconds=self.until - self.started
        )
        self._bound()

    def _bound(self) -> None:
        if self.run is not None:
            self.run.deadline = self.started + self.allowance.wall_seconds if self.is_running else math.inf
