"""What readers of all contracts have in common: the registry's identity, and the hashes of its chain."""

from __future__ import annotations

from veriframe.adapters.starknet.contract.contract import Contract, Node
from veriframe.adapters.starknet.trust.block_hashes import BlockHashes
from veriframe.adapters.starknet.trust.witnesses import Witnesses
from veriframe.ports.registry import JobReader


class ChainReader(JobReader):
    """The contract at `address`. With several `witnesses`, two of them must show the same hash of a block."""

    def __init__(self, node: Node, address: int, witnesses: Witnesses | None = None) -> None:
        self._contract = Contract(node, address)
        self._hashes = BlockHashes(node, witnesses)

    async def identity(self) -> str:
        """The registry's chain and address."""
        return await self._contract.identity()

    async def block_hash(self, number: int) -> int | None:
        """The hash of a block that is ACCEPTED_ON_L2; None if there is none of this number yet."""
        return await self._hashes.read(number)
