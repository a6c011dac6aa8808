"""A machine that fails again and again stops claiming for a while."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from stamina.instrumentation import RetryDetails, set_on_retry_hooks
from tests.fakes.parts import Bench, crash
from tests.fakes.renderer import Script
from tests.scenes.blend_bytes import blend, block

from veriframe.errors import Code, HostUnavailable
from veriframe.model.attempt import Attempt, Stage
from veriframe.worker.caution import FAILURES, Caution


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Its time."""
        return self.seconds


def ended(stage: Stage, code: Code | None = None) -> Attempt:
    """An attempt at its end."""
    return replace(Attempt(job_id=1, asset_cid="b", reward_fri=1), stage=stage, code=code)


FAILED = ended(Stage.RELEASED, Code.CRASH)


def pauses(caution: Caution) -> bool:
    """Whether claiming pauses now."""
    try:
        caution.require_none()
    except HostUnavailable:
        return True
    return False


def test_three_failures_in_a_row_pause_for_a_minute() -> None:
    """fault_43, fault_47: not two, and not for ever."""
    clock = Hand()
    caution = Caution(clock)
    for _ in range(FAILURES - 1):
        caution.note(FAILED)
    assert not pauses(caution)
    caution.note(FAILED)
    assert pauses(caution)
    clock.seconds += 59.9
    assert pauses(caution)
    clock.seconds += 0.1
    assert not pauses(caution)


def test_each_failure_more_doubles_the_pause_up_to_an_hour() -> None:
    """The machine is tried again now and then, for it may have been the scenes."""
    clock = Hand()
    caution = Caution(clock)
    for _ in range(FAILURES + 20):
        caution.note(FAILED)
    clock.seconds += 3599
    assert pauses(caution)
    clock.seconds += 1
    assert not pauses(caution)


def test_a_result_handed_in_clears_it() -> None:
    """The machine can render after all."""
    caution = Caution(Hand())
    for _ in range(FAILURES):
        caution.note(FAILED)
    caution.note(ended(Stage.SUBMITTED))
    assert not pauses(caution)
    caution.note(FAILED)
    assert not pauses(caution)


@pytest.mark.parametrize(
    "attempt",
    [ended(Stage.REFUSED, Code.NO_CAMERA), ended(Stage.LOST, Code.LOST), ended(Stage.RELEASED, Code.TIMEOUT)],
    ids=["refused", "lost", "time-out"],
)
def test_what_speaks_against_the_scene_does_not_count(attempt: Attempt) -> None:
    """Nor does it clear what was counted."""
    caution = Caution(Hand())
    for _ in range(10):
        caution.note(attempt)
    assert not pauses(caution)
    for _ in range(FAILURES - 1):
        caution.note(FAILED)
    caution.note(attempt)
    assert not pauses(caution)
    caution.note(FAILED)
    assert pauses(caution)


async def test_a_failing_machine_leaves_the_fourth_job_to_others(bench: Bench) -> None:
    """Four scenes that crash, twice each: three are claimed and released, the last one is not claimed."""
    bench.renderer.scripts.clear()
    for number in range(4):
        scene = blend(block(b"TEST", bytes([number])))
        bench.renderer.scripts[scene] = Script(render_failures=[crash(), crash()])
        await bench.post(scene=scene)
    paused = asyncio.Event()

    def hear(details: RetryDetails) -> None:
        if "as on a broken machine" in str(details.caused_by):
            paused.set()

    set_on_retry_hooks((hear,))
    working = asyncio.create_task(bench.service().run())
    try:
        await asyncio.wait_for(paused.wait(), 10)
    finally:
        set_on_retry_hooks(None)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert [attempt.stage for attempt in bench.journal.attempts()] == [Stage.RELEASED] * 3
