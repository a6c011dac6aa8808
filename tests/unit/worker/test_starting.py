"""A worker that starts while its store is away, or cannot take a job."""

from __future__ import annotations

import asyncio

import pytest
import stamina
from structlog.testing import capture_logs
from tests.fakes.bench import Bench, until
from tests.fakes.store import FakeStore

from veriframe.errors import StoreFull, StoreUnavailable
from veriframe.model.attempt.attempt import Stage
from veriframe.model.registry.job import JobState
from veriframe.ports.store import StoreRoom
from veriframe.retry import log_wait

AWAY = StoreUnavailable("The IPFS node does not answer. Start it.")


class AwayStore(FakeStore):
    """A store that does not answer while it `is_away`."""

    is_away = True

    async def ready(self) -> None:
        """Answers, or not."""
        await self._answer()

    async def room(self) -> StoreRoom:
        """Answers, or not."""
        await self._answer()
        return await super().room()

    async def _answer(self) -> None:
        await asyncio.sleep(0.001)
        if self.is_away:
            raise AWAY


@pytest.fixture
def away(bench: Bench) -> Bench:
    """A worker whose store is away."""
    return Bench(bench.folder.parent / "away", store=AwayStore())


async def test_once_does_not_end_as_if_an_open_job_were_done(bench: Bench) -> None:
    """fault_168: the store has no room for it. Without a job all is well."""
    bench.store.limit_bytes = 1
    assert await bench.service().run(once=True)
    await bench.post()
    with pytest.raises(StoreFull):
        await bench.service().run(once=True)
    assert list(bench.journal.by_job) == []


async def test_a_store_that_is_away_at_the_start_is_waited_for(away: Bench) -> None:
    """fault_168: the log says for what and since when; pay is collected, and jobs are taken later."""
    due, _open = await away.post(jobs=2)
    await away.registry.claim(due.id)
    await away.registry.submit_result(due.id, "a picture")
    away.begin(due, Stage.SUBMITTED, "a picture")
    away.shared.now = away.job(due.id).review_end
    stamina.instrumentation.set_on_retry_hooks((log_wait,))
    with capture_logs() as lines:
        service = away.service()
        working = asyncio.create_task(service.run())
        await until(lambda: away.job(due.id).state is JobState.PAID)
        await until(lambda: "waiting" in [line["event"] for line in lines])
        store = away.store
        assert isinstance(store, AwayStore)
        store.is_away = False
        await until(lambda: len(away.journal.by_job) == 2 and away.attempt(2).stage is Stage.SUBMITTED)
        service.drain()
        assert await working
    (first, *_) = [line for line in lines if line["event"] == "waiting"]
    assert (first["reason"], first["since"][-3:]) == (str(AWAY), "UTC")
    assert "waiting_over" in [line["event"] for line in lines]
