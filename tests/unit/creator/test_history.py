"""What a creator is told of a job: also what happened between two polls."""

from __future__ import annotations

from tests.fakes.registry import FakeRegistry, Shared
from tests.unit.creator.stage import ARTIST, STRK, Stage

from veriframe.creator.jobs import Jobs
from veriframe.errors import Code, RegistryUnavailable
from veriframe.model.registry.history import JobHistory
from veriframe.model.registry.job import Job
from veriframe.model.registry.ledger import EventKind


def kinds(history: JobHistory) -> list[EventKind]:
    """What a history tells."""
    return [event.kind for event in history.events]


async def fail(stage: Stage, job_id: int) -> None:
    """Claim a job and give it back."""
    await stage.worker.deposit(STRK)
    await stage.worker.claim(job_id)
    await stage.worker.release(job_id, Code.OOM)


FAILED = [EventKind.ORDER_CREATED, EventKind.JOB_CLAIMED, EventKind.JOB_RELEASED]


async def test_an_attempt_that_failed_between_two_polls_is_news(stage: Stage) -> None:
    """fault_135: the job looks as before, since it is open again."""
    job_id = await stage.posted()
    seen = []
    async for followed in stage.creator.followed(job_id, 0.0):
        seen.append((followed.is_news, kinds(followed.history)))
        if len(seen) == 2:
            await fail(stage, job_id)
        if len(seen) == 4:
            await stage.registry.cancel_job(job_id)
    end = [*FAILED, EventKind.JOB_REFUNDED]
    assert seen == [(True, FAILED[:1]), (False, FAILED[:1]), (True, FAILED), (False, FAILED), (True, end)]


async def test_a_history_is_read_only_after_a_move(stage: Stage) -> None:
    """On a chain it takes two requests more."""
    job_id = await stage.posted()
    registry = CountsHistories(ARTIST, stage.shared)
    async for followed in stage.creator_at(registry).followed(job_id, 0.0):
        if registry.shared.reads > 20 and not followed.status.job.state.is_final:
            await stage.registry.cancel_job(job_id)
    assert registry.histories == 2


class CountsHistories(FakeRegistry):
    """Counts how often a history is read; the first `failures` fail."""

    def __init__(self, account: int, shared: Shared, failures: int = 0) -> None:
        super().__init__(account, shared)
        self.histories, self.failures = 0, failures

    async def history(self, job: Job) -> JobHistory:
        """The job's events."""
        self.histories += 1
        if self.histories <= self.failures:
            raise RegistryUnavailable("The node does not answer.")
        return await super().history(job)


async def test_a_history_that_cannot_be_read_is_read_again(stage: Stage) -> None:
    """fault_58: following goes on meanwhile."""
    job_id = await stage.posted()
    registry = CountsHistories(ARTIST, stage.shared, failures=2)
    seen = []
    async for followed in stage.creator_at(registry).followed(job_id, 0.0):
        seen.append(kinds(followed.history))
        if len(seen) == 4:
            await stage.registry.cancel_job(job_id)
    assert seen[:4] == [[], [], FAILED[:1], FAILED[:1]]


async def test_at_another_makers_registry_nothing_is_derived(stage: Stage) -> None:
    """fault_139: it may have other rules: only what its events say is told, or that it has none."""
    job_id = await stage.posted()
    stage.shared.has_no_events = True
    jobs = Jobs(registry=stage.registry, store=stage.store, is_foreign=True)
    status = await jobs.status(job_id)
    found = await jobs.history(status)
    assert (found.events, bool(found.gap), status.is_foreign) == ((), True, True)
    own = await stage.creator.history(await stage.creator.status(job_id))
    assert (kinds(own), own.gap) == (FAILED[:1], found.gap)
