"""The sender with a fake chain that gives every answer observed from nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.rpc_chain import AnySigner, FakeChain, digest_of
from tests.proxy import Proxy

from veriframe.adapters.starknet.rpc.endpoints import EndpointLimits, Endpoints
from veriframe.adapters.starknet.transactions.fees import FeeTooHigh
from veriframe.adapters.starknet.transactions.outbox import Outbox
from veriframe.adapters.starknet.transactions.sender import Call, Receipt, Reverted, Sender, SendTimeouts
from veriframe.errors import MoveRefused, RegistryUnavailable

ACCOUNT = 0xACC
NOT_OPEN = (
    "Execution failed. Failure reason:\n(0x4e4f545f4f50454e ('NOT_OPEN'),"
    " 0x454e545259504f494e545f4641494c4544)"
)
CALLS = [Call(1, 2, (3,))]


@asynccontextmanager
async def sending(chain: FakeChain, folder: Path, **timeouts: float) -> AsyncIterator[Sender]:
    """A sender on the fake chain with short timeouts and an outbox in `folder`."""
    hurried = SendTimeouts(**{"wait_seconds": 1.0, "poll_seconds": 0.001, **timeouts})
    outbox = Outbox(folder / "outbox.sqlite")
    async with Proxy(chain) as proxy:
        endpoints = Endpoints(
            [proxy.url], limits=EndpointLimits(requests_per_second=10_000, pause_seconds=0.01)
        )
        yield Sender(endpoints, outbox, ACCOUNT, AnySigner(), max_fee_fri=10**9, timeouts=hurried)
        await endpoints.close()
    outbox.close()


async def test_the_receipt(tmp_path: Path) -> None:
    """A transaction is polled until it is in an accepted block; its whole receipt is parsed."""
    chain = FakeChain(statuses=["RECEIVED", "PRE_CONFIRMED", "ACCEPTED_ON_L2"])
    async with sending(chain, tmp_path) as sender:
        receipt = await sender.send(CALLS, "claim")
    assert (receipt.block_number, receipt.fee_fri, receipt.label) == (7, 42, "claim")
    assert [(event.from_address, event.keys, event.data) for event in receipt.events] == [(1, (2,), ())]
    assert len(chain.sent) == 1


@pytest.mark.parametrize("code", [52, 55, 59, 63, 64])
async def test_an_error_after_it_was_accepted_is_success(tmp_path: Path, code: int) -> None:
    """fault_63: whatever the second delivery answers, the own hash is looked up first."""
    chain = FakeChain(errors=[code], act_anyway=True)
    async with sending(chain, tmp_path) as sender:
        receipt = await sender.send(CALLS, "claim")
    assert [receipt.hash] == list(chain.blocks)
    assert len(chain.sent) == 1


async def test_after_a_lagging_node_s_bad_nonce_it_is_sent_again(tmp_path: Path) -> None:
    """fault_63: the nonce is free, so the same bytes are sent again."""
    chain = FakeChain(errors=[52, 52])
    async with sending(chain, tmp_path) as sender:
        await sender.send(CALLS, "claim")
    assert chain.sent[0] == chain.sent[1] == chain.sent[2]
    assert len(chain.blocks) == 1


async def test_after_another_program_used_the_nonce_it_is_read_again(tmp_path: Path) -> None:
    """fault_63: only after several checks, and with the next nonce."""
    chain = FakeChain(nonce=3, nonces=[2], errors=[52])
    async with sending(chain, tmp_path) as sender:
        await sender.send(CALLS, "claim")
    assert [sent["nonce"] for sent in chain.sent] == ["0x2", "0x3"]


async def test_two_processes_take_turns(tmp_path: Path) -> None:
    """fault_63: a command beside a worker, on one account: each has its own nonce, none is lost."""
    chain = FakeChain()
    async with sending(chain, tmp_path) as one, sending(chain, tmp_path) as other:
        receipts = await asyncio.gather(
            *(sender.send(CALLS, f"move {number}") for number in range(4) for sender in (one, other)),
            one.recover(),
            other.recover(),
        )
    assert len({receipt.hash for receipt in receipts[:8] if isinstance(receipt, Receipt)}) == 8
    assert len(chain.sent) == len(chain.blocks) == 8


@pytest.mark.parametrize("code", [53, 64, 65])
async def test_a_too_low_fee_is_raised_on_the_same_nonce(tmp_path: Path, code: int) -> None:
    """fault_63: tip and prices rise by at least a tenth; only one of the two can be executed."""
    chain = FakeChain(errors=[code])
    async with sending(chain, tmp_path) as sender:
        await sender.send(CALLS, "claim")
    first, second = chain.sent
    assert first["nonce"] == second["nonce"]
    assert int(second["tip"], 16) > int(first["tip"], 16)
    for name, bound in first["resource_bounds"].items():
        raised = int(second["resource_bounds"][name]["max_price_per_unit"], 16)
        assert raised * 10 >= int(bound["max_price_per_unit"], 16) * 11
    assert len(chain.blocks) == 1


async def test_raising_the_fee_ends(tmp_path: Path) -> None:
    """fault_68: the number of raises is limited."""
    chain = FakeChain(errors=[64] * 20)
    async with sending(chain, tmp_path) as sender:
        with pytest.raises(RegistryUnavailable):
            await sender.send(CALLS, "claim")
    assert len(chain.sent) <= 5


@pytest.mark.parametrize(("code", "rule"), [(54, "BALANCE"), (55, "VALIDATION"), (61, "CODE_61")])
async def test_a_refusal_leaves_no_nonce_stuck(tmp_path: Path, code: int, rule: str) -> None:
    """fault_68: refused for good on its only delivery, it is closed; the nonce is free for the next."""
    chain = FakeChain(errors=[code])
    async with sending(chain, tmp_path) as sender:
        with pytest.raises(MoveRefused) as caught:
            await sender.send(CALLS, "claim")
        assert rule == caught.value.rule
        await sender.send(CALLS, "claim")
    assert [sent["nonce"] for sent in chain.blocks.values()] == ["0x0"]


async def test_a_refusal_after_an_earlier_delivery_stays_open(tmp_path: Path) -> None:
    """fault_61: if only the second delivery is refused, another node may have it: checked again later."""
    chain = FakeChain(errors=[63, 54])
    async with sending(chain, tmp_path) as sender:
        for _ in range(2):
            with pytest.raises(RegistryUnavailable):
                await sender.send(CALLS, "claim")
        await sender.send(CALLS, "claim")
    assert chain.sent[0] == chain.sent[1] == chain.sent[2]
    assert len(chain.blocks) == 1


async def test_after_its_time_in_the_mempool_a_refusal_counts(tmp_path: Path) -> None:
    """fault_62: after the mempool's time, and with the nonce still free, it is closed."""
    chain = FakeChain(errors=[63, 54])
    async with sending(chain, tmp_path, ttl_seconds=0.0) as sender:
        with pytest.raises(RegistryUnavailable):
            await sender.send(CALLS, "claim")
        await sender.send(CALLS, "other")
    assert [sent["nonce"] for sent in chain.blocks.values()] == ["0x0"]


