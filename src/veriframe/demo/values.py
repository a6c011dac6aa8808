"""What the demo tells while it runs, and what it ends with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from veriframe.creator.orders.posting import PostedOrder
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.registry.job import Job
from veriframe.model.rendering.frames import Progress
from veriframe.model.verification.findings import JobFinding
from veriframe.ports.registry import Funds, Totals
from veriframe.ports.renderer import RendererFacts
from veriframe.worker.report import stage_seconds


class Audience(Protocol):
    """Receives the demo's progress: one call for each thing that happens."""

    def begin(self, what: str) -> None:
        """A slow step starts."""

    def ready(self, facts: RendererFacts) -> None:
        """Blender and the sandbox are ready."""

    def posted(self, posted: PostedOrder) -> None:
        """The creator's order was posted."""

    def stage(self, before: Attempt, after: Attempt, who: str) -> None:
        """A worker, `who`, reached a stage."""

    def progress(self, progress: Progress) -> None:
        """Blender reports progress."""

    def submitted(self, job: Job) -> None:
        """The result was submitted. The creator now verifies, downloads and accepts it."""

    def verified(self, finding: JobFinding) -> None:
        """A result was verified."""

    def say(self, what: str) -> None:
        """Something else happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """All balances at one moment, in fri."""

    creator: Funds
    worker: Funds
    cheat: Funds
    registry: Totals

    @property
    def all_fri(self) -> int:
        """The sum of all money in the demo. It must never change."""
        people = (self.creator, self.worker, self.cheat)
        return sum(funds.wallet_fri + funds.credit_fri for funds in people) + (
            self.registry.escrow_fri + self.registry.burned_fri
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conviction:
    """The end of the worker who cheated: its job, refunded, what was found of it, and where to look.

    `page` is the report, `picture` shows a wrong tile: where, as it should be, as it is, and the difference.
    """

    job: Job
    finding: JobFinding
    page: Path
    picture: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The demo's result. `attempt` is the honest worker's finished attempt, `finding` that of its result.

    `conviction` is None for scenes of others, in which an eighth of the samples may be all of them.
    """

    job: Job
    attempt: Attempt
    picture: Path
    width: int
    height: int
    facts: RendererFacts
    before: Balances
    after: Balances
    finding: JobFinding
    conviction: Conviction | None = None

    @property
    def stage_seconds(self) -> dict[str, float]:
        """The duration of each stage."""
        return stage_seconds(self.attempt)
