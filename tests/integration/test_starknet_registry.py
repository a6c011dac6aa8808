"""The registry's adapter on a real chain: our contract, with exact amounts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from tests.deployed import REGISTRY, Clients, class_hash, deploy
from tests.nodes import STRK_ADDRESS, Devnet, devnet

from veriframe.adapters.starknet.contract.contract import Contract
from veriframe.adapters.starknet.contract.sending import make_move
from veriframe.adapters.starknet.job_registry.registry import StarknetRegistry
from veriframe.errors import Code, MoveRefused
from veriframe.model.registry.job import JobState, Terms
from veriframe.ports.registry import read_job, read_jobs

pytestmark = pytest.mark.slow

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
RESULT = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
R, B = 1000, 95
CREATOR, WORKER, OTHER = 0, 1, 2


@pytest.fixture(scope="module")
def node() -> Iterator[Devnet]:
    """One chain for this file: each test has its own contract."""
    with devnet() as running:
        yield running


async def test_a_whole_lifecycle_adds_up(clients: Clients) -> None:
    """Deposit, order, claim, release, submit, pay, withdraw: only fees and burned money are lost."""
    node = clients.node
    address = await deploy(node, REGISTRY, STRK_ADDRESS)

    def registry(number: int) -> StarknetRegistry:
        sender = clients.sender(number)
        hashes = {class_hash(REGISTRY)}
        return StarknetRegistry(clients.endpoints, sender, address, token=STRK_ADDRESS, class_hashes=hashes)

    creator, worker = registry(CREATOR), registry(WORKER)
    wallets = [(await client.funds(client.account)).wallet_fri for client in (creator, worker)]
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
        with pytest.raises(MoveRefused, match="cannot be finalized for another"):
            await worker.finalize(first)
        node.increase_time(61)
        await worker.finalize(first)
        paid = await read_job(creator, first)
        assert (paid.state, paid.worker, paid.result_cid) == (JobState.PAID, worker.account, RESULT)
        assert paid.order.terms == terms
        states = [job.state for job in await read_jobs(creator, 1, 200)]
        assert states == [JobState.PAID, JobState.OPEN, JobState.REFUNDED]
        assert (await creator.snapshot(1, 0)).job_counter == third
        totals = await creator.totals()
        burned = 10
        assert (totals.escrow_fri, totals.burned_fri) == (R, burned)
        assert totals.credit_fri == R + (R + 2 * B - burned)
        assert totals.token_fri == totals.escrow_fri + totals.credit_fri + totals.burned_fri
        await worker.withdraw(R + 2 * B - burned, worker.account)
        await creator.withdraw(R, creator.account)
    moves = [line for line in lines if line["event"] == "registry_move" and "fee_fri" in line]
    fees = [sum(m["fee_fri"] for m in moves if m["account"] == f"{s.account:#x}") for s in (creator, worker)]
    after = [(await client.funds(client.account)).wallet_fri for client in (creator, worker)]
    assert [was - now - fee for was, now, fee in zip(wallets, after, fees, strict=True)] == [
        2 * R,
        burned - R,
    ]
    assert (await creator.totals()).token_fri == R + burned


async def test_a_revert_of_the_contract_is_translated_to_its_rule(clients: Clients) -> None:
    """A move that the model allows but the contract refuses costs nothing."""
    node = clients.node
    address = await deploy(node, REGISTRY, STRK_ADDRESS, account=4)
    hashes = {class_hash(REGISTRY)}
    worker = StarknetRegistry(
        clients.endpoints, clients.sender(WORKER), address, token=STRK_ADDRESS, class_hashes=hashes
    )
    wallet = (await worker.funds(worker.account)).wallet_fri
    sender = clients.sender(OTHER)
    move = await Contract(clients.endpoints, address).move("claim_job", 7)
    with structlog.testing.capture_logs() as lines, pytest.raises(MoveRefused) as raised:
        await make_move(sender, "claim", [move], job_id=7)
    assert raised.value.rule == "UNKNOWN_JOB"
    assert [line["refused"] for line in lines if line["event"] == "registry_move"] == ["UNKNOWN_JOB"]
    assert (await worker.funds(worker.account)).wallet_fri == wallet
