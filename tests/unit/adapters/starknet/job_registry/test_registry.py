"""Moves on our contract: checked before they are sent, refused by its rules, logged with their cost."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.fakes.chain import CLASS_HASH, REGISTRY, TOKEN
from tests.fakes.registry import FakeRegistry
from tests.ports.registry_world import CID
from tests.unit.adapters.starknet.job_registry.clients import CREATOR, WORKER, B, Clients, R, rule

from veriframe.adapters.starknet.contract.contract import refusal
from veriframe.adapters.starknet.job_registry.registry import StarknetRegistry
from veriframe.adapters.starknet.opening import open_registry, read_class_hashes
from veriframe.errors import Code, RegistryUnavailable, SettingsError
from veriframe.model.registry.job import Address
from veriframe.ports.registry import read_job


@pytest.fixture
def clients() -> Clients:
    """Two accounts."""
    return Clients()


@pytest.mark.parametrize(
    ("chain", "name"),
    [
        (b"SN_MAIN", "SN_MAIN"),
        (b"SN_SEPOLIA", "SN_SEPOLIA"),
        (b"SN_INTEGRATION_SEPOLIA", "chain"),
        (b"../a b", "chain"),
        (b"\xff\n", "chain"),
        (b"", "chain"),
    ],
)
async def test_its_identity_is_its_chain_and_address(clients: Clients, chain: bytes, name: str) -> None:
    """fault_91: another chain has another identity, always a valid one; the node is queried once."""
    clients.chain.chain_id = int.from_bytes(chain)
    worker = clients.as_account(WORKER)
    identity = await worker.identity()
    assert re.fullmatch(name + ("[0-9a-f]{7}" if name == "chain" else "") + "-0xa11ce", identity)
    clients.chain.chain_id += 1
    assert await worker.identity() == identity
    assert await clients.as_account(WORKER).identity() != identity


async def test_a_deposit_is_approved_and_made_in_one_transaction(clients: Clients) -> None:
    """The token's approval and the deposit succeed or fail together."""
    await clients.as_account(WORKER).deposit(B)
    assert clients.senders[WORKER].sent == [["approve", "deposit"]]


async def test_an_illegal_move_is_not_sent(clients: Clients) -> None:
    """A revert costs a fee."""
    job_id = await clients.posted()
    worker = clients.as_account(WORKER)
    clients.shared.wallets[Address(WORKER)] = B - 1
    assert await rule(worker.claim(job_id)) == "INSUFFICIENT_CREDIT"
    assert await rule(worker.submit_result(job_id, CID)) == "NOT_CLAIMANT"
    assert await rule(worker.finalize(job_id)) == "NOT_DUE"
    assert await rule(worker.claim(99)) == "UNKNOWN_JOB"
    assert clients.senders[WORKER].sent == []


async def test_a_move_that_became_illegal_is_reverted(clients: Clients) -> None:
    """The refusal has the contract's rule, and the log the hash and the fee of the revert."""
    job_id = await clients.posted()
    worker, sender = clients.as_account(WORKER), clients.senders[WORKER]
    await worker.deposit(B)
    job = clients.shared.jobs[job_id]

    async def change() -> None:
        theirs = replace(job.order, creator=Address(WORKER))
        clients.shared.jobs[job_id] = replace(job, order=theirs)

    sender.before = change
    with structlog.testing.capture_logs() as lines:
        assert await rule(worker.claim(job_id)) == "OWN_JOB"
    (line,) = lines
    assert (line["event"], line["move"], line["refused"]) == ("registry_move", "claim", "OWN_JOB")
    assert (line["transaction"], line["fee_fri"]) == ("0x1", 7)


async def test_a_move_is_logged_with_its_hash_and_fee(clients: Clients) -> None:
    """As at the embedded registry, plus its cost."""
    with structlog.testing.capture_logs() as lines:
        job_id = await clients.posted()
    (deposit, create) = lines
    assert (deposit["move"], deposit["amount_fri"], deposit["fee_fri"]) == ("deposit", R, 5)
    assert (create["move"], create["transaction"], create["account"]) == ("create_order", "0x1", "0xc")
    assert job_id == 1


async def test_money_is_sent_to_no_foreign_class(clients: Clients) -> None:
    """Neither an approval nor a deposit, whatever the ABI says."""
    clients.chain.class_hash = 0xBAD
    assert await rule(clients.as_account(WORKER).deposit(B)) == "FOREIGN_CLASS"
    assert clients.senders[WORKER].sent == []


