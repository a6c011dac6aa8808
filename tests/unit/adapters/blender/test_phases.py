"""The time limits of a session stand still while it rests or is paused."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import cast

from tests.unit.worker.clock import ManualClock

from veriframe.adapters.blender.phases import Phases
from veriframe.adapters.blender.sandbox.run import LiveRun
from veriframe.model.rendering.frames import RenderLimits, RenderTask

LIMITS = RenderLimits(loading_seconds=60, frame_seconds=300)


def started(clock: ManualClock) -> tuple[Phases, LiveRun]:
    """Phases of a run."""
    phases, run = Phases(LIMITS, clock), cast("LiveRun", SimpleNamespace(deadline=math.inf))
    phases.run = run
    return phases, run


def test_each_phase_has_its_own_limit() -> None:
    """Loading, then each frame; between commands there is none."""
    clock = ManualClock()
    phases, run = started(clock)
    phases.enter_loading()
    assert run.deadline == clock.seconds + 60
    phases.rest()
    assert run.deadline == math.inf
    phases.enter_frame()
    clock.seconds += 10
    assert (run.deadline, phases.seconds) == (clock.seconds + 290, 10)


def test_a_pause_does_not_count() -> None:
    """fault_192: neither against the limit nor as the frame's time."""
    clock = ManualClock()
    phases, run = started(clock)
    phases.enter_frame()
    clock.seconds += 100
    phases.pause()
    assert (run.deadline, phases.is_running) == (math.inf, False)
    clock.seconds += 1000
    assert phases.seconds == 100
    phases.resume()
    assert (run.deadline, phases.is_running) == (clock.seconds + 200, True)
    assert phases.seconds == 100


def test_no_pause_moves_the_end_by_the_lease() -> None:
    """fault_191: and the allowance says that the lease is what ends it."""
    clock = ManualClock()
    phases, run = started(clock)
    phases.until = clock.seconds + 400
    phases.enter_frame()
    phases.pause()
    clock.seconds += 150
    phases.resume()
    assert run.deadline == phases.until
    assert phases.allowance.lease_seconds < phases.allowance.seconds


def test_a_phase_that_begins_during_a_pause_has_all_its_time() -> None:
    """A frame's report may be on its way when everything is stopped."""
    clock = ManualClock()
    phases, run = started(clock)
    phases.enter_frame()
    phases.pause()
    clock.seconds += 5
    phases.enter_frame()
    assert run.deadline == math.inf
    clock.seconds += 50
    phases.resume()
    assert run.deadline == clock.seconds + 300


def test_a_session_that_rests_stays_at_rest_after_a_pause() -> None:
    """It has nothing to do."""
    phases, run = started(ManualClock())
    phases.pause()
    phases.rest()
    phases.resume()
    assert (phases.is_running, run.deadline) == (False, math.inf)


def test_a_task_may_allow_its_frames_less() -> None:
    """Never more than the worker's own limit; the next task has its own again."""
    clock = ManualClock()
    phases, run = started(clock)
    for frame_seconds, limit in ((20.0, 20), (10_000.0, 300), (None, 300)):
        phases.begin(RenderTask(frame_seconds=frame_seconds), 1000)
        phases.enter_frame()
        assert run.deadline == clock.seconds + limit
