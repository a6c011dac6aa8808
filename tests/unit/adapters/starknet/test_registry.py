"""Moves on our contract: judged before they are sent, refused by its rules, logged with their cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from starknet_py.hash.selector import get_selector_from_name
from tests.fakes.chain import CLASS_HASH, REGISTRY, TOKEN, FakeChain, FakeSender
from tests.fakes.registry import Shared
from tests.ports.registry_world import CID

from veriframe.adapters.starknet.contract import refusal
from veriframe.adapters.starknet.opening import open_registry, read_class_hashes
from veriframe.adapters.starknet.registry import StarknetRegistry
from veriframe.errors import Code, MoveRefused, RegistryUnavailable, SettingsError
from veriframe.model.job import Address, Terms

WALLET, R, B = 10_000, 100, 10
CREATOR, WORKER = 0xC, 0xD


class Seats:
    """A creator and a worker with credit on one fake chain."""

    def __init__(self) -> None:
        self.shared = Shared(strict=True)
        self.chain = FakeChain(self.shared)
        self.senders = {account: FakeSender(account, self.chain) for account in (CREATOR, WORKER)}
        for account in self.senders:
            self.shared.wallets[Address(account)] = WALLET

    def as_account(self, account: int) -> StarknetRegistry:
        """The registry by one account."""
        sender = self.senders[account]
        return StarknetRegistry(self.chain, sender, REGISTRY, token=TOKEN, class_hashes={CLASS_HASH})

    async def posted(self, jobs: int = 1) -> int:
        """An order of the creator's; its first job."""
        creator = self.as_account(CREATOR)
        await creator.deposit(R * jobs)
        terms = Terms(
            reward_fri=R,
            bond_fri=B,
            deadline=self.shared.now + 10_000,
            lease_seconds=600,
            review_seconds=60,
            arbitration_seconds=60,
        )
        return (await creator.create_order(CID, terms, jobs))[0]


@pytest.fixture
def seats() -> Seats:
    """Two accounts."""
    return Seats()


async def rule(move: Any) -> str:
    """The rule by which a move is refused."""
    with pytest.raises(MoveRefused) as raised:
        await move
    return raised.value.rule


async def test_a_deposit_is_allowed_and_made_in_one_transaction(seats: Seats) -> None:
    """The token's allowance and the contract's taking succeed or fail together."""
    await seats.as_account(WORKER).deposit(B)
    assert seats.senders[WORKER].sent == [["approve", "deposit"]]


async def test_what_the_registry_would_refuse_is_not_sent(seats: Seats) -> None:
    """A revert costs a fee."""
    job_id = await seats.posted()
    worker = seats.as_account(WORKER)
    assert await rule(worker.claim(job_id)) == "INSUFFICIENT_CREDIT"
    assert await rule(worker.submit_result(job_id, CID)) == "NOT_CLAIMANT"
    assert await rule(worker.finalize(job_id)) == "NOT_DUE"
    assert await rule(worker.claim(99)) == "UNKNOWN_JOB"
    assert seats.senders[WORKER].sent == []


async def test_what_changed_in_between_the_contract_reverts(seats: Seats) -> None:
    """The refusal has the contract's rule, and the log the hash and the fee of the revert."""
    job_id = await seats.posted()
    worker, sender = seats.as_account(WORKER), seats.senders[WORKER]
    await worker.deposit(B)
    job = seats.shared.jobs[job_id]

    async def change() -> None:
        theirs = replace(job.order, creator=Address(WORKER))
        seats.shared.jobs[job_id] = replace(job, order=theirs)

    sender.before = change
    with structlog.testing.capture_logs() as lines:
        assert await rule(worker.claim(job_id)) == "OWN_JOB"
    (line,) = lines
    assert (line["event"], line["move"], line["refused"]) == ("registry_move", "claim", "OWN_JOB")
    assert (line["transaction"], line["fee_fri"]) == ("0x1", 7)


async def test_a_move_is_logged_with_its_hash_and_fee(seats: Seats) -> None:
    """As the embedded registry's are, and what it cost."""
    with structlog.testing.capture_logs() as lines:
        job_id = await seats.posted()
    (deposit, create) = lines
    assert (deposit["move"], deposit["amount_fri"], deposit["fee_fri"]) == ("deposit", R, 5)
    assert (create["move"], create["transaction"], create["account"]) == ("create_order", "0x1", "0xc")
    assert job_id == 1


async def test_money_goes_to_no_foreign_class(seats: Seats) -> None:
    """Neither an allowance nor a deposit, whatever the ABI says."""
    seats.chain.class_hash = 0xBAD
    assert await rule(seats.as_account(WORKER).deposit(B)) == "FOREIGN_CLASS"
    assert seats.senders[WORKER].sent == []


async def test_the_new_order_is_found_behind_those_of_others(seats: Seats) -> None:
    """The ids are those of our order, though another's was posted right after it."""
    first = await seats.posted(jobs=3)
    other, creator, sender = seats.as_account(WORKER), seats.as_account(CREATOR), seats.senders[CREATOR]
    await other.deposit(R)
    await creator.deposit(2 * R)
    terms = (await creator.get_job(first)).terms
    sender.after = lambda: other.create_order(CID, terms, 1)
    assert list(await creator.create_order(CID, terms, 2)) == [4, 5]
    assert await creator.job_counter() == 6