async def test_the_new_order_is_found_among_others(clients: Clients) -> None:
    """The ids are those of our order, although another account posted one right after it."""
    first = await clients.posted(jobs=3)
    other, creator, sender = clients.as_account(WORKER), clients.as_account(CREATOR), clients.senders[CREATOR]
    await other.deposit(R)
    await creator.deposit(2 * R)
    terms = (await read_job(creator, first)).terms
    sender.after = lambda: other.create_order(CID, terms, 1)
    assert list(await creator.create_order(CID, terms, 2)) == [4, 5]
    assert (await creator.snapshot(1, 0)).job_counter == 6


async def test_a_missing_order_event_is_reported(clients: Clients) -> None:
    """A receipt without its events."""
    first = await clients.posted()
    creator, sender = clients.as_account(CREATOR), clients.senders[CREATOR]
    await creator.deposit(R)

    terms = (await read_job(creator, first)).terms
    sender.lags = True
    with pytest.raises(RegistryUnavailable):
        await creator.create_order(CID, terms, 1)


async def test_missing_credit_is_deposited_in_the_same_transaction(clients: Clients) -> None:
    """One transaction for a claim, an order or a dispute, with or without a deposit."""
    await clients.posted(jobs=2)
    worker, sender = clients.as_account(WORKER), clients.senders[WORKER]
    await worker.claim(1)
    await worker.deposit(B)
    await worker.claim(2)
    assert sender.sent == [["approve", "deposit", "claim_job"], ["approve", "deposit"], ["claim_job"]]


