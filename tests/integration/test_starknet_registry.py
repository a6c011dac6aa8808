"""The registry's adapters on a real chain: our contract to the last fri, and foreign registries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from tests.deployed import REGISTRY, ROOT, Seats, class_hash, deploy, invoke
from tests.nodes import STRK_ADDRESS, Devnet, devnet

from veriframe.adapters.starknet.codec import encode_text, halves, short_string
from veriframe.adapters.starknet.contract import Contract
from veriframe.adapters.starknet.foreign import ForeignRegistry
from veriframe.adapters.starknet.opening import open_registry, read_class_hashes
from veriframe.adapters.starknet.registry import StarknetRegistry
from veriframe.adapters.starknet.sending import make_move
from veriframe.errors import Code, MoveRefused, RegistryUnavailable
from veriframe.model.job import Address, JobState, Terms

pytestmark = pytest.mark.slow

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
RESULT = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
R, B = 1000, 95
CREATOR, WORKER, OTHER = 0, 1, 2
FOREIGN = ROOT / "tests" / "contracts" / "artifacts"


@pytest.fixture(scope="module")
def node() -> Iterator[Devnet]:
    """One chain for this file: each test has a contract of its own."""
    with devnet() as running:
        yield running


@pytest.fixture
async def seats(node: Devnet, tmp_path: Path) -> AsyncIterator[Seats]:
    """The chain's accounts."""
    opened = Seats(node, tmp_path)
    yield opened
    await opened.close()


async def test_a_whole_story_adds_up(seats: Seats) -> None:
    """Deposit, order, claim, release, submit, pay, withdraw: only fees and what is burned is lost."""
    node = seats.node
    address = await deploy(node, REGISTRY, STRK_ADDRESS)

    def registry(number: int) -> StarknetRegistry:
        sender = seats.sender(number)
        hashes = {class_hash(REGISTRY)}
        return StarknetRegistry(seats.endpoints, sender, address, token=STRK_ADDRESS, class_hashes=hashes)

    creator, worker = registry(CREATOR), registry(WORKER)
    wallets = [(await seat.funds(seat.account)).wallet_fri for seat in (creator, worker)]
    terms = Terms(
        reward_fri=R,
        bond_fri=B,
        deadline=node.now() + 10_000,
        lease_seconds=600,
        review_seconds=60,
        arbitration_seconds=60,
    )
    with structlog.testing.capture_logs() as lines:
        await creator.deposit(3 * R)
        first, second, third = await creator.create_order(CID, terms, 3)
        await worker.deposit(2 * B)
        await worker.claim(first)
        await worker.claim(second)
        await worker.release(second, Code.CRASH)
        await worker.submit_result(first, RESULT)
        await creator.cancel_job(third)
        with pytest.raises(MoveRefused, match="cannot be finalized before"):
            await worker.finalize(first)
        node.increase_time(61)
        await worker.finalize(first)
        paid = await creator.get_job(first)
        assert (paid.state, paid.worker, paid.result_cid) == (JobState.PAID, worker.account, RESULT)
        assert paid.order.terms == terms
        states = [job.state for job in await creator.get_jobs(1, 200)]
        assert states == [JobState.PAID, JobState.OPEN, JobState.REFUNDED]
        assert await creator.job_counter() == third
        totals = await creator.totals()
        burned = 10
        assert (totals.escrow_fri, totals.burned_fri) == (R, burned)
        assert totals.credit_fri == R + (R + 2 * B - burned)
        assert totals.token_fri == totals.escrow_fri + totals.credit_fri + totals.burned_fri
        await worker.withdraw(R + 2 * B - burned, worker.account)
        await creator.withdraw(R, creator.account)
    moves = [line for line in lines if line["event"] == "registry_move" and "fee_fri" in line]
    fees = [sum(m["fee_fri"] for m in moves if m["account"] == f"{s.account:#x}") for s in (creator, worker)]
    after = [(await seat.funds(seat.account)).wallet_fri for seat in (creator, worker)]
    assert [was - now - fee for was, now, fee in zip(wallets, after, fees, strict=True)] == [
        2 * R,
        burned - R,
    ]
    assert (await creator.totals()).token_fri == R + burned


async def test_a_revert_of_the_contract_is_told_by_its_rule(seats: Seats) -> None:
    """What the model lets through and the contract does not; nothing is paid for it."""
    node = seats.node
    address = await deploy(node, REGISTRY, STRK_ADDRESS, account=4)
    hashes = {class_hash(REGISTRY)}
    worker = StarknetRegistry(
        seats.endpoints, seats.sender(WORKER), address, token=STRK_ADDRESS, class_hashes=hashes
    )
    wallet = (await worker.funds(worker.account)).wallet_fri
    sender = seats.sender(OTHER)
    move = await Contract(seats.endpoints, address).move("claim_job", 7)
    with structlog.testing.capture_logs() as lines, pytest.raises(MoveRefused) as raised:
        await make_move(sender, "claim", [move], job_id=7)
    assert raised.value.rule == "UNKNOWN_JOB"
    assert [line["refused"] for line in lines if line["event"] == "registry_move"] == ["UNKNOWN_JOB"]
    assert (await worker.funds(worker.account)).wallet_fri == wallet


