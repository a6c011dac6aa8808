"""A foreign registry in memory, and its adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.foreign import (
    OURS,
    REGISTRY,
    RESULT,
    TOKEN,
    ForeignChain,
    ForeignSender,
    PanicError,
    TheirJob,
)

from veriframe.adapters.starknet.foreign.move_records import MoveRecords
from veriframe.adapters.starknet.foreign.registry import ForeignRegistry
from veriframe.errors import MoveRefused


@dataclass
class ForeignClients:
    """A chain, our account, and a folder for its notes."""

    folder: Path
    chain: ForeignChain = field(default_factory=ForeignChain)

    def __post_init__(self) -> None:
        self.sender = ForeignSender(self.chain)

    def post(self, jobs: int, first: int = 1) -> None:
        """Adds jobs by their ids."""
        for their_id in range(first, first + jobs):
            self.chain.jobs[their_id] = TheirJob()

    def worker(self) -> ForeignRegistry:
        """The adapter in a new process."""
        notes = MoveRecords(self.folder, REGISTRY, self.sender.account)
        return ForeignRegistry(self.chain, self.sender, REGISTRY, token=TOKEN, notes=notes)


def with_two_jobs(folder: Path) -> ForeignClients:
    """Clients of a chain with two jobs; claims and submissions there are ours."""
    made = ForeignClients(folder)
    made.post(2)
    made.sender.play = lambda name, felts: play(made, name, felts)
    return made


def play(clients: ForeignClients, name: str, felts: Sequence[int]) -> None:
    """Executes a call as such a contract would."""
    if name == "submit_result":
        job = clients.chain.known(felts[0])
        if job.worker not in (0, OURS):
            raise PanicError("HAS_A_RESULT")
        job.worker, job.result = OURS, RESULT
    if name == "claim_job":
        if clients.chain.known(felts[0]).worker:
            raise PanicError("NOT_OPEN")
        clients.chain.known(felts[0]).worker = OURS


async def rule(move: Any) -> str:
    """Returns the rule that refuses a move."""
    with pytest.raises(MoveRefused) as raised:
        await move
    return raised.value.rule
