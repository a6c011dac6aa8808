"""Moves at a foreign registry: what it wants, what is noted, and where an account stands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.fakes.foreign import CID, NOW, OURS, RESULT, THEIRS, Fn, PanicError
from tests.unit.adapters.starknet.foreign_seats import ForeignSeats

from veriframe.adapters.starknet.foreign import AGAIN_SECONDS
from veriframe.adapters.starknet.receipt import Receipt
from veriframe.errors import Code, MoveRefused, RegistryUnavailable
from veriframe.model.job import JobState
from veriframe.ports import WorkerStanding

ADDRESS, BOOL = "ContractAddress", "bool"


@pytest.fixture
def seats(tmp_path: Path) -> ForeignSeats:
    """A chain with two jobs; what is submitted, is noted there as ours."""
    made = ForeignSeats(tmp_path)
    made.post(2)
    made.sender.play = lambda name, felts: play(made, name, felts)
    return made


def play(seats: ForeignSeats, name: str, felts: Sequence[int]) -> None:
    """What such a contract does."""
    if name == "submit_result":
        job = seats.chain.known(felts[0])
        if job.worker not in (0, OURS):
            raise PanicError("HAS_A_RESULT")
        job.worker, job.result = OURS, RESULT
    if name == "claim_job":
        if seats.chain.known(felts[0]).worker:
            raise PanicError("NOT_OPEN")
        seats.chain.known(felts[0]).worker = OURS


async def rule(move: Any) -> str:
    """The rule by which a move is refused."""
    with pytest.raises(MoveRefused) as raised:
        await move
    return raised.value.rule


async def test_a_local_claim_survives_its_process(seats: ForeignSeats) -> None:
    """fault_73: at each point where the process may end, the next one sees the job as this one did."""
    await seats.worker().claim(1)
    claimed = await seats.worker().get_job(1)
    assert (claimed.state, claimed.worker, claimed.claimed_at) == (JobState.CLAIMED, OURS, NOW)
    seats.chain.now += 1000
    await seats.worker().submit_result(1, RESULT)
    done = await seats.worker().get_job(1)
    assert (done.state, done.worker, done.result_cid) == (JobState.PAID, OURS, RESULT)
    await seats.worker().claim(2)
    await seats.worker().release(2, Code.CRASH)
    assert (await seats.worker().get_job(2)).state is JobState.OPEN
    assert seats.sender.sent == [["submit_result"]]


async def test_killed_while_it_submits_at_a_registry_that_shows_no_worker(seats: ForeignSeats) -> None:
    """fault_73: what the sender brings to its end at the next start is noted as ours."""
    del seats.chain.functions["get_job_worker"]
    await seats.worker().claim(1)

    async def die() -> None:
        raise KeyboardInterrupt

    seats.sender.after = die
    with pytest.raises(KeyboardInterrupt):
        await seats.worker().submit_result(1, RESULT)
    again = seats.worker()
    assert (await again.get_job(1)).state is JobState.CLAIMED
    sent = Receipt(hash=1, label=seats.sender.labels[-1], block_number=7, fee_fri=5, events=())
    reverted = Receipt(
        hash=2, label="submit_result 2", block_number=7, fee_fri=5, events=(), revert_reason="no"
    )
    again.hear([sent, reverted])
    done = await seats.worker().get_job(1)
    assert (done.state, done.worker, done.result_cid) == (JobState.PAID, OURS, RESULT)


async def test_a_job_that_is_taken_out_once_it_is_paid(seats: ForeignSeats) -> None:
    """The registry forgets it; our notes tell that it ended well. Another's is unknown."""
    worker = seats.worker()
    await worker.claim(1)
    await worker.submit_result(1, RESULT)
    seats.chain.jobs.clear()
    again = seats.worker()
    done = await again.get_job(1)
    assert (done.state, done.worker, done.result_cid) == (JobState.PAID, OURS, RESULT)
    assert done.order.asset_cid == CID
    assert await rule(again.get_job(2)) == "UNKNOWN_JOB"


async def test_a_faster_one_is_seen(seats: ForeignSeats) -> None:
    """Our claim counts until the registry shows a worker; then nothing is sent any more."""
    worker = seats.worker()
    await worker.claim(1)
    seats.chain.jobs[1].worker = THEIRS
    assert (await worker.get_job(1)).worker == THEIRS
    assert await rule(worker.submit_result(1, RESULT)) == "NOT_CLAIMANT"
    assert await rule(worker.claim(1)) == "NOT_OPEN"
    assert seats.sender.sent == []


# eligibility


def guild(seats: ForeignSeats, *, wanted: int = 0, reputation: int = 0, verified: bool = True) -> None:
    """A registry that knows its workers by their status."""
    functions = seats.chain.functions
    status = [int(verified), reputation, 0, 0]
    functions["get_worker_status"] = Fn(ADDRESS, "(bool,u16,u32,u32)", lambda _: status)
    functions["get_minimum_reputation_for_job"] = Fn("felt252", "u16", lambda i: [wanted if i == 2 else 0])


