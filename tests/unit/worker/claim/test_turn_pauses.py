"""Claims ahead while the worker pauses, and what a chunk is told to wait for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.bench import Bench, until
from tests.fakes.bundles import post_bundle
from tests.unit.worker.stepped import (
    SteppedRenderer,
    at_work,
    reach,
    stepped,
    told_waits,
)

from veriframe.model.attempt.attempt import Stage
from veriframe.model.attempt.work_hours import parse_work_hours
from veriframe.worker.manners.manners import Manners

CLAIMED, CHECKED, SUBMITTED, RELEASED = Stage.CLAIMED, Stage.CHECKED, Stage.SUBMITTED, Stage.RELEASED
NIGHT, NOON = 23 * 60, 12 * 60


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A worker whose frames come when a test lets them."""
    return Bench(tmp_path / "work", renderer=SteppedRenderer())


class Day:
    """The time of day, moved by hand."""

    minute = NIGHT


def with_hours(bench: Bench) -> Day:
    """Gives the worker hours from ten in the evening to seven in the morning."""
    day = Day()
    manners = Manners(parse_work_hours("22:00-07:00"), minute=lambda: day.minute)
    bench.context = replace(bench.context, manners=manners)
    return day


async def test_nothing_is_claimed_ahead_outside_the_hours(bench: Bench) -> None:
    """fault_190: it stays as it is; within them, the next frame lets it on."""
    day = with_hours(bench)
    await post_bundle(bench)
    service = bench.service(idle_seconds=0.01)
    told = told_waits(bench)
    async with at_work(service):
        await reach(bench, CLAIMED, CHECKED)
        day.minute = NOON
        await until(lambda: bench.context.pauses.reason)
        stepped(bench).let(1)
        await reach(bench, CLAIMED, CHECKED)
        assert {what for _, what in told if what} <= {"a renderer", "the machine"}, "it keeps its turn"
        day.minute = NIGHT
        await until(lambda: not bench.context.pauses.reason)
        stepped(bench).let(1)
        await reach(bench, CLAIMED, CLAIMED)


async def test_nothing_is_claimed_ahead_while_nothing_is_claimed(bench: Bench) -> None:
    """For whatever reason: a full disk, money, a stop. The chunk keeps its turn."""
    service = bench.service(idle_seconds=0.01)
    await post_bundle(bench)
    async with at_work(service):
        await reach(bench, CLAIMED, CHECKED)
        bench.context.pauses.note("test", "Nothing is claimed now.")
        stepped(bench).let(1)
        await reach(bench, CLAIMED, CHECKED)
        bench.context.pauses.note("test", "")
        stepped(bench).let(1)
        await reach(bench, CLAIMED, CLAIMED)


async def test_a_render_with_a_claim_behind_it_is_not_paused_for_longer_than_that_allows(
    bench: Bench,
) -> None:
    """fault_322: a pause costs no bond, not even that of the chunk which waits for it."""
    day = with_hours(bench)
    bench.context.policy = replace(bench.context.policy, is_backed=False)
    await post_bundle(bench)
    service = bench.service(idle_seconds=0.01)
    async with at_work(service):
        await reach(bench, CLAIMED, CHECKED)
        session = bench.renderer.last_session
        assert session is not None
        stepped(bench).let(1)
        await reach(bench, CLAIMED, CLAIMED)
        day.minute = NOON
        await bench.context.manners.look()
        # The first needs 1200 s by its limits, the second 1560 s, and half of an hour is theirs.
        assert session.paused == []


async def test_what_a_chunk_waits_for_is_told(bench: Bench) -> None:
    """A renderer before its claim, the chunk before it after that."""
    service = bench.service(idle_seconds=0.01)
    told = told_waits(bench)
    await post_bundle(bench)
    async with at_work(service):
        await reach(bench, CLAIMED, CHECKED)
        stepped(bench).let(1)
        await reach(bench, CLAIMED, CLAIMED)
        stepped(bench).let(9)
        await reach(bench, SUBMITTED, SUBMITTED)
    _, second = stepped(bench).jobs
    waits = [what for job_id, what in told if job_id == second]
    assert waits == ["a renderer", "", "the chunk before it", ""]
