"""A foreign registry is read in few requests, all at one block, whatever its views do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from tests.fakes.foreign import CID, NOW, OURS, THEIRS, Fn, PanicError, TheirJob
from tests.unit.adapters.starknet.foreign.clients import ForeignClients

from veriframe.errors import MoveRefused, RegistryUnavailable
from veriframe.model.registry.job import JobState
from veriframe.ports.registry import read_job


@pytest.fixture
def clients(tmp_path: Path) -> ForeignClients:
    """A chain with no jobs."""
    return ForeignClients(tmp_path)


async def test_a_poll_is_two_requests_and_old_jobs_are_not_read_again(clients: ForeignClients) -> None:
    """The block, then what may have changed about 50 jobs. Finished jobs are not queried."""
    clients.post(50)
    for job in clients.chain.jobs.values():
        job.worker = THEIRS
    clients.chain.with_counter(lambda: len(clients.chain.jobs))
    worker = clients.worker()
    snapshot = await worker.snapshot(1, 50)
    assert (snapshot.job_counter, len(snapshot.jobs), snapshot.head.number) == (50, 50, 100)
    assert {job.state for job in snapshot.jobs} == {JobState.PAID}
    clients.chain.requests.clear()
    clients.chain.asked.clear()
    clients.chain.block += 1
    again = await worker.snapshot(1, 50)
    assert list(again.jobs) == list(snapshot.jobs)
    assert clients.chain.requests == [1, 5]
    assert set(clients.chain.asked) == {"get_job_counter", "get_job_creator"}


async def test_its_identity_is_its_chain_and_address(clients: ForeignClients) -> None:
    """fault_91: queried once."""
    worker = clients.worker()
    for _ in range(2):
        assert await worker.identity() == "SN_FAKE-0xa11ce"
    assert clients.chain.requests == [1]


async def test_fixed_facts_are_read_once(clients: ForeignClients) -> None:
    """For open jobs only the worker is queried each time."""
    clients.post(3)
    worker = clients.worker()
    await worker.snapshot(1, 50)
    clients.chain.asked.clear()
    clients.chain.jobs[2].worker = THEIRS
    snapshot = await worker.snapshot(1, 50)
    assert [job.state for job in snapshot.jobs] == [JobState.OPEN, JobState.PAID, JobState.OPEN]
    assert [clients.chain.asked.count(f"get_job_{word}") for word in ("worker", "reward", "asset_cid")] == [
        3,
        0,
        0,
    ]


async def test_a_first_poll_of_many_jobs_is_some_requests(clients: ForeignClients) -> None:
    """Four views of 50 jobs, a hundred questions for each request."""
    clients.post(50)
    clients.chain.with_counter(lambda: 50)
    await (worker := clients.worker()).dialect()
    clients.chain.requests.clear()
    snapshot = await worker.snapshot(1, 50)
    assert len(snapshot.jobs) == 50
    assert len(clients.chain.requests) <= 6
    assert max(clients.chain.requests) == 100


@pytest.mark.parametrize("most", [1, 7])
async def test_a_node_that_accepts_few_questions_at_once(clients: ForeignClients, most: int) -> None:
    """Or only one in a request: the size is found, and used the next time."""
    clients.post(30)
    clients.chain.most = most
    worker = clients.worker()
    with structlog.testing.capture_logs() as lines:
        snapshot = await worker.snapshot(1, 50)
        snapshot = await worker.snapshot(1, 50)
    assert [job.id for job in snapshot.jobs] == list(range(1, 31))
    clients.chain.requests.clear()
    await worker.snapshot(1, 50)
    assert max(clients.chain.requests) <= most
    assert "fewer_questions_at_once" in [line["event"] for line in lines]


async def test_a_node_that_is_away_is_unavailable(clients: ForeignClients) -> None:
    """It is not called for each of a hundred questions."""
    clients.post(30)
    worker = clients.worker()
    await worker.snapshot(1, 50)
    clients.chain.most = 0
    clients.chain.requests.clear()
    with pytest.raises(RegistryUnavailable):
        await worker.snapshot(1, 50)
    assert len(clients.chain.requests) == 1


async def test_all_answers_are_from_one_block(clients: ForeignClients) -> None:
    """A block that arrives in between does not mix two states: the poll starts again."""
    clients.post(1)
    worker, left = clients.worker(), [2]

    def advance() -> None:
        if left:
            left.pop()
            clients.chain.block += 1
            clients.chain.jobs[1].worker = THEIRS

    await worker.dialect()
    clients.chain.before_batch = advance
    snapshot = await worker.snapshot(1, 50)
    assert snapshot.head.number == 101
    assert [job.state for job in snapshot.jobs] == [JobState.PAID]


async def test_a_chain_that_changes_all_the_time_is_unavailable(clients: ForeignClients) -> None:
    """The attempts are limited."""
    clients.post(1)
    worker = clients.worker()
    await worker.dialect()

    def advance() -> None:
        clients.chain.block += 1

    clients.chain.before_batch = advance
    with pytest.raises(RegistryUnavailable):
        await worker.snapshot(1, 50)


@pytest.mark.parametrize("back", [0, 3])
async def test_after_a_reorganisation_all_is_read_again(clients: ForeignClients, back: int) -> None:
    """fault_11: another job may have the id, and finished jobs may be open again."""
    clients.post(2)
    clients.chain.jobs[1].worker = THEIRS
    worker = clients.worker()
    first, second = (await worker.snapshot(1, 50)).jobs
    assert (first.state, second.terms.reward_fri) == (JobState.PAID, 5)
    clients.chain.fork, clients.chain.block = 1, clients.chain.block + 2 - back
    clients.chain.jobs = {1: TheirJob(), 2: TheirJob(reward=9)}
    with structlog.testing.capture_logs() as lines:
        first, second = (await worker.snapshot(1, 50)).jobs
    assert (first.state, second.terms.reward_fri) == (JobState.OPEN, 9)
    assert [line["event"] for line in lines] == ["registry_went_back"]


@pytest.mark.parametrize(
    "counter",
    [max, lambda ids: max(ids) + 1, lambda _: 0, lambda _: 2**200, None],
    ids=["last id", "next id", "always 0", "nonsense", "none"],
)
@pytest.mark.parametrize("jobs", [1, 3, 25, 150])
async def test_the_newest_job_is_found(
    clients: ForeignClients, counter: Callable[[dict[int, TheirJob]], int] | None, jobs: int
) -> None:
    """Whatever the counter counts, and however many are added at once; the next one too."""
    if counter is not None:
        clients.chain.with_counter(lambda: counter(clients.chain.jobs) if clients.chain.jobs else 0)
    worker = clients.worker()
    assert (await worker.snapshot(1, 0)).job_counter == 0
    for more in (jobs, 1):
        clients.post(more, first=len(clients.chain.jobs) + 1)
        assert (await worker.snapshot(1, 0)).job_counter == len(clients.chain.jobs)


@pytest.mark.parametrize("ahead", [0, 1], ids=["last id", "next id"])
async def test_a_counter_leads_over_any_gap(clients: ForeignClients, ahead: int) -> None:
    """In a registry with only its newest jobs left, these are found at once."""
    clients.post(3, first=5001)
    clients.chain.with_counter(lambda: 5003 + ahead)
    worker = clients.worker()
    await worker.dialect()
    clients.chain.requests.clear()
    assert (await worker.snapshot(1, 0)).job_counter == 5003
    assert len(clients.chain.requests) <= 6
    assert [job.id for job in (await worker.snapshot(4990, 50)).jobs] == [5001, 5002, 5003]


async def test_deleted_jobs_leave_a_gap(clients: ForeignClients) -> None:
    """The walk continues after it; the ids in the gap are not queried again."""
    clients.post(30)
    for their_id in range(5, 12):
        del clients.chain.jobs[their_id]
    worker = clients.worker()
    snapshot = await worker.snapshot(1, 50)
    assert [job.id for job in snapshot.jobs] == [*range(1, 5), *range(12, 31)]
    clients.chain.asked.clear()
    await worker.snapshot(5, 7)
    assert clients.chain.asked.count("get_job_worker") == 0


async def test_views_may_panic_for_missing_values(clients: ForeignClients) -> None:
    """For unknown ids, and for a worker or a result that does not exist yet."""
    chain = clients.chain
    clients.post(2)

    def worker_of(job_id: int) -> list[int]:
        if not chain.known(job_id).worker:
            raise PanicError
        return [chain.known(job_id).worker]

    chain.functions["get_job_creator"] = Fn("felt252", "felt252", lambda i: [chain.known(i).creator])
    chain.functions["get_job_worker"] = Fn("felt252", "ContractAddress", worker_of)
    chain.functions["get_job_reward"] = Fn("felt252", "u256", lambda i: [chain.known(i).reward, 0])
    worker = clients.worker()
    chain.jobs[2].worker = THEIRS
    snapshot = await worker.snapshot(1, 50)
    assert [job.state for job in snapshot.jobs] == [JobState.OPEN, JobState.PAID]
    with pytest.raises(MoveRefused) as raised:
        await read_job(worker, 3)
    assert raised.value.rule == "UNKNOWN_JOB"


async def test_one_unusable_job_does_not_hide_the_others(clients: ForeignClients) -> None:
    """Its reward panics, or its answer does not fit: it is left out, logged once, and queried again."""
    clients.post(3)

    def reward(job_id: int) -> list[int]:
        if job_id == 2:
            raise PanicError
        return [5] if job_id == 3 else [5, 0]

    clients.chain.functions["get_job_reward"] = Fn("felt252", "u256", reward)
    worker = clients.worker()
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            assert [job.id for job in (await worker.snapshot(1, 50)).jobs] == [1]
    assert [line["job_id"] for line in lines if line["event"] == "job_left"] == [2, 3]
    with pytest.raises(MoveRefused) as raised:
        await read_job(worker, 2)
    assert raised.value.rule == "UNKNOWN_JOB"
    clients.chain.functions["get_job_reward"] = Fn("felt252", "u256", lambda _: [5, 0])
    assert len((await worker.snapshot(1, 50)).jobs) == 3


async def test_ids_that_start_at_0(clients: ForeignClients) -> None:
    """Its job 0 is our job 1, even if job 0 is deleted after our claim."""
    clients.post(3, first=0)
    clients.chain.jobs[0].reward = 9
    clients.chain.with_counter(lambda: 3)
    worker = clients.worker()
    snapshot = await worker.snapshot(1, 50)
    assert (snapshot.job_counter, [job.id for job in snapshot.jobs]) == (3, [1, 2, 3])
    assert (await read_job(worker, 1)).terms.reward_fri == 9
    await worker.claim(2)
    await worker.submit_result(2, CID)
    assert clients.sender.calldata[-1][0] == 1
    del clients.chain.jobs[0]
    fresh = clients.worker()
    assert [job.id for job in (await fresh.snapshot(1, 50)).jobs] == [2, 3]


async def test_a_registry_without_get_job_worker(clients: ForeignClients) -> None:
    """If it shows completion, that ends a job; our notes cover our own jobs."""
    del clients.chain.functions["get_job_worker"]
    clients.chain.functions["is_job_completed"] = Fn(
        "felt252", "u8", lambda i: [int(clients.chain.job(i).is_completed)]
    )
    clients.post(2)
    clients.chain.jobs[1].is_completed = True
    worker = clients.worker()
    one, two = (await worker.snapshot(1, 50)).jobs
    assert (one.state, one.worker, two.state) == (JobState.PAID, 0, JobState.OPEN)
    await worker.claim(2)
    await worker.submit_result(2, CID)
    clients.chain.jobs[2].is_completed = True
    done = await read_job(clients.worker(), 2)
    assert (done.state, done.worker, done.result_cid) == (JobState.PAID, OURS, CID)


async def test_a_job_past_its_deadline_is_not_read_again(clients: ForeignClients) -> None:
    """Nobody can claim it."""
    clients.chain.functions["get_job_deadline"] = Fn(
        "felt252", "u64", lambda i: [clients.chain.job(i).deadline]
    )
    clients.post(2)
    clients.chain.jobs[1].deadline = NOW
    worker = clients.worker()
    await worker.snapshot(1, 50)
    clients.chain.asked.clear()
    await worker.snapshot(1, 50)
    assert clients.chain.asked.count("get_job_worker") == 1


async def test_a_cid_may_be_as_long_as_a_transaction_allows(clients: ForeignClients) -> None:
    """Untrusted text in place of a CID is truncated, and is not a CID then."""
    chain = clients.chain
    chain.functions["get_job_asset_cid"] = Fn("felt252", "ByteArray", lambda _: [2000, *[0x61] * 2000, 0, 0])
    chain.functions["submit_result"] = Fn("felt252 ByteArray", "")
    clients.post(1)
    (job,) = (await clients.worker().snapshot(1, 50)).jobs
    assert len(job.order.asset_cid) == 129
