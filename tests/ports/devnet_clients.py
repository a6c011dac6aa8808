"""Our contract on a real chain, by real senders, with a clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.deployed import MAX_FEE_FRI, PACE, REGISTRY, class_hash, deploy
from tests.nodes import STRK_ADDRESS, Devnet

from veriframe.adapters.starknet.account.keystore import Key
from veriframe.adapters.starknet.job_registry.registry import StarknetRegistry
from veriframe.adapters.starknet.rpc.endpoints import Endpoints
from veriframe.adapters.starknet.transactions.outbox import Outbox
from veriframe.adapters.starknet.transactions.sender import Call, Receipt, Reverted, Sender
from veriframe.model.registry.job import Address

FEES_FRI = 100 * 10**18
"""What no test spends on fees."""


class Chain:
    """The node, the time that it is to have, and the fees that were paid, by account."""

    def __init__(self, node: Devnet) -> None:
        self.node, self.now = node, node.now()
        self.fees_fri: Counter[Address] = Counter()

    def stand_still(self) -> None:
        """The latest block is of this time, and so is what the next transaction sees.

        The node reckons from this machine's clock: where its second changes in between, once more.
        """
        while True:
            self.node.set_time(self.now)
            if self.node.now() == self.now:
                return

    def wait(self, seconds: int) -> None:
        """Time goes on."""
        self.now += seconds
        self.stand_still()

    def fund(self, account: Address, amount_fri: int) -> None:
        """Bring a wallet up to an amount."""
        request = {
            "contract_address": hex(STRK_ADDRESS),
            "entry_point_selector": hex(Call.named(STRK_ADDRESS, "balance_of", []).selector),
            "calldata": [hex(account)],
        }
        held = int(self.node.ask("starknet_call", request=request, block_id="latest")[0], 16)
        self.node.mint(account, amount_fri - held)


class ClientSender(Sender):
    """Sends at the chain's time, and counts the fees."""

    chain: Chain

    async def send(self, calls: Sequence[Call], label: str) -> Receipt:
        """As any sender does."""
        account = Address(self.account)
        self.chain.stand_still()
        try:
            receipt = await super().send(calls, label)
        except Reverted as error:
            self.chain.fees_fri[account] += error.fee_fri
            raise
        finally:
            self.chain.stand_still()
        self.chain.fees_fri[account] += receipt.fee_fri
        return receipt


@asynccontextmanager
async def clients(
    node: Devnet, folder: Path, wallet_fri: int
) -> AsyncIterator[tuple[Chain, list[StarknetRegistry]]]:
    """A new registry as four accounts see it, each with so much in its wallet."""
    chain, endpoints = Chain(node), Endpoints([node.url])
    outboxes = [Outbox(folder / f"{number}.sqlite") for number in range(4)]
    try:
        address = await deploy(node, REGISTRY, STRK_ADDRESS)
        chain.now = node.now()
        registries = []
        for owner, outbox in zip(node.accounts, outboxes, strict=False):
            key = Key(owner.private_key)
            sender = ClientSender(endpoints, outbox, owner.address, key, max_fee_fri=MAX_FEE_FRI, pace=PACE)
            sender.chain = chain
            hashes = {class_hash(REGISTRY)}
            await asyncio.to_thread(chain.fund, Address(owner.address), wallet_fri)
            registries.append(
                StarknetRegistry(endpoints, sender, address, token=STRK_ADDRESS, class_hashes=hashes)
            )
        chain.stand_still()
        yield chain, registries
    finally:
        await endpoints.close()
        for outbox in outboxes:
            outbox.close()
