"""The sender on a real chain, over a network that fails at the worst moments, with killed processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.nodes import STRK_ADDRESS, Devnet, devnet
from tests.proxy import Fault, Proxy

from veriframe.adapters.starknet.account.keystore import Key
from veriframe.adapters.starknet.rpc.endpoints import EndpointLimits, Endpoints
from veriframe.adapters.starknet.transactions.outbox import Outbox
from veriframe.adapters.starknet.transactions.sender import Call, Reverted, Sender, SendTimeouts
from veriframe.errors import MoveRefused, RegistryUnavailable

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RECIPIENT = 0xC0FFEE
LIMIT_FRI = 10**18
HURRIED = EndpointLimits(request_seconds=2.0, call_seconds=8.0, pause_seconds=0.05)
QUICK = SendTimeouts(wait_seconds=20.0, poll_seconds=0.02, poll_max_seconds=0.2)


@pytest.fixture(scope="module")
def node() -> Iterator[Devnet]:
    """One chain for this file: each test has its own recipient."""
    with devnet() as running:
        yield running


def transfer(recipient: int, amount_fri: int) -> Call:
    """A payment in STRK."""
    return Call.named(STRK_ADDRESS, "transfer", [recipient, amount_fri, 0])


def balance(node: Devnet, address: int) -> int:
    """An address's STRK, in fri."""
    request = Call.named(STRK_ADDRESS, "balance_of", [address])
    low, high = node.ask(
        "starknet_call",
        block_id="latest",
        request={
            "contract_address": hex(request.to),
            "entry_point_selector": hex(request.selector),
            "calldata": [hex(felt) for felt in request.calldata],
        },
    )
    return int(low, 16) + (int(high, 16) << 128)


@asynccontextmanager
async def sending(
    node: Devnet,
    url: str,
    folder: Path,
    *,
    account: int = 0,
    max_fee_fri: int = LIMIT_FRI,
    timeouts: SendTimeouts = QUICK,
) -> AsyncIterator[Sender]:
    """A sender for one of the chain's accounts, over `url`, with an outbox in `folder`."""
    owner = node.accounts[account]
    endpoints = Endpoints([url], limits=HURRIED)
    outbox = Outbox(folder / "outbox.sqlite")
    try:
        yield Sender(
            endpoints,
            outbox,
            owner.address,
            Key(owner.private_key),
            max_fee_fri=max_fee_fri,
            timeouts=timeouts,
        )
    finally:
        outbox.close()
        await endpoints.close()


async def test_a_transfer_is_in_an_accepted_block_with_its_fee_and_its_events(
    node: Devnet, tmp_path: Path
) -> None:
    """The receipt has the block, the paid fee, and the token's events."""
    owner = node.accounts[0].address
    async with sending(node, node.url, tmp_path) as sender:
        before = balance(node, owner)
        receipt = await sender.send([transfer(0xA1, 5), transfer(0xA2, 7)], "pay")
    assert (balance(node, 0xA1), balance(node, 0xA2)) == (5, 7)
    assert before - 12 - receipt.fee_fri == balance(node, owner)
    assert STRK_ADDRESS in {event.from_address for event in receipt.events}
    assert (receipt.label, receipt.revert_reason) == ("pay", "")


@pytest.mark.parametrize(
    "fault", [fault for fault in Fault if fault not in {Fault.NONE, Fault.HUGE, Fault.DEEP, Fault.NAN}]
)
async def test_whatever_fails_on_sending_it_happens_once(node: Devnet, tmp_path: Path, fault: Fault) -> None:
    """fault_61, fault_63: lost before or after the node acted, the transfer is made once; so is the next."""
    recipient = 0xB00 + list(Fault).index(fault)
    proxy = Proxy(node.url, faults=[fault], only="starknet_addInvokeTransaction")
    async with proxy, sending(node, proxy.url, tmp_path) as sender:
        await sender.send([transfer(recipient, 100)], "first")
        assert balance(node, recipient) == 100
        await sender.send([transfer(recipient, 1)], "second")
    assert balance(node, recipient) == 101
    assert len({json.dumps(sent) for sent in map(_payload, proxy.sent[:2])}) == 1


