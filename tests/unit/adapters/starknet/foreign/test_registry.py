"""Moves at a foreign registry: how they are encoded, and what is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.foreign import CID, NOW, OURS, RESULT, THEIRS, Fn, PanicError
from tests.unit.adapters.starknet.foreign.clients import ForeignClients, rule, with_two_jobs

from veriframe.adapters.starknet.foreign.moves import AGAIN_SECONDS
from veriframe.adapters.starknet.transactions.receipt import Receipt
from veriframe.adapters.starknet.trust.head_clock import HeadClock
from veriframe.errors import Code, RegistryUnavailable
from veriframe.model.registry.job import Address, JobState
from veriframe.ports.registry import read_job


@pytest.fixture
def clients(tmp_path: Path) -> ForeignClients:
    """A chain with two jobs."""
    return with_two_jobs(tmp_path)


async def test_a_local_claim_survives_its_process(clients: ForeignClients) -> None:
    """fault_73: wherever the process ends, the next one sees the job in the same state."""
    await clients.worker().claim(1)
    claimed = await read_job(clients.worker(), 1)
    assert (claimed.state, claimed.worker, claimed.claimed_at) == (JobState.CLAIMED, OURS, NOW)
    clients.chain.now += 1000
    await clients.worker().submit_result(1, RESULT)
    done = await read_job(clients.worker(), 1)
    assert (done.state, done.worker, done.result_cid) == (JobState.PAID, OURS, RESULT)
    await clients.worker().claim(2)
    await clients.worker().release(2, Code.CRASH)
    assert (await read_job(clients.worker(), 2)).state is JobState.OPEN
    assert clients.sender.sent == [["submit_result"]]


async def test_killed_while_it_submits_at_a_registry_that_shows_no_worker(clients: ForeignClients) -> None:
    """fault_73: a submission that the sender finishes at the next start is recorded as ours."""
    del clients.chain.functions["get_job_worker"]
    await clients.worker().claim(1)

    async def die() -> None:
        raise KeyboardInterrupt

    clients.sender.after = die
    with pytest.raises(KeyboardInterrupt):
        await clients.worker().submit_result(1, RESULT)
    again = clients.worker()
    assert (await read_job(again, 1)).state is JobState.CLAIMED
    sent = Receipt(hash=1, label=clients.sender.labels[-1], block_number=7, fee_fri=5, events=())
    again.settle([replace(sent, revert_reason="no"), replace(sent, label="withdraw 1")])
    assert (await read_job(again, 1)).state is JobState.CLAIMED
    again.settle([sent])
    done = await read_job(clients.worker(), 1)
    assert (done.state, done.worker, done.result_cid) == (JobState.PAID, OURS, RESULT)


async def test_a_job_that_is_deleted_once_it_is_paid(clients: ForeignClients) -> None:
    """The registry deletes it; our notes say that it was paid. Another account's job is unknown."""
    worker = clients.worker()
    await worker.claim(1)
    await worker.submit_result(1, RESULT)
    clients.chain.jobs.clear()
    again = clients.worker()
    done = await read_job(again, 1)
    assert (done.state, done.worker, done.result_cid) == (JobState.PAID, OURS, RESULT)
    assert done.order.asset_cid == CID
    assert await rule(read_job(again, 2)) == "UNKNOWN_JOB"


async def test_a_faster_worker_is_seen(clients: ForeignClients) -> None:
    """Our claim counts until the registry shows a worker; then nothing is sent."""
    worker = clients.worker()
    await worker.claim(1)
    clients.chain.jobs[1].worker = THEIRS
    assert (await read_job(worker, 1)).worker == THEIRS
    assert await rule(worker.submit_result(1, RESULT)) == "NOT_CLAIMANT"
    assert await rule(worker.claim(1)) == "NOT_OPEN"
    assert clients.sender.sent == []


async def test_the_reserve_for_submissions_is_reported(clients: ForeignClients) -> None:
    """fault_68: for our own account, so that the worker stops before it cannot afford a submission."""
    worker = clients.worker()
    mine, theirs = await worker.funds(worker.account), await worker.funds(Address(THEIRS))
    assert (mine.wallet_fri, theirs.wallet_fri, theirs.reserve_fri) == (10**24, 10**24, 0)
    assert 10**16 < mine.reserve_fri <= 2 * 10**18