async def test_a_transaction_that_a_node_forgot_is_sent_again(tmp_path: Path) -> None:
    """fault_62: RECEIVED is local to a node; if another does not know it, it gets the same bytes."""
    chain = FakeChain(statuses=["RECEIVED", None, "RECEIVED", "ACCEPTED_ON_L2"], errors=[None, 59])
    async with sending(chain, tmp_path) as sender:
        await sender.send(CALLS, "claim")
    assert chain.sent[0] == chain.sent[1]
    assert len(chain.sent) == 2


async def test_stuck_in_the_mempool_its_fee_is_raised_and_either_may_win(tmp_path: Path) -> None:
    """fault_62: after its time, a higher fee uses the same nonce; the older one is found if it won."""
    chain = FakeChain(hold=True)
    async with sending(chain, tmp_path, ttl_seconds=0.0, wait_seconds=0.0) as sender:
        with pytest.raises(RegistryUnavailable):
            await sender.send(CALLS, "claim")
        with pytest.raises(RegistryUnavailable):
            await sender.send(CALLS, "claim")
        chain.include(digest_of(chain.sent[0]))
        chain.errors = [52] * 10
        with pytest.raises(RegistryUnavailable):
            await sender.send(CALLS, "claim")
        receipt = await sender.send(CALLS, "claim")
    assert digest_of(chain.sent[0]) == receipt.hash
    assert [sent["nonce"] for sent in chain.sent] == ["0x0", "0x0"]
    assert chain.sent[0] != chain.sent[1]


async def test_a_transaction_that_became_too_expensive_blocks_nothing(tmp_path: Path) -> None:
    """fault_68: if no node can have it, it is closed, and the next send uses its nonce."""
    chain = FakeChain(errors=[53])
    async with sending(chain, tmp_path) as sender:
        chain.rise_after_send = 10**9
        with pytest.raises(FeeTooHigh):
            await sender.send(CALLS, "claim")
        chain.price, chain.rise_after_send = 10, 0
        await sender.send(CALLS, "other")
    assert [sent["nonce"] for sent in chain.blocks.values()] == ["0x0"]


