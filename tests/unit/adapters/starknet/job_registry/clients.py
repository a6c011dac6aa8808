"""A creator and a worker on one fake chain, for tests of our contract's adapter."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.chain import CLASS_HASH, REGISTRY, TOKEN, FakeChain, FakeSender
from tests.fakes.registry import Shared
from tests.ports.registry_world import CID

from veriframe.adapters.starknet.job_registry.registry import StarknetRegistry
from veriframe.errors import MoveRefused
from veriframe.model.registry.job import Address, Terms

WALLET, R, B = 10_000, 100, 10
CREATOR, WORKER = 0xC, 0xD


class Clients:
    """A creator and a worker with credit on one fake chain."""

    def __init__(self) -> None:
        self.shared = Shared(strict=True)
        self.chain = FakeChain(self.shared)
        self.senders = {account: FakeSender(account, self.chain) for account in (CREATOR, WORKER)}
        for account in self.senders:
            self.shared.wallets[Address(account)] = WALLET

    def as_account(self, account: int, gather_seconds: float = 0) -> StarknetRegistry:
        """The registry as one account uses it."""
        return StarknetRegistry(
            self.chain,
            self.senders[account],
            REGISTRY,
            token=TOKEN,
            class_hashes={CLASS_HASH},
            gather_seconds=gather_seconds,
        )

    async def posted(self, jobs: int = 1) -> int:
        """Posts an order of the creator. Returns its first job."""
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


async def rule(move: Any) -> str:
    """Returns the rule that refuses a move."""
    with pytest.raises(MoveRefused) as raised:
        await move
    return raised.value.rule
