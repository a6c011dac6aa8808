"""The jobs that a foreign registry gives to an account, and the account's standing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog
from tests.fakes.foreign import RESULT, THEIRS, Fn, PanicError
from tests.unit.adapters.starknet.foreign.clients import ForeignClients, rule, with_two_jobs

from veriframe.errors import MoveRefused, RegistryUnavailable
from veriframe.model.quantities import format_strk
from veriframe.model.registry.standing import WorkerStanding

ADDRESS, BOOL = "ContractAddress", "bool"


@pytest.fixture
def clients(tmp_path: Path) -> ForeignClients:
    """A chain with two jobs."""
    return with_two_jobs(tmp_path)


def guild(clients: ForeignClients, *, wanted: int = 0, reputation: int = 0, verified: bool = True) -> None:
    """A registry that has a status for its workers."""
    functions = clients.chain.functions
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
    clients: ForeignClients, functions: dict[str, Fn], listed: list[int]
) -> None:
    """With one log line each, not one for each poll; and they are not claimed."""
    clients.chain.functions.update(functions)
    worker = clients.worker()
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            assert [job.id for job in (await worker.snapshot(1, 50)).jobs] == listed
    left = [line["job_id"] for line in lines if line["event"] == "job_left"]
    assert left == [job_id for job_id in (1, 2) if job_id not in listed]
    for job_id in left:
        assert await rule(worker.claim(job_id)) == "NOT_ELIGIBLE"


async def test_a_job_may_require_reputation(clients: ForeignClients) -> None:
    """More than the worker has: the log line says how much."""
    guild(clients, wanted=3, reputation=2)
    worker = clients.worker()
    with structlog.testing.capture_logs() as lines:
        assert [job.id for job in (await worker.snapshot(1, 50)).jobs] == [1]
    (line,) = [line for line in lines if line["event"] == "job_left"]
    assert line["reason"] == "it requires a reputation of 3, and this account's is 2"
    guild(clients, wanted=3, reputation=3)
    assert [job.id for job in (await worker.snapshot(1, 50)).jobs] == [1, 2]


async def test_a_status_without_verification_gives_no_jobs(clients: ForeignClients) -> None:
    """Its first value says so."""
    guild(clients, verified=False)
    assert list((await clients.worker().snapshot(1, 50)).jobs) == []


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
    clients: ForeignClients,
    functions: dict[str, list[int] | None],
    registered: bool | None,
    verified: bool | None,
    reputation: int | None,
) -> None:
    """As far as the registry shows it; it may panic for unknown accounts."""

    def answer(felts: list[int] | None) -> list[int]:
        if felts is None:
            raise PanicError
        return felts

    for name, felts in functions.items():
        outputs = "(bool,u16,u32,u32)" if name == "get_worker_status" else BOOL
        clients.chain.functions[name] = Fn(ADDRESS, outputs, lambda _, felts=felts: answer(felts))
    assert await clients.worker().standing() == WorkerStanding(
        may_register=False,
        is_registered=registered,
        is_verified=verified,
        reputation=reputation,
        is_paused=False,
    )


async def test_a_worker_registers_itself(clients: ForeignClients) -> None:
    """As the ABI requires; if the function is missing or unsupported, the error says so."""
    worker = clients.worker()
    assert await rule(worker.register("me")) == "NO_REGISTRATION"
    clients.chain.functions["register_worker"] = Fn("felt252", "")
    await clients.worker().register("me")
    assert (clients.sender.sent, clients.sender.calldata) == ([["register_worker"]], [[0x6D65]])
    clients.chain.functions["register_worker"] = Fn("u64 u64", "")
    with pytest.raises(MoveRefused, match=r"\(u64, u64\)"):
        await clients.worker().register("me")


@pytest.mark.parametrize(
    ("verified", "wanted", "words"),
    [
        (True, 3, ("reputation of 3", "this account's is 2")),
        (False, 0, ("not verified", "veriframe doctor")),
        (True, 0, ("does not accept", "veriframe doctor")),
    ],
)
async def test_the_reason_for_a_refusal_is_as_exact_as_the_registry_tells(
    clients: ForeignClients, verified: bool, wanted: int, words: tuple[str, ...]
) -> None:
    """fault_171: where it only says that an account is not eligible, its other views tell why."""
    guild(clients, wanted=wanted, reputation=2, verified=verified)
    not_two = Fn(f"{ADDRESS} felt252", BOOL, lambda _, job: [job == 1])
    clients.chain.functions["is_worker_eligible"] = not_two
    with structlog.testing.capture_logs() as lines:
        assert [job.id for job in (await clients.worker().snapshot(1, 50)).jobs] == [1]
    (line,) = [line for line in lines if line["event"] == "job_left"]
    assert [word for word in words if word not in line["reason"]] == []


async def test_a_job_that_is_left_is_shown_with_its_figures(clients: ForeignClients) -> None:
    """fault_169: what it would earn and cost; the fees are estimated by the moves that the registry has."""
    clients.chain.functions["is_worker_verified"] = Fn(ADDRESS, BOOL, lambda _: [0])
    worker = clients.worker()
    funds = await worker.funds(worker.account)
    assert (funds.job_fees_fri > 0, funds.is_paid_in_fri) == (True, False)
    with structlog.testing.capture_logs() as lines:
        await worker.snapshot(1, 1)
    (line,) = [line for line in lines if line["event"] == "job_left"]
    figures = {"creator": "0xc", "reward": format_strk(5), "fees": format_strk(funds.job_fees_fri)}
    assert {**figures, "bond": "0 STRK"}.items() <= line.items()


async def test_a_result_waits_while_the_account_is_not_verified(clients: ForeignClients) -> None:
    """fault_172: nothing is sent, for it would be reverted; once verified again, it is accepted."""
    verified = [1]
    clients.chain.functions["is_worker_verified"] = Fn(ADDRESS, BOOL, lambda _: verified)
    worker = clients.worker()
    await worker.claim(1)
    verified[0] = 0
    with pytest.raises(RegistryUnavailable, match="waits until"):
        await worker.submit_result(1, RESULT)
    assert clients.sender.sent == []
    verified[0] = 1
    await worker.submit_result(1, RESULT)
    assert clients.sender.sent == [["submit_result"]]


async def test_a_result_that_another_beats_is_refused_unsent(clients: ForeignClients) -> None:
    """fault_170: a look tells, and no revert is paid for; also while the account is not verified."""
    worker = clients.worker()
    await worker.claim(1)
    clients.chain.jobs[1].worker, clients.chain.jobs[1].result = THEIRS, "theirs"
    clients.chain.functions["is_worker_verified"] = Fn(ADDRESS, BOOL, lambda _: [0])
    assert await rule(worker.submit_result(1, RESULT)) == "NOT_CLAIMANT"
    assert clients.sender.sent == []


@pytest.mark.parametrize(
    ("panic", "registered"),
    [("ALREADY_REGISTERED", True), ("Worker is registered", True), ("NOT_REGISTERED_YET", None), ("", None)],
)
async def test_a_registry_that_knows_an_account_is_not_asked_to_register_it(
    clients: ForeignClients, panic: str, registered: bool | None
) -> None:
    """fault_171: if no view tells, it would refuse another registration, as an estimate shows."""

    def play(name: str, _felts: Sequence[int]) -> None:
        assert name == "register_worker"
        if panic:
            raise PanicError(panic)

    guild(clients, verified=False)
    clients.chain.functions["register_worker"] = Fn("", "")
    clients.sender.play = play
    worker = clients.worker()
    standing = await worker.standing()
    assert standing.is_registered is registered
    assert ("account register" in standing.missing(worker.account)) == (registered is None)
    assert clients.sender.sent == []