async def test_a_paused_registry_is_unavailable(clients: ForeignClients) -> None:
    """fault_71: results are kept and submitted later, instead of being lost by a revert."""
    paused = [1]
    clients.chain.functions["paused"] = Fn("", "bool", lambda: paused)
    ending(clients, "")
    worker = clients.worker()
    assert await rule(worker.claim(1)) == "NOT_ELIGIBLE"
    paused[0] = 0
    await worker.claim(1)
    paused[0] = 1
    for move in (worker.submit_result(1, RESULT), worker.finalize(1)):
        with pytest.raises(RegistryUnavailable):
            await move
    assert clients.sender.sent == []
    paused[0] = 0
    await worker.submit_result(1, RESULT)
    assert clients.sender.sent == [["submit_result"]]


async def test_a_submission_that_a_reorganisation_reverts(clients: ForeignClients) -> None:
    """fault_67: a result that the registry no longer shows is submitted again; a lagging node is awaited."""
    worker = clients.worker()
    await worker.claim(1)
    await worker.submit_result(1, RESULT)
    await worker.snapshot(1, 0)
    clients.chain.jobs[1].worker = 0
    lagging = await read_job(worker, 1)
    assert (lagging.state, lagging.worker) == (JobState.SUBMITTED, OURS)
    clients.chain.fork, clients.chain.block = 1, clients.chain.block + 1
    undone = await read_job(worker, 1)
    assert (undone.state, undone.worker) == (JobState.CLAIMED, OURS)
    await clients.worker().submit_result(1, RESULT)
    assert (await read_job(worker, 1)).state is JobState.PAID


def ending(clients: ForeignClients, refusal: str) -> None:
    """A registry that pays by `finalize_job`, or refuses to."""
    clients.chain.functions["finalize_job"] = Fn("felt252", "")
    before = clients.sender.play

    def finalize(name: str, felts: Sequence[int]) -> None:
        if name == "finalize_job" and refusal:
            raise PanicError(refusal)
        before(name, felts)

    clients.sender.play = finalize


async def test_a_refused_finalization_waits_for_an_hour(clients: ForeignClients) -> None:
    """Also in the next process: it may cost a fee. The job shows when it is due."""
    ending(clients, "TOO_EARLY")
    worker = clients.worker()
    await worker.claim(1)
    await worker.submit_result(1, RESULT)
    assert await rule(worker.finalize(1)) == "REVERTED"
    again = clients.worker()
    assert await rule(again.finalize(1)) == "NOT_DUE"
    assert (await read_job(again, 1)).review_end == NOW + AGAIN_SECONDS
    assert clients.sender.sent.count(["finalize_job"]) == 1
    clients.chain.now += AGAIN_SECONDS
    ending(clients, "")
    clients.sender.play = lambda *_: None
    await again.finalize(1)
    assert (await read_job(clients.worker(), 1)).state is JobState.PAID


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("ALREADY_FINAL", JobState.PAID),
        ("Job already paid", JobState.PAID),
        ("JOB_COMPLETED", JobState.PAID),
        ("NOT_COMPLETED", JobState.SUBMITTED),
        ("Job not finalized", JobState.SUBMITTED),
        ("TOO_EARLY", JobState.SUBMITTED),
    ],
)
async def test_a_faster_finalization_is_recognised(
    clients: ForeignClients, words: str, state: JobState
) -> None:
    """Anyone may finalize; if a registry does not show it, its refusal does."""
    ending(clients, words)
    worker = clients.worker()
    await worker.claim(1)
    await worker.submit_result(1, RESULT)
    await rule(worker.finalize(1))
    assert (await read_job(clients.worker(), 1)).state is state


async def test_an_unsupported_registry_is_refused(clients: ForeignClients) -> None:
    """By every call."""
    clients.chain.functions["submit_result"] = Fn("felt252 felt252", "")
    for asked in (
        clients.worker().snapshot(1, 50),
        clients.worker().snapshot(1, 0),
        read_job(clients.worker(), 1),
    ):
        with pytest.raises(RegistryUnavailable, match=r"submit_result.*31"):
            await asked


async def test_nothing_is_claimed_at_an_implausible_time(clients: ForeignClients) -> None:
    """fault_98: also at a foreign registry."""
    worker = clients.worker()
    worker.trust.clock = HeadClock(600, clock=lambda: clients.chain.now + 601)
    with pytest.raises(RegistryUnavailable, match="NTP"):
        await worker.claim(1)
    worker.trust.clock = HeadClock(600, clock=lambda: clients.chain.now + 600)
    await worker.claim(1)
    assert (await read_job(worker, 1)).worker == worker.account
