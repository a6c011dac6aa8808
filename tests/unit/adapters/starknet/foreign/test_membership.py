"""The jobs that a foreign registry gives to an account, and the account's standing."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog
from tests.fakes.foreign import Fn, PanicError
from tests.unit.adapters.starknet.foreign.clients import ForeignClients, rule, with_two_jobs

from veriframe.errors import MoveRefused
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