async def foreign(seats: Seats, name: str, address: int, number: int = WORKER) -> ForeignRegistry:
    """A foreign registry by one account."""
    sender, hashes = seats.sender(number), read_class_hashes(REGISTRY.parent)
    registry = await open_registry(seats.endpoints, sender, address, token=STRK_ADDRESS, class_hashes=hashes)
    assert isinstance(registry, ForeignRegistry), name
    return registry


def posting(address: int, calldata: list[int]) -> tuple[tuple[int, str, list[int]], ...]:
    """What a creator sends to post a job there."""
    return ((STRK_ADDRESS, "approve", [address, R, 0]), (address, "create_job", calldata))


async def test_a_registry_with_claims_and_big_ids(seats: Seats) -> None:
    """u256 ids, `ByteArray` CIDs: found by its counter, claimed, submitted, paid."""
    address = await deploy(seats.node, FOREIGN / "claim_registry", STRK_ADDRESS)
    await invoke(seats.node, CREATOR, *posting(address, [*encode_text(CID.encode()), R, 0]))
    worker, other = await foreign(seats, "claim", address), await foreign(seats, "claim", address, OTHER)
    assert await worker.job_counter() == 1
    (job,) = await worker.get_jobs(1, 200)
    assert (job.state, job.order.asset_cid, job.terms.reward_fri) == (JobState.OPEN, CID, R)
    await worker.claim(1)
    assert (await worker.get_job(1)).state is JobState.CLAIMED
    with pytest.raises(MoveRefused):
        await other.claim(1)
    before = (await worker.funds(Address(address))).wallet_fri
    await worker.submit_result(1, RESULT)
    done = await other.get_job(1)
    assert (done.state, done.worker, done.result_cid) == (JobState.PAID, worker.account, RESULT)
    assert before - (await worker.funds(Address(address))).wallet_fri == R
    with pytest.raises(MoveRefused):
        await worker.deposit(1)


async def test_a_classic_registry_with_pairs_of_felts(seats: Seats) -> None:
    """No counter, no claims; only a verified worker is shown its jobs and may submit."""
    owner = seats.node.accounts[CREATOR].address
    address = await deploy(seats.node, FOREIGN / "classic_registry", owner, STRK_ADDRESS)
    post = posting(address, [*halves(CID.encode()), R, 0])
    await invoke(seats.node, CREATOR, *post, *post)
    worker = await foreign(seats, "classic", address)
    assert await worker.job_counter() == 2
    assert list(await worker.get_jobs(1, 200)) == []
    with pytest.raises(MoveRefused, match="does not take this account"):
        await worker.claim(1)
    await invoke(seats.node, WORKER, (address, "register_worker", [short_string(b"worker")]))
    await invoke(seats.node, CREATOR, (address, "verify_worker", [worker.account]))
    assert [job.order.asset_cid for job in await worker.get_jobs(1, 200)] == [CID, CID]
    await worker.claim(1)
    claimed = await worker.get_job(1)
    assert (claimed.state, claimed.worker) == (JobState.CLAIMED, worker.account)
    await worker.submit_result(1, RESULT)
    done = await worker.get_job(1)
    assert (done.state, done.worker, done.result_cid) == (JobState.PAID, worker.account, RESULT)
    await worker.claim(2)
    await worker.release(2, Code.CRASH)
    assert (await worker.get_job(2)).state is JobState.OPEN


async def test_a_registry_that_pays_at_the_deadline(seats: Seats) -> None:
    """CIDs of one felt: a long one is refused before it is sent; pay comes by `finalize_job`, when due."""
    node = seats.node
    address = await deploy(node, FOREIGN / "deadline_registry", STRK_ADDRESS)
    deadline = node.now() + 1000
    await invoke(node, CREATOR, *posting(address, [short_string(b"QmAsset"), R, 0, deadline]))
    worker = await foreign(seats, "deadline", address)
    (job,) = await worker.get_jobs(1, 200)
    assert (job.order.asset_cid, job.terms.deadline) == ("QmAsset", deadline)
    await worker.claim(1)
    with pytest.raises(MoveRefused, match="no short string"):
        await worker.submit_result(1, RESULT)
    await worker.submit_result(1, "QmResult")
    done = await worker.get_job(1)
    assert (done.state, done.result_cid, done.review_end) == (JobState.SUBMITTED, "QmResult", deadline)
    node.increase_time(1001)
    await worker.finalize(1)
    assert (await worker.get_job(1)).state is JobState.PAID
    with pytest.raises(MoveRefused):
        await worker.finalize(1)


async def test_a_contract_that_is_no_registry_says_what_is_missing(seats: Seats) -> None:
    """One clear line: an account, a class without an ABI, and an address with nothing there."""
    sender = seats.sender(WORKER)
    account = ForeignRegistry(seats.endpoints, sender, sender.account, token=STRK_ADDRESS)
    with pytest.raises(RegistryUnavailable, match=r"get_job_creator \(not there\)"):
        await account.job_counter()
    registry = ForeignRegistry(seats.endpoints, sender, STRK_ADDRESS, token=STRK_ADDRESS)
    with pytest.raises(RegistryUnavailable, match="tells no ABI"):
        await registry.job_counter()
    nothing = ForeignRegistry(seats.endpoints, sender, 0x1234, token=STRK_ADDRESS)
    with pytest.raises(RegistryUnavailable, match="no contract at 0x1234"):
        await nothing.job_counter()
