"""A machine that fails repeatedly renders its own test scene, or stops claiming for a while."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from stamina.instrumentation import RetryDetails, set_on_retry_hooks
from structlog.testing import capture_logs
from tests.fakes.bench import Bench, crash
from tests.fakes.renderer import FakeRenderer, Script
from tests.scenes.blend_bytes import blend, block
from tests.unit.worker.clock import ManualClock

from veriframe.errors import Code, HostUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.worker.intake.circuit_breaker import FAILURES, CircuitBreaker


def ended(stage: Stage, code: Code | None = None) -> Attempt:
    """An attempt at its end."""
    return replace(Attempt(job_id=1, asset_cid="b", reward_fri=1), stage=stage, code=code)


FAILED = ended(Stage.FAILED, Code.CRASH)


@pytest.fixture
def broken() -> FakeRenderer:
    """A machine that cannot render its own test scene."""
    renderer = FakeRenderer()
    renderer.unfit = True
    return renderer


async def pauses(circuit_breaker: CircuitBreaker, renderer: FakeRenderer) -> bool:
    """Whether claiming pauses now."""
    try:
        await circuit_breaker.require_healthy(renderer)
    except HostUnavailable:
        return True
    return False


async def test_three_failures_in_a_row_pause_for_a_minute(broken: FakeRenderer) -> None:
    """fault_43, fault_47: not two; after the pause the machine is tested again."""
    clock = ManualClock()
    circuit_breaker = CircuitBreaker(clock)
    for _ in range(FAILURES - 1):
        circuit_breaker.note(FAILED)
    assert (await pauses(circuit_breaker, broken), broken.self_tests) == (False, 0)
    circuit_breaker.note(FAILED)
    assert await pauses(circuit_breaker, broken)
    clock.seconds += 59.9
    assert (await pauses(circuit_breaker, broken), broken.self_tests) == (True, 1)
    clock.seconds += 0.1
    broken.unfit = False
    assert (await pauses(circuit_breaker, broken), broken.self_tests) == (False, 2)


async def test_each_failed_test_doubles_the_pause_up_to_an_hour(broken: FakeRenderer) -> None:
    """The machine is tested again after each pause: it may be repaired."""
    clock = ManualClock()
    circuit_breaker = CircuitBreaker(clock)
    for _ in range(FAILURES):
        circuit_breaker.note(FAILED)
    for pause in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        assert await pauses(circuit_breaker, broken)
        clock.seconds += pause - 1
        assert await pauses(circuit_breaker, broken)
        clock.seconds += 1
    assert broken.self_tests == 8


async def test_a_submission_clears_it(broken: FakeRenderer) -> None:
    """The machine can render."""
    circuit_breaker = CircuitBreaker(ManualClock())
    for _ in range(FAILURES):
        circuit_breaker.note(FAILED)
    circuit_breaker.note(ended(Stage.SUBMITTED))
    assert not await pauses(circuit_breaker, broken)
    circuit_breaker.note(FAILED)
    assert not await pauses(circuit_breaker, broken)


async def test_failures_of_untrusted_scenes_alone_stop_nothing() -> None:
    """fault_84: however many scenes look like a broken machine, its own test scene clears it each time."""
    circuit_breaker, healthy = CircuitBreaker(ManualClock()), FakeRenderer()
    for _ in range(20 * FAILURES):
        circuit_breaker.note(FAILED)
        assert not await pauses(circuit_breaker, healthy)
    assert healthy.self_tests == 20


@pytest.mark.parametrize(
    "attempt",
    [ended(Stage.REFUSED, Code.NO_CAMERA), ended(Stage.LOST, Code.LOST), ended(Stage.FAILED, Code.TIMEOUT)],
    ids=["refused", "lost", "time-out"],
)
async def test_failures_of_the_scene_do_not_count(attempt: Attempt, broken: FakeRenderer) -> None:
    """They do not clear the count either."""
    circuit_breaker = CircuitBreaker(ManualClock())
    for _ in range(10):
        circuit_breaker.note(attempt)
    assert not await pauses(circuit_breaker, broken)
    for _ in range(FAILURES - 1):
        circuit_breaker.note(FAILED)
    circuit_breaker.note(attempt)
    assert not await pauses(circuit_breaker, broken)
    circuit_breaker.note(FAILED)
    assert await pauses(circuit_breaker, broken)


async def four_crashing_scenes(bench: Bench) -> None:
    """Posts four scenes that crash twice each, so that their jobs are released."""
    bench.renderer.scripts.clear()
    for number in range(4):
        scene = blend(block(b"TEST", bytes([number])))
        bench.renderer.scripts[scene] = Script(render_failures=[crash(), crash()])
        await bench.post(scene=scene)


async def test_scenes_that_look_like_a_broken_machine_stop_no_worker(bench: Bench) -> None:
    """fault_84: four of them are tried and released; an honest job after them is rendered at once."""
    await four_crashing_scenes(bench)
    await bench.post(reward_fri=20)
    with capture_logs() as lines:
        assert await bench.service().run(once=True)
    assert [bench.attempt(job_id).stage for job_id in range(1, 6)] == [
        *[Stage.RELEASED] * 4,
        Stage.SUBMITTED,
    ]
    assert bench.renderer.self_tests == 1
    assert [line["failures"] for line in lines if line["event"] == "self_test_passed"] == [3]


async def test_a_failing_machine_leaves_the_fourth_job_to_others(bench: Bench) -> None:
    """Of four scenes that crash twice each, three are claimed and released, the last one is not claimed."""
    await four_crashing_scenes(bench)
    bench.renderer.unfit = True
    paused = asyncio.Event()

    def on_event(details: RetryDetails) -> None:
        if "as on a broken machine" in str(details.caused_by):
            paused.set()

    set_on_retry_hooks((on_event,))
    working = asyncio.create_task(bench.service().run())
    try:
        await asyncio.wait_for(paused.wait(), 10)
    finally:
        set_on_retry_hooks(None)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert [a.stage for a in bench.journal.tries.values() if a.stage.is_end] == [Stage.RELEASED] * 3
    assert bench.shared.moves.count("claim") == 3
