"""The worker keeps out of the way outside its hours and while others need the processors."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from pathlib import Path

from structlog.testing import capture_logs
from tests.fakes.renderer import FakeRenderer, FakeSession
from tests.unit.worker.clock import ManualClock
from tests.waiting import until

from veriframe.model.attempt.work_hours import parse_work_hours
from veriframe.worker.manners.manners import MARGIN_SECONDS, QUIET_SECONDS, Manners

NIGHT, NOON = 23 * 60, 12 * 60
LEASE, NEEDED = 1000.0, 300.0


@dataclass
class Machine:
    """A clock, a time of day and the share that other programs use; all moved by hand."""

    clock: ManualClock = field(default_factory=ManualClock)
    minute: int = NIGHT
    share: float = 0.0

    def manners(self, hours: str = "", most_busy: float | None = None) -> Manners:
        """Manners on this machine."""
        return Manners(
            parse_work_hours(hours) if hours else None,
            most_busy,
            others=lambda: self.share,
            minute=lambda: self.minute,
            monotonic=self.clock,
        )


def a_session() -> FakeSession:
    """A session that notes its pauses."""
    return FakeSession(FakeRenderer(), Path("scene.blend"))


async def test_without_settings_nothing_pauses() -> None:
    """And nothing is looked at: `keep` ends at once."""
    machine = Machine(minute=NOON, share=1.0)
    manners = machine.manners()
    await manners.keep()
    await manners.look()
    assert manners.objection == ""


async def test_outside_the_hours_nothing_is_claimed() -> None:
    """fault_190: even before the first look; the reason names the next start."""
    machine = Machine(minute=NOON)
    manners = machine.manners("22:00-07:00")
    assert "22:00" in manners.objection
    machine.minute = NIGHT
    assert manners.objection == ""


async def test_a_busy_machine_is_left_until_it_has_been_quiet() -> None:
    """fault_190: a program that needs the processors now and then is not disturbed between."""
    machine = Machine()
    manners = machine.manners(most_busy=0.3)
    found = []
    for seconds, share in ((0, 0.3), (1, 0.31), (1, 0.0), (QUIET_SECONDS - 2, 0.0), (2, 0.0)):
        machine.clock.seconds, machine.share = machine.clock.seconds + seconds, share
        await manners.look()
        found.append(bool(manners.objection))
    assert found == [False, True, True, True, False]


async def test_a_render_is_paused_and_goes_on() -> None:
    """fault_190: while others need the machine; the listener hears of both."""
    machine, session, heard = Machine(minute=NOON), a_session(), list[tuple[int, bool]]()
    manners = machine.manners("22:00-07:00")
    manners.on_wait = lambda job_id, what: heard.append((job_id, bool(what)))
    with capture_logs() as logs, manners.rendering(7, session, machine.clock.seconds + LEASE, NEEDED):
        await manners.look()
        await manners.look()
        assert session.paused == [True]
        machine.minute, machine.clock.seconds = NIGHT, machine.clock.seconds + 60
        await manners.look()
    assert session.paused == [True, False]
    assert heard == [(7, True), (7, False)]
    events = [line["event"] for line in logs]
    assert events == ["work_paused", "render_paused", "work_resumed", "render_resumed"]
    assert logs[-1]["paused_seconds"] == 60


async def test_a_paused_render_goes_on_in_time_for_its_lease() -> None:
    """fault_191: even if the machine is needed: what it may still take always fits, with a margin."""
    machine, session = Machine(minute=NOON), a_session()
    manners, began = machine.manners("22:00-07:00"), machine.clock.seconds
    with manners.rendering(7, session, began + LEASE, NEEDED):
        machine.clock.seconds += 100  # a hundred seconds of its work are done
        await manners.look()
        slack = LEASE - 100 - (NEEDED - 100) - MARGIN_SECONDS
        machine.clock.seconds += slack - 1
        await manners.look()
        assert session.paused == [True]
        machine.clock.seconds += 1
        await manners.look()
        assert session.paused == [True, False]
        machine.clock.seconds += 10  # and it is not paused again
        await manners.look()
    assert session.paused == [True, False]


async def test_a_render_without_time_to_spare_is_not_paused() -> None:
    """fault_191: its lease comes first."""
    machine, session = Machine(minute=NOON), a_session()
    manners = machine.manners("22:00-07:00")
    with manners.rendering(7, session, machine.clock.seconds + NEEDED + 20, NEEDED):
        await manners.look()
    assert session.paused == []


async def test_a_claim_that_waits_for_a_render_shortens_its_pauses() -> None:
    """fault_322: it is asked at each look, since the claim may come while the render is paused."""
    machine, session = Machine(minute=NOON), a_session()
    manners, began, ends = machine.manners("22:00-07:00"), machine.clock.seconds, [math.inf]
    with manners.rendering(7, session, began + LEASE, NEEDED, next_until=lambda: ends[0]):
        await manners.look()
        assert session.paused == [True]
        ends[0] = began + NEEDED + MARGIN_SECONDS + 1
        await manners.look()
        assert session.paused == [True]
        machine.clock.seconds += 1
        await manners.look()
        assert session.paused == [True, False]


async def test_a_finished_frame_leaves_more_time_to_pause() -> None:
    """The rest needs less than the whole did."""
    machine, session = Machine(minute=NOON), a_session()
    manners = machine.manners("22:00-07:00")
    with manners.rendering(7, session, machine.clock.seconds + NEEDED + 20, NEEDED) as rendering:
        rendering.needs(NEEDED / 2, machine.clock.seconds)
        await manners.look()
    assert session.paused == [True]


async def test_everything_goes_on_when_the_worker_stops() -> None:
    """fault_74: what is claimed is finished, not left stopped."""
    machine, session = Machine(minute=NOON), a_session()
    manners = machine.manners("22:00-07:00")
    with manners.rendering(7, session, machine.clock.seconds + LEASE, NEEDED):
        keeping = asyncio.create_task(manners.keep())
        await until(lambda: session.paused)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        assert session.paused == [True, False]