async def test_an_open_outcome_is_found_by_repeating_the_call(node: Devnet, tmp_path: Path) -> None:
    """fault_61: the same calls under the same label after `RegistryUnavailable` are not made twice."""
    proxy = Proxy(node.url, faults=[Fault.RESET_AFTER] + [Fault.BROKEN] * 8)
    proxy.only = "starknet_addInvokeTransaction"
    async with proxy, sending(node, proxy.url, tmp_path) as sender:
        with pytest.raises(RegistryUnavailable):
            await sender.send([transfer(0xD1, 9)], "pay")
        proxy.faults.clear()
        await sender.send([transfer(0xD1, 9)], "pay")
        assert balance(node, 0xD1) == 9
        await sender.send([transfer(0xD1, 9)], "pay")
    assert balance(node, 0xD1) == 18


async def test_cancelled_at_any_moment_it_continues(node: Devnet, tmp_path: Path) -> None:
    """A cancelled `send` leaves nothing half done: the next call finishes it, once."""
    made = []
    async with sending(node, node.url, tmp_path) as sender:
        for number in range(12):
            task = asyncio.create_task(sender.send([transfer(0xE00 + number, 3)], "pay"))
            await asyncio.wait({task}, timeout=0.03 * number)
            task.cancel()
            await asyncio.wait({task})
            await sender.send([transfer(0xE00 + number, 3)], "pay")
            made.append((3 if task.cancelled() else 6, balance(node, 0xE00 + number)))
    assert [expected for expected, _ in made] == [found for _, found in made]
    assert made[0][0] == 3


async def test_concurrent_sends_are_serialised(node: Devnet, tmp_path: Path) -> None:
    """Each of them has its own nonce."""
    async with sending(node, node.url, tmp_path) as sender:
        receipts = await asyncio.gather(*(sender.send([transfer(0xF1, 1)], f"n{n}") for n in range(5)))
    assert len({receipt.hash for receipt in receipts}) == 5
    assert balance(node, 0xF1) == 5


async def test_another_program_on_the_account_uses_a_nonce(node: Devnet, tmp_path: Path) -> None:
    """fault_63: a nonce that another program used is read again, and nothing is lost or duplicated."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with (
        sending(node, node.url, tmp_path / "one") as one,
        sending(node, node.url, tmp_path / "two") as two,
    ):
        for number in range(3):
            await asyncio.gather(
                one.send([transfer(0xF2, 1)], f"a{number}"), two.send([transfer(0xF2, 10)], f"b{number}")
            )
    assert balance(node, 0xF2) == 33


async def test_a_move_that_would_be_reverted_costs_nothing(node: Devnet, tmp_path: Path) -> None:
    """fault_64: the estimate detects it before anything is signed, with the contract's reason."""
    owner = node.accounts[1].address
    before = balance(node, owner)
    async with sending(node, node.url, tmp_path, account=1) as sender:
        with pytest.raises(Reverted) as caught:
            await sender.send([transfer(0xF3, 10**30)], "too much")
    assert (caught.value.rule, caught.value.fee_fri) == ("ERC20: insufficient balance", 0)
    assert before == balance(node, owner)


async def test_a_fee_over_the_limit_is_not_paid(node: Devnet, tmp_path: Path) -> None:
    """fault_68: the error says that it waits for lower fees."""
    async with sending(node, node.url, tmp_path, max_fee_fri=1000) as sender:
        with pytest.raises(RegistryUnavailable, match="over the limit"):
            await sender.send([transfer(0xF4, 1)], "dear")
    assert balance(node, 0xF4) == 0


