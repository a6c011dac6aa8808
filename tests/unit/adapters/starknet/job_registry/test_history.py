"""A job's history from our contract's events: hostile until checked."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.chain import FakeChain
from tests.unit.adapters.starknet.job_registry.clients import CREATOR, WORKER, Clients

from veriframe.adapters.starknet.job_registry.history import UNREADABLE
from veriframe.errors import Code
from veriframe.ports.registry import read_job


@pytest.fixture
async def clients() -> Clients:
    """A chain on which the worker has claimed and released job 1."""
    made = Clients()
    await made.posted()
    worker = made.as_account(WORKER)
    await worker.deposit(100)
    await worker.claim(1)
    await worker.release(1, Code.MISSING_FILES)
    return made


async def read(
    clients: Clients, change: Any, monkeypatch: pytest.MonkeyPatch, at: int = -1
) -> tuple[list[str], str]:
    """The kinds and reasons that are told if one of the node's events, the last one, is changed."""
    events = FakeChain._events

    def changed(chain: FakeChain, asked: Any) -> Any:
        answer = events(chain, asked)
        answer["events"][at] |= change
        return answer

    monkeypatch.setattr(FakeChain, "_events", changed)
    creator = clients.as_account(CREATOR)
    found = await creator.history(await read_job(creator, 1))
    return [f"{one.kind} {one.reason}".strip() for one in found.events], found.gap


async def test_events_of_the_job_are_told(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_135: with the reason of the release."""
    assert await read(clients, {}, monkeypatch) == (["JobClaimed", "JobReleased MISSING_FILES"], "")


@pytest.mark.parametrize(
    "change",
    [{"data": []}, {"data": ["0x1"]}, {"data": ["0x1", "0x2", "0x3"]}, {"data": [hex(2**128), "0x2"]}],
)
async def test_data_that_do_not_fit_are_a_gap(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    """fault_59: the other events are told."""
    assert await read(clients, change, monkeypatch) == (["JobClaimed"], UNREADABLE)


@pytest.mark.parametrize("reason", [b"\x1b[31m", b"", b"\xff\xfe", b"x" * 31])
async def test_a_reason_may_be_any_felt(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, reason: bytes
) -> None:
    """Workers give it; whoever shows it makes it printable."""
    told, gap = await read(clients, {"data": ["0x1", hex(int.from_bytes(reason))]}, monkeypatch)
    assert (told[-1].partition(" ")[2], gap) == (reason.decode(errors="replace").strip(), "")


@pytest.mark.parametrize("lease_end", [0, 2**64 - 1])
async def test_impossible_times_are_a_gap(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, lease_end: int
) -> None:
    """fault_59: no date that a calendar does not have."""
    told, gap = await read(clients, {"data": ["0x1", hex(lease_end)]}, monkeypatch, at=0)
    assert (told, gap) == (["JobReleased MISSING_FILES"], UNREADABLE)
