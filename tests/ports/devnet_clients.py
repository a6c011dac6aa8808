"""Our contract on a real chain, with real senders and a clock that stands still until a test moves it."""

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
"""More than any test spends on fees."""


class Chain:
    """The node, the time that it should have, and the fees paid by each account."""

    def __init__(self, node: Devnet) -> None:
        self.node, self.now = node, node.now()
        self.fees_fri: Counter[Address] = Counter()

    def stand_still(self) -> None:
        """Sets the time of the latest block and of the next transaction.

        The node computes its time from this machine's clock. If its second changes in between, set it again.
        """
        while True:
            self.node.set_time(self.now)
            if self.node.now() == self.now:
                return

    def wait(self, seconds: int) -> None:
        """Advances the time."""
        self.now += seconds
        self.stand_still()

    def fund(self, account: Address, amount_fri: int) -> None:
        """Tops a wallet up to an amount."""
        request = {
            "contract_address": hex(STRK_ADDRESS),
            "entry_point_selector": hex(Call.named(STRK_ADDRESS, "balance_of", []).selector),
            "calldata": [hex(account)],
        }
        held = int(self.node.ask("starknet_call", request=request, block_id="latest")[0], 16)
        self.node.mint(account, amount_fri - held)


class ClientSender(Sender):
    """Sends at the chain's time and sums the fees."""

    chain: Chain

    async def send(self, calls: Sequence[Call], label: str) -> Receipt:
        """Sends as any sender does."""
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
    """Deploys a registry and yields clients for four accounts, each with `wallet_fri` in its wallet."""
    chain, endpoints = Chain(node), Endpoints([node.url])
    outboxes = [Outbox(folder / f"{number}.sqlite") for number in range(4)]
    try:
        address = await deploy(node, REGISTRY, STRK_ADDRESS)
        chain.now = node.now()
        registries = []
        for owner, outbox in zip(node.accounts, outboxes, strict=False):
            key = Key(owner.private_key)
            sender = ClientSender(
                endpoints, outbox, owner.address, key, max_fee_fri=MAX_FEE_FRI, timeouts=PACE
            )
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
