"""How far the nodes of a chain are trusted: its time, its orders, and its id."""

from __future__ import annotations

from dataclasses import dataclass, field

from veriframe.adapters.starknet.trust.head_clock import HeadClock
from veriframe.adapters.starknet.trust.learned_chain import LearnedChain
from veriframe.adapters.starknet.trust.witnesses import Witnesses
from veriframe.model.registry.chain import format_chain_id
from veriframe.model.registry.job import Head
from veriframe.ports.registry import ChainFacts


@dataclass(slots=True)
class Trust:
    """The checks before a claim. By default, any time and a single node are trusted."""

    clock: HeadClock = field(default_factory=HeadClock)
    witnesses: Witnesses | None = None
    learned: LearnedChain | None = None

    def facts(self, head: Head) -> ChainFacts:
        """The facts to report, with the newest head from a node."""
        return ChainFacts(
            chain=format_chain_id(self.learned.chain_id) if self.learned else "unknown",
            learned_at=self.learned.learned_at if self.learned else 0,
            is_new=self.learned is None or self.learned.is_new,
            nodes=self.witnesses.names if self.witnesses else (),
            time_fault=self.clock.note(head),
            skew_seconds=self.clock.skew_seconds,
        )