async def test_never_in_a_block_is_open_and_not_sent_twice(tmp_path: Path) -> None:
    """fault_72: waiting ends with a clear error; nothing new is signed."""
    chain = FakeChain(hold=True)
    async with sending(chain, tmp_path, wait_seconds=0.02) as sender:
        for label in ("claim", "claim", "other"):
            with pytest.raises(RegistryUnavailable):
                await sender.send(CALLS, label)
        chain.include(digest_of(chain.sent[0]))
        await sender.send(CALLS, "claim")
    assert len(chain.sent) == 1


async def test_a_revert_in_a_block_has_its_reason_and_fee(tmp_path: Path) -> None:
    """fault_64: another account was faster; the fee is reported, and it is not retried."""
    chain = FakeChain(revert_reason=NOT_OPEN)
    async with sending(chain, tmp_path) as sender:
        with pytest.raises(Reverted) as caught:
            await sender.send(CALLS, "claim")
        assert (caught.value.rule, caught.value.fee_fri) == ("NOT_OPEN", 42)
        assert await sender.recover() == []
    assert len(chain.sent) == 1


async def test_a_node_behind_its_earlier_state_is_not_trusted(tmp_path: Path) -> None:
    """fault_60: a used nonce is not signed again; the old transaction is found instead."""
    chain = FakeChain()
    async with sending(chain, tmp_path) as sender:
        await sender.send(CALLS, "claim")
        chain.nonces = [0]
        await sender.send(CALLS, "submit")
    assert [sent["nonce"] for sent in chain.sent] == ["0x0", "0x1"]


async def test_an_undone_transaction_is_reported_again(tmp_path: Path) -> None:
    """fault_66: after a reorganisation, `recover` sends the same bytes and reports the outcome."""
    chain = FakeChain()
    async with sending(chain, tmp_path) as sender:
        receipt = await sender.send(CALLS, "claim")
        chain.nonce = 0
        chain.blocks.clear()
        assert [receipt] == await sender.recover()
    assert chain.sent[0] == chain.sent[1]


async def test_another_past_is_not_sent_again(tmp_path: Path) -> None:
    """fault_77: a new chain does not get the old chain's transactions if their nonces do not follow."""
    chain = FakeChain(nonce=4)
    async with sending(chain, tmp_path) as sender:
        await sender.send(CALLS, "claim")
        chain.nonce = 0
        chain.blocks.clear()
        assert await sender.recover() == []
        await sender.send(CALLS, "claim")
    assert [sent["nonce"] for sent in chain.sent] == ["0x4", "0x0"]


async def test_a_nonce_that_is_never_due_blocks_nothing(tmp_path: Path) -> None:
    """fault_67: if the transactions before it are gone, one that no node accepted is given up."""
    chain = FakeChain(nonces=[5], errors=[52])
    async with sending(chain, tmp_path) as sender:
        with pytest.raises(RegistryUnavailable):
            await sender.send(CALLS, "claim")
        await sender.send(CALLS, "claim")
    assert [sent["nonce"] for sent in chain.sent] == ["0x5", "0x0"]


async def test_a_node_of_another_version_is_detected(tmp_path: Path) -> None:
    """fault_71: if the node has another hash for the same bytes, its answer is not trusted."""
    async with sending(FakeChain(wrong_hash=True), tmp_path) as sender:
        with pytest.raises(RegistryUnavailable, match="calls the transaction"):
            await sender.send(CALLS, "claim")


@pytest.mark.parametrize(
    "bent",
    [
        {"transaction_hash": "0x1"},
        {"execution_status": "PERHAPS"},
        {"block_number": "7"},
        {"actual_fee": None},
        {"actual_fee": {"amount": "-"}},
        {"events": [{}]},
        {"events": 5},
    ],
)
async def test_a_receipt_that_does_not_fit_is_not_used(tmp_path: Path, bent: dict[str, Any]) -> None:
    """fault_59: the transaction stays open, and the receipt is read again later."""
    chain = FakeChain(receipt=bent)
    async with sending(chain, tmp_path) as sender:
        with pytest.raises(RegistryUnavailable):
            await sender.send(CALLS, "claim")
        chain.receipt = None
        assert isinstance(await sender.send(CALLS, "claim"), Receipt)
    assert len(chain.sent) == 1


async def test_a_fee_spike_signs_nothing(tmp_path: Path) -> None:
    """fault_68: over the limit, nothing is stored and nothing is sent."""
    chain = FakeChain(price=10**9)
    async with sending(chain, tmp_path) as sender:
        with pytest.raises(FeeTooHigh):
            await sender.send(CALLS, "claim")
        chain.price = 10
        await sender.send(CALLS, "claim")
    assert len(chain.sent) == 1
