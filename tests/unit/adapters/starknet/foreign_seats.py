"""A foreign registry in memory, and the adapter in front of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.foreign import REGISTRY, TOKEN, ForeignChain, ForeignSender, TheirJob

from veriframe.adapters.starknet.foreign import ForeignRegistry
from veriframe.adapters.starknet.foreign_notes import Notes


@dataclass
class ForeignSeats:
    """One chain, our account, and a folder for its notes."""

    folder: Path
    chain: ForeignChain = field(default_factory=ForeignChain)

    def __post_init__(self) -> None:
        self.sender = ForeignSender(self.chain)

    def post(self, jobs: int, first: int = 1) -> None:
        """New jobs by their ids."""
        for their_id in range(first, first + jobs):
            self.chain.jobs[their_id] = TheirJob()

    def worker(self) -> ForeignRegistry:
        """The adapter as a fresh process has it."""
        notes = Notes(self.folder, REGISTRY, self.sender.account)
        return ForeignRegistry(self.chain, self.sender, REGISTRY, token=TOKEN, notes=notes)