async def test_a_claim_leaves_money_for_later_fees(clients: Clients) -> None:
    """fault_68: two submissions are affordable afterwards, at the current gas price."""
    await clients.posted(jobs=1)
    worker = clients.as_account(WORKER)
    clients.chain.gas_price_fri = 1
    funds = await worker.funds(worker.account)
    assert funds.reserve_fri == 2 * -(-(2_500_000 * 130 // 100 + 2_000_000) * 150 // 100)
    clients.shared.wallets[Address(WORKER)] = funds.reserve_fri + B - 1
    assert await rule(worker.claim(1)) == "INSUFFICIENT_CREDIT"
    clients.shared.wallets[Address(WORKER)] = funds.reserve_fri + B
    await worker.claim(1)
    assert (await worker.funds(Address(CREATOR))).reserve_fri == 0


async def test_waiting_claims_are_sent_together(clients: Clients) -> None:
    """Those of the same moment in one plural call; those that wait in the meantime in the next."""
    await clients.posted(jobs=5)
    worker, sender = clients.as_account(WORKER), clients.senders[WORKER]
    later = list[asyncio.Task[int]]()

    async def claim_more() -> None:
        if not later:
            later.extend(asyncio.create_task(worker.claim(job_id)) for job_id in (3, 4, 5))
            await asyncio.sleep(0.05)

    sender.before = claim_more
    await asyncio.gather(worker.claim(1), worker.claim(2))
    await asyncio.gather(*later)
    assert sender.sent == [["approve", "deposit", "claim_jobs"]] * 2
    assert {job.worker for job in clients.shared.jobs.values()} == {WORKER}


async def test_results_are_gathered_and_claims_are_not_kept_waiting(clients: Clients) -> None:
    """Other workers compete for a claim. Nobody else can submit its result, or be paid for it."""
    await clients.posted(jobs=5)
    worker, sender = clients.as_account(WORKER, gather_seconds=0.2), clients.senders[WORKER]
    await asyncio.gather(*(worker.claim(job_id) for job_id in range(1, 5)))
    submissions = [asyncio.create_task(worker.submit_result(job_id, CID)) for job_id in range(1, 4)]
    await asyncio.sleep(0)
    # It came later, and goes first.
    await worker.claim(5)
    submissions.append(asyncio.create_task(worker.submit_result(4, CID)))
    await asyncio.gather(*submissions)
    clients.shared.now += 60
    await asyncio.gather(*(worker.finalize(job_id) for job_id in range(1, 5)))
    assert [names[-1] for names in sender.sent] == [
        "claim_jobs",
        "claim_job",
        "submit_results",
        "finalize_jobs",
    ]


async def test_a_job_that_a_plural_call_skips_is_refused_by_its_rule(clients: Clients) -> None:
    """Another account was faster while the transaction was pending; the others are done."""
    await clients.posted(jobs=3)
    worker, sender = clients.as_account(WORKER), clients.senders[WORKER]

    async def claim_first() -> None:
        await FakeRegistry(0xE, clients.shared, wallet_fri=B).claim(2)

    sender.before = claim_first
    claims = (worker.claim(1), worker.claim(2), worker.claim(3))
    outcomes = await asyncio.gather(*claims, return_exceptions=True)
    # fault_89: the fee of 5 is shared, also by the skipped one.
    assert [getattr(outcome, "rule", outcome) for outcome in outcomes] == [2, "NOT_OPEN", 2]
    assert [getattr(outcome, "fee_fri", 0) for outcome in outcomes] == [0, 2, 0]
    assert [names[-1] for names in sender.sent] == ["claim_jobs"]


async def test_a_move_that_was_made_after_all_is_not_refused(clients: Clients) -> None:
    """An earlier transaction of ours with an unknown outcome made it while this one was pending."""
    await clients.posted(jobs=2)
    worker, sender = clients.as_account(WORKER), clients.senders[WORKER]
    await worker.deposit(2 * B)

    async def late() -> None:
        sender.before = None
        await FakeRegistry(WORKER, clients.shared).claim(1)

    sender.before = late
    await worker.claim(1)
    assert clients.shared.jobs[1].worker == WORKER


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
def test_a_reverts_reason_is_translated_to_its_rule(reason: str, expected: str) -> None:
    """In text or hex, among other words; unknown reasons are REVERTED with their text."""
    assert refusal(reason).rule == expected


async def test_a_release_carries_its_reason(clients: Clients) -> None:
    """As a short string, for every code."""
    jobs = len(Code)
    await clients.posted(jobs=jobs)
    worker = clients.as_account(WORKER)
    await worker.deposit(B * jobs)
    for job_id, code in enumerate(Code, 1):
        await worker.claim(job_id)
        await worker.release(job_id, code)
    notes = [event.note for event in clients.shared.events if event.kind == "JobReleased"]
    assert notes == [code.value for code in Code]


async def test_the_class_decides_which_adapter_is_used(clients: Clients, tmp_path: Path) -> None:
    """Ours by its hash in the artefacts; another class is used by its ABI, without money."""
    (tmp_path / "job_registry.hashes.json").write_text(f'{{"class_hash": "{CLASS_HASH:#x}"}}')
    hashes = read_class_hashes(tmp_path)
    sender = clients.senders[WORKER]
    known: dict[str, Any] = {"token": TOKEN, "class_hashes": hashes, "folder": tmp_path}
    ours = await open_registry(clients.chain, sender, REGISTRY, **known)
    assert isinstance(ours, StarknetRegistry)
    clients.chain.class_hash = 0xBAD
    with pytest.raises(SettingsError, match="get_job_creator"):
        # The fake's ABI has none of the classic getters.
        await open_registry(clients.chain, sender, REGISTRY, **known)


def test_damaged_hashes_are_reported(tmp_path: Path) -> None:
    """The installation is at fault."""
    (tmp_path / "job_registry.hashes.json").write_text("{}")
    with pytest.raises(SettingsError):
        read_class_hashes(tmp_path)


async def test_decisions_on_one_order_share_a_transaction(clients: Clients) -> None:
    """Each is a call of its own: the contract has no plural for them."""
    await clients.posted(jobs=5)
    worker, creator = clients.as_account(WORKER), clients.as_account(CREATOR)
    for job_id in (1, 2, 3):
        await worker.claim(job_id)
        await worker.submit_result(job_id, CID)
    sender = clients.senders[CREATOR]
    sender.sent.clear()
    await asyncio.gather(*(creator.accept_result(job_id) for job_id in (1, 2, 3)))
    await asyncio.gather(*(creator.cancel_job(job_id) for job_id in (4, 5)))
    assert sender.sent == [["accept_result"] * 3, ["cancel_job"] * 2]
    assert [job.state.value for job in clients.shared.jobs.values()] == [*["PAID"] * 3, *["REFUNDED"] * 2]


async def test_a_decision_that_is_too_late_is_refused_alone(clients: Clients) -> None:
    """fault_179: it is judged before the transaction is sent."""
    await clients.posted(jobs=2)
    worker, creator = clients.as_account(WORKER), clients.as_account(CREATOR)
    await worker.claim(1)
    outcomes = await asyncio.gather(*(creator.cancel_job(one) for one in (1, 2)), return_exceptions=True)
    assert [getattr(outcome, "rule", outcome) for outcome in outcomes] == ["LIVE_CLAIM", None]
    assert clients.senders[CREATOR].sent[-1] == ["cancel_job"]