@pytest.mark.parametrize(
    ("functions", "listed"),
    [
        ({"is_worker_eligible": Fn(f"{ADDRESS} felt252", BOOL, lambda _, job: [job == 1])}, [1]),
        ({"is_worker_eligible": Fn(f"felt252 {ADDRESS}", "u8", lambda job, _: [job == 1])}, [1]),
        ({"is_worker_verified": Fn(ADDRESS, BOOL, lambda _: [0])}, []),
        ({"is_worker_registered": Fn(ADDRESS, BOOL, lambda _: [0])}, []),
        ({"is_worker_verified": Fn(ADDRESS, BOOL, lambda _: [1])}, [1, 2]),
        ({"paused": Fn("", BOOL, lambda: [1])}, []),
    ],
)
async def test_jobs_it_is_not_eligible_for_are_left(
    seats: ForeignSeats, functions: dict[str, Fn], listed: list[int]
) -> None:
    """With one log line each, not one for each look; nor are they claimed."""
    seats.chain.functions.update(functions)
    worker = seats.worker()
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            assert [job.id for job in (await worker.look(1, 50)).jobs] == listed
    left = [line["job_id"] for line in lines if line["event"] == "job_left"]
    assert left == [job_id for job_id in (1, 2) if job_id not in listed]
    for job_id in left:
        assert await rule(worker.claim(job_id)) == "NOT_ELIGIBLE"


async def test_a_job_may_want_reputation(seats: ForeignSeats) -> None:
    """More than the worker has: the line says how much."""
    guild(seats, wanted=3, reputation=2)
    worker = seats.worker()
    with structlog.testing.capture_logs() as lines:
        assert [job.id for job in (await worker.look(1, 50)).jobs] == [1]
    (line,) = [line for line in lines if line["event"] == "job_left"]
    assert line["reason"] == "it wants a reputation of 3, and this account's is 2"
    guild(seats, wanted=3, reputation=3)
    assert [job.id for job in (await worker.look(1, 50)).jobs] == [1, 2]


async def test_a_status_without_verification_serves_nobody(seats: ForeignSeats) -> None:
    """Its first value says so."""
    guild(seats, verified=False)
    assert list((await seats.worker().look(1, 50)).jobs) == []


@pytest.mark.parametrize(
    ("functions", "registered", "verified", "reputation"),
    [
        ({}, None, None, None),
        ({"is_worker_registered": [1], "is_worker_verified": [0]}, True, False, None),
        ({"get_worker_status": [1, 7, 2, 0]}, True, True, 7),
        ({"get_worker_status": [0, 0, 0, 0]}, None, False, 0),
        ({"get_worker_status": None}, False, None, None),
    ],
)
async def test_a_workers_standing(
    seats: ForeignSeats,
    functions: dict[str, list[int] | None],
    registered: bool | None,
    verified: bool | None,
    reputation: int | None,
) -> None:
    """As far as the registry tells it; it may panic for those it does not know."""

    def told(felts: list[int] | None) -> list[int]:
        if felts is None:
            raise PanicError
        return felts

    for name, felts in functions.items():
        outputs = "(bool,u16,u32,u32)" if name == "get_worker_status" else BOOL
        seats.chain.functions[name] = Fn(ADDRESS, outputs, lambda _, felts=felts: told(felts))
    assert await seats.worker().standing() == WorkerStanding(
        may_register=False,
        is_registered=registered,
        is_verified=verified,
        reputation=reputation,
        is_paused=False,
    )


async def test_a_worker_registers_itself(seats: ForeignSeats) -> None:
    """As the ABI wants it; where it has no such function, or another, that is said."""
    worker = seats.worker()
    assert await rule(worker.register("me")) == "NO_REGISTRATION"
    seats.chain.functions["register_worker"] = Fn("felt252", "")
    await seats.worker().register("me")
    assert (seats.sender.sent, seats.sender.calldata) == ([["register_worker"]], [[0x6D65]])
    seats.chain.functions["register_worker"] = Fn("u64 u64", "")
    with pytest.raises(MoveRefused, match=r"wants \(u64, u64\)"):
        await seats.worker().register("me")


# finalizing


def ending(seats: ForeignSeats, refusal: str) -> None:
    """A registry that pays by `finalize_job`, or refuses to."""
    seats.chain.functions["finalize_job"] = Fn("felt252", "")
    before = seats.sender.play

    def finalize(name: str, felts: Sequence[int]) -> None:
        if name == "finalize_job" and refusal:
            raise PanicError(refusal)
        before(name, felts)

    seats.sender.play = finalize


async def test_a_refused_finalizing_is_left_for_an_hour(seats: ForeignSeats) -> None:
    """By the next process too: it may cost a fee. The job says when it is due."""
    ending(seats, "TOO_EARLY")
    worker = seats.worker()
    await worker.claim(1)
    await worker.submit_result(1, RESULT)
    assert await rule(worker.finalize(1)) == "REVERTED"
    again = seats.worker()
    assert await rule(again.finalize(1)) == "NOT_DUE"
    assert (await again.get_job(1)).review_end == NOW + AGAIN_SECONDS
    assert seats.sender.sent.count(["finalize_job"]) == 1
    seats.chain.now += AGAIN_SECONDS
    ending(seats, "")
    seats.sender.play = lambda *_: None
    await again.finalize(1)
    assert (await seats.worker().get_job(1)).state is JobState.PAID


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
async def test_who_was_faster_with_finalizing_is_understood(
    seats: ForeignSeats, words: str, state: JobState
) -> None:
    """Anyone may finalize: where a registry shows that nowhere, its refusal says it."""
    ending(seats, words)
    worker = seats.worker()
    await worker.claim(1)
    await worker.submit_result(1, RESULT)
    await rule(worker.finalize(1))
    assert (await seats.worker().get_job(1)).state is state


async def test_the_lines_of_a_registry_that_cannot_serve(seats: ForeignSeats) -> None:
    """Whatever is asked of it."""
    seats.chain.functions["submit_result"] = Fn("felt252 felt252", "")
    for asked in (seats.worker().look(1, 50), seats.worker().job_counter(), seats.worker().get_job(1)):
        with pytest.raises(RegistryUnavailable, match="one short string holds 31 characters"):
            await asked