async def test_an_order_that_the_node_does_not_show_yet_is_told(seats: Seats) -> None:
    """A node that lags behind its own receipt."""
    first = await seats.posted()
    creator, sender = seats.as_account(CREATOR), seats.senders[CREATOR]
    await creator.deposit(R)

    terms = (await creator.get_job(first)).terms
    sender.lags = True
    with pytest.raises(RegistryUnavailable, match="does not show it yet"):
        await creator.create_order(CID, terms, 1)


async def test_orders_are_asked_once_they_are_settled(seats: Seats) -> None:
    """Fresh ones each time: a reorg may put another in their place."""
    await seats.posted(jobs=3)
    worker = seats.as_account(WORKER)
    asked: list[str] = []
    ask = seats.chain.call

    async def note(method: str, params: Any = None) -> Any:
        asked.append(method)
        return await ask(method, params)

    seats.chain.call = note  # type: ignore[method-assign]
    await worker.get_jobs(1, 200)
    asked.clear()
    await worker.get_jobs(1, 200)
    assert asked.count("starknet_call") == 2
    seats.shared.now += 8000
    await worker.get_jobs(1, 200)
    asked.clear()
    assert len(await worker.get_jobs(1, 200)) == 3
    assert asked == ["starknet_call"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("0x4e4f545f4f50454e ('NOT_OPEN')", "NOT_OPEN"),
        ('["0x4e4f545f4f50454e","0x454e545259504f494e545f4641494c4544"]', "NOT_OPEN"),
        ("Execution failed. Failure reason: ('BARRED')", "BARRED"),
        ("'ERC20: insufficient balance'", "INSUFFICIENT_FUNDS"),
        ("0x1234 something else", "REVERTED"),
        ("", "REVERTED"),
    ],
)
def test_a_reverts_reason_is_told_by_its_rule(reason: str, expected: str) -> None:
    """In words or in hex, among others' words; unknown ones are REVERTED with their text."""
    assert refusal(reason).rule == expected


async def test_a_release_carries_its_reason(seats: Seats) -> None:
    """As a short string, of every code."""
    jobs = len(Code)
    await seats.posted(jobs=jobs)
    worker = seats.as_account(WORKER)
    await worker.deposit(B * jobs)
    for job_id, code in enumerate(Code, 1):
        await worker.claim(job_id)
        await worker.release(job_id, code)
    notes = [event.note for event in seats.shared.events if event.kind == "JobReleased"]
    assert notes == [code.value for code in Code]


async def test_the_class_decides_which_adapter_serves(seats: Seats, tmp_path: Path) -> None:
    """Ours by its hash, out of the artefacts' files; another class is spoken to by its ABI, without money."""
    (tmp_path / "job_registry.hashes.json").write_text(f'{{"class_hash": "{CLASS_HASH:#x}"}}')
    hashes = read_class_hashes(tmp_path)
    sender = seats.senders[WORKER]
    ours = await open_registry(seats.chain, sender, REGISTRY, token=TOKEN, class_hashes=hashes)
    assert isinstance(ours, StarknetRegistry)
    seats.chain.class_hash = 0xBAD
    with pytest.raises(RegistryUnavailable, match=r"get_job_creator \(not there\)"):
        # The fake's ABI has none of the classic getters.
        await open_registry(seats.chain, sender, REGISTRY, token=TOKEN, class_hashes=hashes)


def test_damaged_hashes_are_told(tmp_path: Path) -> None:
    """One line with the remedy."""
    (tmp_path / "job_registry.hashes.json").write_text("{}")
    with pytest.raises(SettingsError, match="Install VeriFrame again"):
        read_class_hashes(tmp_path)


@pytest.mark.parametrize(("first", "count"), [(2, 1), (1, 1), (4, 200)])
async def test_jobs_that_were_not_asked_for_are_refused(seats: Seats, first: int, count: int) -> None:
    """A node that answers with other jobs, or with more of them, is not believed."""
    await seats.posted(jobs=3)
    worker, ask = seats.as_account(WORKER), seats.chain.call
    everything = await ask("starknet_call", request_of("get_jobs", 1, 200))

    async def lie(method: str, params: Any = None) -> Any:
        asks_jobs = method == "starknet_call" and params["request"]["entry_point_selector"] == SELECTOR
        return everything if asks_jobs else await ask(method, params)

    seats.chain.call = lie  # type: ignore[method-assign]
    with pytest.raises(RegistryUnavailable, match="not those that were asked for"):
        await worker.get_jobs(first, count)


SELECTOR = hex(get_selector_from_name("get_jobs"))


def request_of(name: str, *values: int) -> dict[str, Any]:
    """A view's call as a node takes it."""
    request = {
        "contract_address": hex(REGISTRY),
        "entry_point_selector": hex(get_selector_from_name(name)),
        "calldata": [hex(value) for value in values],
    }
    return {"request": request, "block_id": "latest"}
