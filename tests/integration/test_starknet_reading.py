"""Jobs on a real chain, read by one who has no key there: at our registry and at those of other makers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deployed import REGISTRY, ROOT, Clients, deploy, invoke
from tests.nodes import STRK_ADDRESS, Devnet, devnet

from veriframe.adapters.local_store import LocalStore
from veriframe.adapters.starknet.cairo.codec import encode_text, halves
from veriframe.adapters.starknet.contract.contract import refusal
from veriframe.adapters.starknet.foreign.history import NO_EVENTS
from veriframe.adapters.starknet.rpc.envelope import RpcError
from veriframe.adapters.starknet.transactions.revert_reason import innermost, reason_of
from veriframe.adapters.starknet.transactions.transaction import Call
from veriframe.creator.jobs import Jobs
from veriframe.errors import MoveRefused
from veriframe.model.registry.job import NOBODY, Address, JobState
from veriframe.settings import Settings, load
from veriframe.wiring import chain

pytestmark = pytest.mark.slow

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
RESULT = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
R = 1000
CREATOR, WORKER = 0, 1
FOREIGN = ROOT / "tests" / "contracts" / "artifacts"


@pytest.fixture(scope="module")
def node() -> Iterator[Devnet]:
    """One chain for this file: each test has its own contract."""
    with devnet() as running:
        yield running


def settings_for(node: Devnet, address: int, home: Path, **more: str) -> Settings:
    """The settings of a home without a key."""
    named = {"home": str(home), "starknet_rpc": node.url, "job_registry_address": hex(address), **more}
    return load(named, {}).settings


def home_exists(settings: Settings) -> bool:
    """Whether anything was written to the home."""
    return settings.home.exists()


async def test_the_history_of_another_makers_job_is_told(node: Devnet, tmp_path: Path) -> None:
    """fault_139, fault_140: from the events in its ABI, by their names; nothing is written to the home."""
    address = await deploy(node, FOREIGN / "claim_registry", STRK_ADDRESS)
    allow = (STRK_ADDRESS, "approve", [address, 2 * R, 0])
    create = (address, "create_job", [*encode_text(CID.encode()), R, 0])
    await invoke(node, CREATOR, allow, create, create)
    await invoke(node, WORKER, (address, "claim_job", [2, 0]))
    await invoke(node, WORKER, (address, "submit_result", [2, 0, *encode_text(RESULT.encode())]))
    settings = settings_for(node, address, tmp_path / "home")
    opened, close = await chain.open_reader(settings)
    try:
        assert (opened.account, opened.is_foreign) == (NOBODY, True)
        jobs = Jobs(registry=opened.jobs, store=LocalStore(tmp_path / "store", 2**20), is_foreign=True)
        listed = await jobs.jobs((), own=False, limit=9)
        assert [status.job.state for status in listed] == [JobState.PAID, JobState.OPEN]
        history = await jobs.history(listed[0])
    finally:
        await close()
    creator, worker = (node.accounts[number].address for number in (CREATOR, WORKER))
    told = [(one.kind.value, one.party, one.cid, one.amount_fri) for one in history.events]
    assert told == [
        ("OrderCreated", creator, CID, R),
        ("JobClaimed", worker, "", 0),
        ("JobPaid", worker, RESULT, 0),
    ]
    assert history.gap == ""
    assert not home_exists(settings)
    functions = await chain.creator_functions(settings)
    assert functions == {"create": "create_job(asset_cid: ByteArray, reward: u256)"}


async def test_our_registry_is_read_without_a_key(node: Devnet, tmp_path: Path) -> None:
    """fault_140: by an address alone, or without any; it supports all moves of creators."""
    address = await deploy(node, REGISTRY, STRK_ADDRESS)
    for more, account in ({}, NOBODY), ({"account_address": "0x5"}, 5), ({"devnet_account": "0"}, None):
        settings = settings_for(node, address, tmp_path, **more)
        opened, close = await chain.open_reader(settings)
        try:
            assert (await opened.jobs.snapshot(1, 9)).jobs == []
        finally:
            await close()
        expected = node.accounts[0].address if account is None else account
        assert (opened.account, opened.is_foreign) == (Address(expected), False)
        assert await chain.creator_functions(settings) is None


async def test_a_registry_without_events_is_read(node: Devnet, tmp_path: Path) -> None:
    """fault_139: it says so."""
    owner = node.accounts[CREATOR].address
    address = await deploy(node, FOREIGN / "classic_registry", owner, STRK_ADDRESS)
    allow = (STRK_ADDRESS, "approve", [address, R, 0])
    await invoke(node, CREATOR, allow, (address, "create_job", [*halves(CID.encode()), R, 0]))
    opened, close = await chain.open_reader(settings_for(node, address, tmp_path))
    try:
        # Its workers must be verified, but anyone may read.
        (job,) = (await opened.jobs.snapshot(1, 9)).jobs
        assert (await opened.jobs.history(job)).gap == NO_EVENTS
    finally:
        await close()


async def test_a_real_nodes_reasons_are_the_contracts_own(node: Devnet, clients: Clients) -> None:
    """fault_137: in the shapes of its estimates and of its calls."""
    owner = node.accounts[CREATOR].address
    address = await deploy(node, FOREIGN / "classic_registry", owner, STRK_ADDRESS)
    submit = Call.named(address, "submit_result", [1, *halves(RESULT.encode())])
    with pytest.raises(MoveRefused) as raised:
        await clients.sender(WORKER).send([submit], "submit_result 1")
    assert str(raised.value).endswith(": NOT_ELIGIBLE.")
    request = {
        "contract_address": hex(address),
        "entry_point_selector": hex(submit.selector),
        "calldata": [hex(felt) for felt in submit.calldata],
    }
    with pytest.raises(RpcError) as answered:
        await clients.endpoints.call("starknet_call", {"request": request, "block_id": "latest"})
    assert innermost(reason_of(answered.value.data)) == "NOT_ELIGIBLE"
    assert "NOT_ELIGIBLE" in str(refusal(reason_of(answered.value.data)))
