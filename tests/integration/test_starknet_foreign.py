"""Foreign registries on a real chain, each called as its ABI requires."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from pathlib import Path

import pytest
import structlog
from starknet_py.hash.selector import get_selector_from_name
from tests.deployed import REGISTRY, ROOT, Clients, deploy, invoke
from tests.nodes import STRK_ADDRESS, Devnet, devnet

from veriframe.adapters.starknet.cairo.codec import encode_text, halves, short_string
from veriframe.adapters.starknet.foreign.move_records import MoveRecords
from veriframe.adapters.starknet.foreign.registry import ForeignRegistry
from veriframe.adapters.starknet.opening import open_registry, read_class_hashes
from veriframe.errors import Code, MoveRefused, RegistryUnavailable, SettingsError
from veriframe.model.registry.job import Address, JobState
from veriframe.ports.registry import read_job, read_jobs

pytestmark = pytest.mark.slow

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
RESULT = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
R = 1000
CREATOR, WORKER, OTHER = 0, 1, 2
FOREIGN = ROOT / "tests" / "contracts" / "artifacts"


@pytest.fixture(scope="module")
def node() -> Iterator[Devnet]:
    """One chain for this file: each test has its own contract."""
    with devnet() as running:
        yield running


async def foreign(clients: Clients, name: str, address: int, number: int = WORKER) -> ForeignRegistry:
    """A foreign registry as one account uses it."""
    sender, hashes = clients.sender(number), read_class_hashes(REGISTRY.parent)
    registry = await open_registry(
        clients.endpoints,
        sender,
        address,
        token=STRK_ADDRESS,
        class_hashes=hashes,
        folder=clients.folder,
    )
    assert isinstance(registry, ForeignRegistry), name
    return registry


def posting(address: int, calldata: list[int]) -> tuple[tuple[int, str, list[int]], ...]:
    """The calls by which a creator posts a job."""
    return ((STRK_ADDRESS, "approve", [address, R, 0]), (address, "create_job", calldata))


async def test_a_registry_with_claims_and_big_ids(clients: Clients) -> None:
    """u256 ids and `ByteArray` CIDs: a job is found by the counter, claimed, submitted and paid."""
    address = await deploy(clients.node, FOREIGN / "claim_registry", STRK_ADDRESS)
    await invoke(clients.node, CREATOR, *posting(address, [*encode_text(CID.encode()), R, 0]))
    worker, other = await foreign(clients, "claim", address), await foreign(clients, "claim", address, OTHER)
    assert (await worker.snapshot(1, 0)).job_counter == 1
    (job,) = await read_jobs(worker, 1, 200)
    assert (job.state, job.order.asset_cid, job.terms.reward_fri) == (JobState.OPEN, CID, R)
    await worker.claim(1)
    assert (await read_job(worker, 1)).state is JobState.CLAIMED
    with pytest.raises(MoveRefused):
        await other.claim(1)
    before = (await worker.funds(Address(address))).wallet_fri
    await worker.submit_result(1, RESULT)
    done = await read_job(other, 1)
    assert (done.state, done.worker, done.result_cid) == (JobState.PAID, worker.account, RESULT)
    assert before - (await worker.funds(Address(address))).wallet_fri == R
    with pytest.raises(MoveRefused):
        await worker.deposit(1)


async def test_a_classic_registry_with_pairs_of_felts(clients: Clients) -> None:
    """No counter, no claims; only a verified worker sees its jobs and may submit."""
    owner = clients.node.accounts[CREATOR].address
    address = await deploy(clients.node, FOREIGN / "classic_registry", owner, STRK_ADDRESS)
    post = posting(address, [*halves(CID.encode()), R, 0])
    await invoke(clients.node, CREATOR, *post, *post)
    worker = await foreign(clients, "classic", address)
    assert (await worker.snapshot(1, 0)).job_counter == 2
    assert list(await read_jobs(worker, 1, 200)) == []
    with pytest.raises(MoveRefused, match="not registered this account"):
        await worker.claim(1)
    await invoke(clients.node, WORKER, (address, "register_worker", [short_string(b"worker")]))
    await invoke(clients.node, CREATOR, (address, "verify_worker", [worker.account]))
    assert [job.order.asset_cid for job in await read_jobs(worker, 1, 200)] == [CID, CID]
    await worker.claim(1)
    claimed = await read_job(worker, 1)
    assert (claimed.state, claimed.worker) == (JobState.CLAIMED, worker.account)
    await worker.submit_result(1, RESULT)
    done = await read_job(worker, 1)
    assert (done.state, done.worker, done.result_cid) == (JobState.PAID, worker.account, RESULT)
    await worker.claim(2)
    await worker.release(2, Code.CRASH)
    assert (await read_job(worker, 2)).state is JobState.OPEN


async def test_a_registry_that_pays_at_the_deadline(clients: Clients) -> None:
    """`finalize_job` pays when due; an early call is refused, and not repeated for an hour."""
    node = clients.node
    address = await deploy(node, FOREIGN / "deadline_registry", STRK_ADDRESS)
    deadline = node.now() + 1000
    await invoke(node, CREATOR, *posting(address, [*halves(CID.encode()), R, 0, deadline]))
    worker = await foreign(clients, "deadline", address)
    (job,) = await read_jobs(worker, 1, 200)
    assert (job.order.asset_cid, job.terms.deadline) == (CID, deadline)
    await worker.claim(1)
    await worker.submit_result(1, RESULT)
    done = await read_job(worker, 1)
    assert (done.state, done.result_cid, done.review_end) == (JobState.SUBMITTED, RESULT, deadline)
    node.increase_time(1001)
    await worker.finalize(1)
    assert (await read_job(worker, 1)).state is JobState.PAID
    with pytest.raises(MoveRefused):
        await worker.finalize(1)


async def test_a_faster_finalization_is_recognised(clients: Clients) -> None:
    """Such a registry does not show that a job is paid; its refusal does, also in the next process."""
    node = clients.node
    address = await deploy(node, FOREIGN / "deadline_registry", STRK_ADDRESS)
    await invoke(node, CREATOR, *posting(address, [*halves(CID.encode()), R, 0, node.now() + 1000]))
    worker = await foreign(clients, "deadline", address)
    await worker.claim(1)
    await worker.submit_result(1, RESULT)
    node.increase_time(1001)
    await invoke(node, OTHER, (address, "finalize_job", [1]))
    with pytest.raises(MoveRefused):
        await worker.finalize(1)
    assert (await read_job(await foreign(clients, "deadline", address), 1)).state is JobState.PAID


@pytest.mark.parametrize(
    ("name", "job_id", "asset"),
    [
        ("felt_text", [1], encode_text(CID.encode())),
        ("plain", [1], encode_text(CID.encode())),
        ("wide_pair", [1, 0], list(halves(CID.encode()))),
    ],
)
async def test_ids_and_cids_of_every_type(
    clients: Clients, name: str, job_id: list[int], asset: list[int]
) -> None:
    """felt252, u64 and u256 ids, texts and pairs: claimed, submitted, and read by us and by others."""
    address = await deploy(clients.node, FOREIGN / f"{name}_registry")
    await invoke(clients.node, CREATOR, *[(address, "create_job", [*asset, R, 0])] * 2)
    worker, other = await foreign(clients, name, address), await foreign(clients, name, address, OTHER)
    snapshot = await worker.snapshot(1, 50)
    assert (snapshot.job_counter, [job.order.asset_cid for job in snapshot.jobs]) == (2, [CID, CID])
    before = clients.endpoints.requests
    assert len((await worker.snapshot(1, 50)).jobs) == 2
    assert clients.endpoints.requests == before + 2
    await worker.claim(1)
    theirs = await read_job(other, 1)
    assert (theirs.state, theirs.worker) == (JobState.CLAIMED, worker.account)
    await worker.submit_result(1, RESULT)
    for client in (worker, other):
        done = await read_job(client, 1)
        assert (done.state, done.worker, done.result_cid) == (JobState.PAID, worker.account, RESULT)
    # The contract itself has the same value, by its own types.
    request = view_of(address, "get_job_result_cid", job_id)
    answer = await clients.endpoints.call("starknet_call", {"request": request, "block_id": "latest"})
    wanted = encode_text(RESULT.encode()) if len(asset) > 2 else halves(RESULT.encode())
    assert [int(felt, 16) for felt in answer] == list(wanted)


async def test_several_moves_are_sent_together(clients: Clients) -> None:
    """Three results in one transaction; if another account took one of the jobs, each of the rest alone."""
    node = clients.node
    address = await deploy(node, FOREIGN / "plain_registry")
    asset = encode_text(CID.encode())
    await invoke(node, CREATOR, *[(address, "create_job", [*asset, R, 0])] * 4)
    worker = await foreign(clients, "plain", address)
    await invoke(node, OTHER, (address, "claim_job", [4]))

    async def moves(*made: Awaitable[int]) -> tuple[list[bool], int]:
        """Which moves were made, and in how many transactions."""
        with structlog.testing.capture_logs() as lines:
            ended = await asyncio.gather(*made, return_exceptions=True)
        sent = [line for line in lines if line["event"] == "registry_move" and "fee_fri" in line]
        done = [isinstance(error, int) for error in ended]
        return done, len([line for line in sent if "refused" not in line])

    assert await moves(*(worker.claim(job_id) for job_id in (1, 2, 3))) == ([True] * 3, 2)
    results = (worker.submit_result(job_id, RESULT) for job_id in (1, 2, 4, 3))
    assert await moves(*results) == ([True, True, False, True], 2)
    assert [job.state for job in await read_jobs(worker, 1, 3)] == [JobState.PAID] * 3


async def test_a_submission_that_a_reorganisation_reverts(tmp_path: Path) -> None:
    """fault_67: the registry no longer shows it, so it is submitted again, and accepted once."""
    with devnet(full_archive=True) as node:
        clients = Clients(node, tmp_path)
        owner = node.accounts[CREATOR].address
        address = await deploy(node, FOREIGN / "classic_registry", owner, STRK_ADDRESS)
        await invoke(node, CREATOR, *posting(address, [*halves(CID.encode()), R, 0]))
        worker = await foreign(clients, "classic", address)
        await worker.register("worker")
        await invoke(node, CREATOR, (address, "verify_worker", [worker.account]))
        await worker.claim(1)
        begin = node.create_block()
        await worker.submit_result(1, RESULT)
        assert (await read_job(worker, 1)).state is JobState.PAID
        node.abort_blocks(begin)
        undone = await read_job(worker, 1)
        assert (undone.state, undone.worker) == (JobState.CLAIMED, worker.account)
        await worker.submit_result(1, RESULT)
        done = await read_job(worker, 1)
        assert (done.state, done.worker, done.result_cid) == (JobState.PAID, worker.account, RESULT)
        nonce = node.ask("starknet_getNonce", contract_address=hex(worker.account), block_id="latest")
        assert int(nonce, 16) == 2
        await clients.close()


async def test_a_registry_whose_cids_are_too_short_is_refused_at_once(clients: Clients) -> None:
    """One line, before any job is read; a truncated CID is never sent."""
    address = await deploy(clients.node, FOREIGN / "felt_short_registry")
    with pytest.raises(SettingsError, match="one short string holds 31 characters") as raised:
        await foreign(clients, "felt_short", address)
    assert "\n" not in str(raised.value)


async def test_a_guild_accepts_workers_that_its_owner_verified(clients: Clients) -> None:
    """Ids from 0, panicking views, a counter of the next id, and a reputation that grows with each result."""
    node = clients.node
    owner = node.accounts[CREATOR].address
    address = await deploy(node, FOREIGN / "guild_registry", owner)
    worker = await foreign(clients, "guild", address)
    assert ((await worker.snapshot(1, 0)).job_counter, list(await read_jobs(worker, 1, 50))) == (0, [])
    end = node.now() + 10_000
    easy, hard = ([*halves(CID.encode()), R, 0, end, wanted] for wanted in (0, 1))
    await invoke(node, CREATOR, (address, "create_job", easy), (address, "create_job", hard))
    assert (await worker.snapshot(1, 50)).job_counter == 2
    assert (await worker.standing()).is_registered is False
    await worker.register("VeriFrame")
    assert list(await read_jobs(worker, 1, 50)) == []
    await invoke(node, CREATOR, (address, "verify_worker", [worker.account]))
    (job,) = await read_jobs(worker, 1, 50)
    assert (job.id, job.order.asset_cid, job.terms.deadline) == (1, CID, end)
    with pytest.raises(MoveRefused, match="reputation of 1"):
        await worker.claim(2)
    await invoke(node, CREATOR, (address, "pause", [1]))
    with pytest.raises(MoveRefused, match="paused"):
        await worker.claim(1)
    await invoke(node, CREATOR, (address, "pause", [0]))
    await worker.claim(1)
    await worker.submit_result(1, RESULT)
    paid, next_one = await read_jobs(worker, 1, 50)
    assert (paid.state, paid.worker, paid.result_cid) == (JobState.PAID, worker.account, RESULT)
    assert (next_one.id, next_one.state) == (2, JobState.OPEN)
    standing = await worker.standing()
    assert (standing.is_verified, standing.reputation) == (True, 1)


def view_of(address: int, name: str, calldata: list[int]) -> dict[str, object]:
    """A view's call as a node receives it."""
    selector = hex(get_selector_from_name(name))
    felts = [hex(felt) for felt in calldata]
    return {"contract_address": hex(address), "entry_point_selector": selector, "calldata": felts}


async def test_for_other_contracts_the_error_says_what_is_missing(clients: Clients) -> None:
    """One clear line: for an account, a class without an ABI, and an address without a contract."""
    sender = clients.sender(WORKER)

    def registry(address: int) -> ForeignRegistry:
        notes = MoveRecords(clients.folder, address, sender.account)
        return ForeignRegistry(clients.endpoints, sender, address, token=STRK_ADDRESS, notes=notes)

    with pytest.raises(RegistryUnavailable, match=r"get_job_creator \(not there\)"):
        await registry(sender.account).snapshot(1, 0)
    with pytest.raises(RegistryUnavailable, match="returns no ABI"):
        await registry(STRK_ADDRESS).snapshot(1, 0)
    with pytest.raises(RegistryUnavailable, match="no contract at 0x1234"):
        await registry(0x1234).snapshot(1, 0)