async def test_a_wrong_key_is_refused_and_leaves_no_nonce_stuck(node: Devnet, tmp_path: Path) -> None:
    """The account does not accept the signature: one clear error, and the right key works."""
    endpoints, outbox = Endpoints([node.url], limits=HURRIED), Outbox(tmp_path / "outbox.sqlite")
    owner = node.accounts[2]
    wrong = Sender(endpoints, outbox, owner.address, Key(12345), max_fee_fri=LIMIT_FRI, timeouts=QUICK)
    with pytest.raises(MoveRefused, match="key"):
        await wrong.send([transfer(0xF5, 1)], "pay")
    right = Sender(
        endpoints, outbox, owner.address, Key(owner.private_key), max_fee_fri=LIMIT_FRI, timeouts=QUICK
    )
    await right.send([transfer(0xF5, 1)], "pay")
    assert balance(node, 0xF5) == 1
    outbox.close()
    await endpoints.close()


async def test_after_a_reorganisation_the_same_bytes_are_sent_again(tmp_path: Path) -> None:
    """fault_66, fault_67: the nonce went back; the reverted transfer is made again, with the same hash."""
    with devnet(full_archive=True) as node:
        async with sending(node, node.url, tmp_path) as sender:
            await sender.send([transfer(0xF6, 1)], "stays")
            receipt = await sender.send([transfer(0xF6, 10)], "undone")
            block = node.ask("starknet_getTransactionReceipt", transaction_hash=hex(receipt.hash))
            node.abort_blocks(block["block_hash"])
            assert balance(node, 0xF6) == 1
            found = await sender.recover()
            assert [receipt.hash] == [one.hash for one in found]
            assert balance(node, 0xF6) == 11
            assert await sender.recover() == []
            await sender.send([transfer(0xF6, 100)], "next")
        assert balance(node, 0xF6) == 111


_DRIVER = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.proxy import Proxy
from tests.integration.test_starknet_sender import HURRIED, QUICK, LIMIT_FRI, transfer
from veriframe.adapters.starknet.rpc import endpoints as e
from veriframe.adapters.starknet.account.keystore import Key
from veriframe.adapters.starknet.transactions.outbox import Outbox, State
from veriframe.adapters.starknet.transactions.sender import Sender

url, path, address, key, recipient, moment = sys.argv[1:]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Deadly(Outbox):
    async def add(self, entry):
        await super().add(entry)
        if moment == "signed":
            die()
    async def note_sending(self, entry, sent_at):
        noted = await super().note_sending(entry, sent_at)
        if moment == "sending":
            die()
        return noted
    async def mark(self, entry, state):
        if moment == "accepted" and state is State.DONE:
            die()
        await super().mark(entry, state)
        if moment == "done" and state is State.DONE:
            die()

class DeadlyEndpoints(e.Endpoints):
    async def call(self, method, params=None):
        answer = await super().call(method, params)
        if moment == "sent" and method == "starknet_addInvokeTransaction":
            die()
        return answer

async def main():
    sender = Sender(DeadlyEndpoints([url], limits=HURRIED), Deadly(Path(path)), int(address), Key(int(key)),
                    max_fee_fri=LIMIT_FRI, timeouts=QUICK)
    await sender.send([transfer(int(recipient), 50)], "pay")

asyncio.run(main())
"""


@pytest.mark.parametrize("moment", ["signed", "sending", "sent", "accepted", "done"])
async def test_killed_at_any_moment_it_happens_once(node: Devnet, tmp_path: Path, moment: str) -> None:
    """fault_73: after `kill -9`, the next run finds or finishes the transfer; it is made once."""
    recipient = 0xAB00 + len(moment) * 16 + ord(moment[0])
    owner = node.accounts[3]
    arguments = [node.url, tmp_path / "outbox.sqlite", owner.address, owner.private_key, recipient, moment]
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", _DRIVER, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-500:]
    async with sending(node, node.url, tmp_path, account=3) as sender:
        (receipt,) = await sender.recover()
        assert (receipt.label, balance(node, recipient)) == ("pay", 50)
        assert await sender.recover() == []
        await sender.send([transfer(recipient, 1)], "next")
    assert balance(node, recipient) == 51


def _payload(sent: dict[str, object]) -> object:
    return sent["params"]
