"""A whole worker, on fakes, that keeps to its hours."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.bench import Bench, stages, until

from veriframe.errors import HostUnavailable
from veriframe.model.attempt.attempt import Stage
from veriframe.model.attempt.work_hours import parse_work_hours
from veriframe.worker.manners.manners import Manners
from veriframe.worker.service import Service

NIGHT, NOON = 23 * 60, 12 * 60


class Day:
    """The time of day, moved by hand."""

    def __init__(self, minute: int) -> None:
        self.minute = minute


def with_hours(bench: Bench, minute: int) -> Day:
    """Gives the worker hours from ten in the evening to seven in the morning."""
    day = Day(minute)
    manners = Manners(parse_work_hours("22:00-07:00"), minute=lambda: day.minute)
    bench.context = replace(bench.context, manners=manners)
    return day


async def polls(bench: Bench, service: Service, count: int = 5) -> None:
    """Waits until the worker has polled some more times."""
    seen, before = [0], bench.registry.snapshot

    async def counted(first: int, most: int) -> object:
        seen[0] += 1
        return await before(first, most)

    bench.registry.snapshot = counted  # type: ignore[method-assign, assignment]
    await until(lambda: seen[0] >= count)
    bench.registry.snapshot = before  # type: ignore[method-assign]


async def test_nothing_is_started_before_its_hours(bench: Bench) -> None:
    """fault_190: not even fetched; then everything goes on without a restart."""
    day = with_hours(bench, NOON)
    await bench.post()
    service = bench.service()
    task = asyncio.create_task(service.run())
    await polls(bench, service)
    assert bench.journal.by_job == {}
    day.minute = NIGHT
    await until(lambda: bench.journal.by_job and stages(bench) == [Stage.SUBMITTED])
    service.drain()
    await task


async def test_a_job_that_is_ready_is_not_claimed_after_hours(bench: Bench) -> None:
    """fault_190: it waits as it is, and no money moves."""
    day = with_hours(bench, NIGHT)

    async def evening_ends(scene: Path) -> None:
        day.minute = NOON

    bench.renderer.before_inspection = evening_ends  # type: ignore[method-assign]
    await bench.post()
    service = bench.service()
    task = asyncio.create_task(service.run())
    await until(lambda: bench.journal.by_job and stages(bench) == [Stage.CHECKED])
    await polls(bench, service)
    assert (stages(bench), bench.shared.moves) == ([Stage.CHECKED], [])
    day.minute = NIGHT
    await until(lambda: stages(bench) == [Stage.SUBMITTED])
    service.drain()
    await task


async def test_one_round_outside_the_hours_ends_with_the_reason(bench: Bench) -> None:
    """`--once` does not end as if nothing were open, nor wait for hours; without jobs all is well."""
    day = with_hours(bench, NOON)
    assert await bench.service().run(once=True)
    await bench.post()
    with pytest.raises(HostUnavailable, match="work hours"):
        await bench.service().run(once=True)
    day.minute = NIGHT
    assert await bench.service().run(once=True)
    assert stages(bench) == [Stage.SUBMITTED]


async def test_a_render_under_way_is_paused_and_resumed(bench: Bench) -> None:
    """fault_190: when its hours end; a drain lets it go on, since it is claimed."""
    day = with_hours(bench, NIGHT)
    bench.renderer.gate.clear()
    await bench.post()
    service = bench.service()
    task = asyncio.create_task(service.run())
    await until(lambda: bench.renderer.started)
    session = bench.renderer.last_session
    assert session is not None
    day.minute = NOON
    await until(lambda: session.paused == [True])
    service.drain()
    await until(lambda: session.paused == [True, False])
    bench.renderer.gate.set()
    await task
    assert stages(bench) == [Stage.SUBMITTED]
