"""An hour of a market with four times as many hostile accounts as honest ones, and its outcome."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.market.clock import MarketClock
from tests.market.hostile import Artist, Attacker
from tests.market.world import Worker, World

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Stage
from veriframe.model.quantities import format_strk

HOUR = 3600.0
SEED = 81_100
"""The same random numbers each time; the outcome still depends on timing."""


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A market whose hour takes a minute and a half."""
    opened = World(tmp_path, MarketClock(40))
    yield opened
    await opened.close()


@pytest.mark.thorough
async def test_honest_jobs_are_delivered_and_losses_stay_within_the_budget(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """fault_81 to fault_85, fault_88, fault_89, fault_100: all attacks at once, at random, for an hour.

    Two workers with the default settings and one slot each. Reports what it cost, and whom.
    """
    public_cids: list[str] = []
    artists = [Artist(world, f"artist {n}", random.Random(SEED + n), public_cids) for n in range(5)]
    attackers = [Attacker(world, f"mallory {n}", random.Random(SEED - n), public_cids) for n in range(1, 21)]
    workers = [world.worker(f"worker {n}") for n in range(2)]
    before = [await worker.means_fri() for worker in workers]
    budgets = [(await worker.stakes()).loss_budget_fri for worker in workers]
    async with asyncio.timeout(600), workers[0].working(), workers[1].working():
        await asyncio.gather(
            *(artist.act(HOUR, 400) for artist in artists), *(one.act(HOUR, 200) for one in attackers)
        )
        undelivered = await asyncio.gather(*(artist.wait_for_all(HOUR) for artist in artists))
    with capsys.disabled():
        await _report(artists, attackers, workers, before)
    assert undelivered == [0] * 5, "honest jobs were not delivered"
    for worker, budget_fri, means_fri in zip(workers, budgets, before, strict=True):
        # What a creator has paid before is not the worker's loss: see `CreatorRecord.charged_fri`.
        assert (await worker.stakes()).charged_fri <= budget_fri
        assert await worker.means_fri() > means_fri, "the worker earned more than it lost"
    assert {name for one in attackers for name in one.played} >= {"endless", "flood", "poison", "vanishing"}
    assert (await world.account("clock").audit()).is_clean


async def _report(
    artists: list[Artist], attackers: list[Attacker], workers: list[Worker], before: list[int]
) -> None:
    """Prints the outcome in figures."""
    played = Counter[str]()
    for one in attackers:
        played.update(one.played)
    jobs, fees_fri = sum(len(artist.jobs) for artist in artists), sum(one.fees_fri for one in attackers)
    lines = [
        f"attacks: {dict(played.most_common())}",
        f"attackers' fees on a chain: {format_strk(fees_fri)} for {sum(played.values())} attacks",
        f"honest jobs: {jobs}",
    ]
    for worker, means_fri in zip(workers, before, strict=True):
        attempts = await worker.journal.history()
        ends = Counter(attempt.code.value if attempt.code else attempt.stage.value for attempt in attempts)
        earned = sum(a.reward_fri for a in attempts if a.stage is Stage.PAID)
        lines.append(
            f"a worker with {format_strk(means_fri)}: earned {format_strk(earned)}, lost "
            f"{format_strk(worker.lost_fri)} of bonds; rendered {worker.renderer.rendered_seconds:.0f} s, "
            f"{_wasted(worker)} jobs wasted; {dict(ends.most_common())}"
        )
    sys.stdout.write("\n" + "".join(f"  {line}\n" for line in lines))


def _wasted(worker: Worker) -> int:
    wasted = (Code.TIMEOUT, Code.LEASE, Code.BLACK, Code.CRASH, Code.NOT_FINITE)
    return sum(code in wasted for code in worker.codes())
