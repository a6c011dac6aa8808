"""Where a lab's orders are: the embedded registry, or the real contract on a StarkNet devnet."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path
from typing import Protocol

from tests.deployed import REGISTRY, Clients, class_hash
from tests.nodes import STRK_ADDRESS, Devnet

from veriframe.adapters.local_registry import LocalRegistry
from veriframe.adapters.starknet.job_registry.registry import StarknetRegistry
from veriframe.ports.registry import FullRegistry

CREATOR = 0
DEPLOYER = 5
NOT_WORKERS = 2


class Chain(Protocol):
    """A registry, the creator of its orders, and its workers."""

    creator: FullRegistry

    def hire(self) -> FullRegistry:
        """The registry as a worker's account sees it that has done nothing yet."""

    async def add_blocks(self, number: int) -> None:
        """See that so many blocks come."""

    async def hash_of(self, block: int) -> int:
        """The hash of a block, which is there."""


class Embedded(Chain):
    """The embedded registry, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._file, self._hired = folder / "registry.sqlite", count(1)
        self.creator = LocalRegistry(self._file, "creator")

    def hire(self) -> FullRegistry:
        """Of a new account."""
        return LocalRegistry(self._file, f"worker-{next(self._hired)}")

    async def add_blocks(self, number: int) -> None:
        """Blocks come by themselves, once a second."""

    async def hash_of(self, block: int) -> int:
        """The number that was drawn with it."""
        found = await self.creator.block_hash(block)
        assert found is not None
        return found


class OnDevnet(Chain):
    """Our contract on a development chain, on which nobody else does anything."""

    def __init__(self, node: Devnet, clients: Clients, address: int) -> None:
        """`address` is the contract's."""
        self._node, self._clients, self._address = node, clients, address
        self._free = iter([one for one in range(len(node.accounts)) if one not in {CREATOR, DEPLOYER}])
        self.creator: FullRegistry = self._registry(CREATOR)

    def hire(self) -> FullRegistry:
        """Of the next account; fails if all have worked."""
        return self._registry(next(self._free))

    async def add_blocks(self, number: int) -> None:
        """Devnet makes a block for each transaction only."""
        for _ in range(number):
            await asyncio.to_thread(self._node.create_block)

    async def hash_of(self, block: int) -> int:
        """As the node itself tells it."""
        asked = {"block_number": block}
        told = await asyncio.to_thread(self._node.ask, "starknet_getBlockWithTxHashes", block_id=asked)
        return int(told["block_hash"], 16)

    def _registry(self, account: int) -> StarknetRegistry:
        return StarknetRegistry(
            self._clients.endpoints,
            self._clients.sender(account),
            self._address,
            token=STRK_ADDRESS,
            class_hashes={class_hash(REGISTRY)},
        )
