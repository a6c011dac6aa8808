"""Several moves at a foreign registry in one transaction: a refused one does not affect the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path

import pytest
from tests.fakes.foreign import OURS, RESULT, THEIRS, Fn, PanicError
from tests.unit.adapters.starknet.foreign.clients import ForeignClients, with_two_jobs

from veriframe.adapters.starknet.transactions.receipt import Receipt
from veriframe.errors import MoveRefused
from veriframe.model.registry.job import JobState
from veriframe.ports.registry import read_job, read_jobs


@pytest.fixture
def clients(tmp_path: Path) -> ForeignClients:
    """A chain with two jobs."""
    return with_two_jobs(tmp_path)


def claiming(clients: ForeignClients, jobs: int) -> None:
    """A registry with claims, results and this many jobs."""
    clients.chain.functions["claim_job"] = Fn("felt252", "")
    clients.chain.with_results()
    clients.post(jobs)


async def together(*moves: Awaitable[int]) -> list[str]:
    """The outcomes of simultaneous moves."""
    ended = await asyncio.gather(*moves, return_exceptions=True)
    assert all(isinstance(error, int | MoveRefused) for error in ended), ended
    return [error.rule if isinstance(error, MoveRefused) else "done" for error in ended]


async def test_waiting_moves_share_one_transaction(clients: ForeignClients) -> None:
    """The first is sent at once; those that wait in the meantime are all in the next."""
    claiming(clients, 5)
    worker = clients.worker()
    assert await together(*(worker.claim(job_id) for job_id in range(1, 6))) == ["done"] * 5
    assert clients.sender.sent == [["claim_job"], ["claim_job"] * 4]
    assert clients.sender.labels == ["claim 1", "claim [2, 3, 4, 5]"]
    clients.sender.sent.clear()
    results = (worker.submit_result(job_id, RESULT) for job_id in range(1, 6))
    assert await together(*results) == ["done"] * 5
    assert clients.sender.sent == [["submit_result"], ["submit_result"] * 4]
    again = clients.worker()
    assert {job.state for job in await read_jobs(again, 1, 5)} == {JobState.PAID}


async def test_one_bad_id_does_not_affect_the_others(clients: ForeignClients) -> None:
    """A known refusal is not sent; if the contract refuses the transaction, each move is tried alone."""
    claiming(clients, 5)
    worker = clients.worker()
    play_before, clients.chain.jobs[3].worker = clients.sender.play, THEIRS

    def refuse_4(name: str, felts: Sequence[int]) -> None:
        if felts[0] == 4:
            raise PanicError("NO_MORE")
        play_before(name, felts)

    clients.sender.play = refuse_4
    ended = await together(*(worker.claim(job_id) for job_id in (1, 2, 3, 4, 5, 99, 2)))
    assert ended == ["done", "done", "NOT_OPEN", "REVERTED", "done", "UNKNOWN_JOB", "REVERTED"]
    assert clients.sender.sent == [["claim_job"], ["claim_job"] * 3, *[["claim_job"]] * 3]
    workers = [clients.chain.jobs[job_id].worker for job_id in range(1, 6)]
    assert workers == [OURS, OURS, THEIRS, 0, OURS]


async def test_an_earlier_transaction_may_have_done_it(clients: ForeignClients) -> None:
    """Its outcome was unknown, and the registry shows the move: a second one's refusal does not matter."""
    claiming(clients, 2)
    worker = clients.worker()
    await worker.claim(1)

    def already(name: str, felts: Sequence[int]) -> None:
        raise PanicError("HAS_A_RESULT")

    async def hand_in() -> None:
        clients.chain.jobs[1].result = RESULT

    clients.sender.play = already
    clients.sender.at_refusal = hand_in
    await worker.submit_result(1, RESULT)
    assert (await read_job(clients.worker(), 1)).state is JobState.PAID


async def test_without_visible_workers_each_move_is_sent_alone(clients: ForeignClients) -> None:
    """A single move's transaction is found again by its job; one of several could be another account's."""
    del clients.chain.functions["get_job_worker"]
    clients.post(3)
    worker = clients.worker()
    await together(*(worker.claim(job_id) for job_id in (1, 2, 3)))
    await together(*(worker.submit_result(job_id, RESULT) for job_id in (1, 2, 3)))
    assert clients.sender.labels == [f"submit_result {job_id}" for job_id in (1, 2, 3)]


async def test_a_batch_of_an_earlier_run_is_settled(clients: ForeignClients) -> None:
    """fault_73: from the ids in its label."""
    worker = clients.worker()
    await together(worker.claim(1), worker.claim(2))

    async def die() -> None:
        raise KeyboardInterrupt

    clients.sender.after = die
    for job_id in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            await worker.submit_result(job_id, RESULT)
    clients.chain.jobs.clear()
    again = clients.worker()
    again.settle([Receipt(hash=1, label="submit_result [1, 2]", block_number=7, fee_fri=5, events=())])
    assert [(await read_job(again, job_id)).state for job_id in (1, 2)] == [JobState.PAID] * 2
