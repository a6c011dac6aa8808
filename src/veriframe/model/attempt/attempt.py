"""The worker's attempt at a job: its stage, and which stage follows which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from veriframe.errors import Code, JobError, JobLost
from veriframe.model.bundle.inspected import Settings
from veriframe.model.registry.job import NOBODY, Address
from veriframe.model.rendering.frames import RenderTask


class Stage(StrEnum):
    """The last completed step of an attempt. A restart resumes after it and repeats nothing before it."""

    SEEN = "SEEN"
    FETCHED = "FETCHED"
    CHECKED = "CHECKED"
    CLAIMED = "CLAIMED"
    RENDERED = "RENDERED"
    VALIDATED = "VALIDATED"
    STORED = "STORED"
    SUBMITTED = "SUBMITTED"
    PAID = "PAID"
    REFUSED = "REFUSED"
    """Not claimed, because the asset or the scene is unfit. No money moved."""
    FAILED = "FAILED"
    """The claim will not be served and must still be released."""
    RELEASED = "RELEASED"
    LOST = "LOST"
    """The claim lapsed, the job was cancelled, or another worker was faster."""
    REFUNDED = "REFUNDED"
    """Submitted and disputed; the arbiter decided for the creator."""

    @property
    def is_end(self) -> bool:
        """Whether no stage follows."""
        return not FOLLOWS[self]

    @property
    def holds_claim(self) -> bool:
        """Whether the registry may hold a live claim of ours."""
        return self in _UNDER_LEASE


_UNDER_LEASE = frozenset((Stage.CLAIMED, Stage.RENDERED, Stage.VALIDATED, Stage.STORED, Stage.FAILED))

FOLLOWS: Mapping[Stage, frozenset[Stage]] = MappingProxyType(
    {
        Stage.SEEN: frozenset((Stage.FETCHED, Stage.REFUSED, Stage.LOST)),
        Stage.FETCHED: frozenset((Stage.CHECKED, Stage.REFUSED, Stage.LOST)),
        Stage.CHECKED: frozenset((Stage.CLAIMED, Stage.REFUSED, Stage.LOST)),
        Stage.CLAIMED: frozenset((Stage.RENDERED, Stage.FAILED, Stage.LOST)),
        Stage.RENDERED: frozenset((Stage.VALIDATED, Stage.FAILED, Stage.LOST)),
        Stage.VALIDATED: frozenset((Stage.STORED, Stage.FAILED, Stage.LOST)),
        Stage.STORED: frozenset((Stage.SUBMITTED, Stage.FAILED, Stage.LOST)),
        Stage.SUBMITTED: frozenset((Stage.PAID, Stage.REFUNDED, Stage.LOST)),
        Stage.FAILED: frozenset((Stage.RELEASED, Stage.LOST)),
        Stage.PAID: frozenset(),
        Stage.REFUSED: frozenset(),
        Stage.RELEASED: frozenset(),
        Stage.LOST: frozenset(),
        Stage.REFUNDED: frozenset(),
    }
)
"""The stages that may follow each stage. No stage follows an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """This worker's attempt at a job. Immutable: each step returns a new one.

    `number` is its number in the journal, 0 before it is stored; `part` is the job's index within its order.
    `reached` maps each stage to the wall-clock time (Unix seconds) at which it was completed. `code` and
    `detail` say why an attempt ended other than PAID. `task` is what to render, None before the check.
    `settings` are those that a bundle's frames are rendered with, for its manifest; empty for a bare scene.
    `result_bytes` is the size of the stored result. `fees_fri` is the cost of our moves so far, `lost_fri`
    the burned part of the bond. `due_at` is when the time limit ends that runs for us, in chain seconds: the
    lease of a claim, then the review or arbitration of a result; 0 if it is not known. `is_disputed`: the
    arbiter decides on the result.
    """

    job_id: int
    asset_cid: str
    reward_fri: int
    creator: Address = NOBODY
    number: int = 0
    order_id: int = 0
    part: int = 0
    bond_fri: int = 0
    task: RenderTask | None = None
    settings: Settings = field(default_factory=dict)
    result_bytes: int = 0
    fees_fri: int = 0
    lost_fri: int = 0
    due_at: int = 0
    is_disputed: bool = False
    stage: Stage = Stage.SEEN
    result_cid: str = ""
    code: Code | None = None
    detail: str = ""
    reached: Mapping[Stage, float] = field(default_factory=dict)

    def to(self, stage: Stage, *, at: float, result_cid: str | None = None) -> Attempt:
        """The same attempt at the next stage. Raises `ValueError` if `stage` may not follow."""
        if stage not in FOLLOWS[self.stage]:
            raise ValueError(f"{stage} does not follow {self.stage}")
        return replace(
            self,
            stage=stage,
            result_cid=self.result_cid if result_cid is None else result_cid,
            reached={**self.reached, stage: at},
        )

    def ended_by(self, error: JobError, *, at: float) -> Attempt:
        """The attempt after `error`: LOST, or REFUSED before a claim, or FAILED (to be released) after it."""
        stage = Stage.LOST
        if not isinstance(error, JobLost):
            stage = Stage.FAILED if self.stage.holds_claim else Stage.REFUSED
        return replace(
            self.to(stage, at=at),
            code=error.code,
            detail=str(error),
            fees_fri=self.fees_fri + error.fees_fri,
            lost_fri=self.lost_fri + error.lost_fri,
        )

    @property
    def is_of_bundle(self) -> bool:
        """Whether it renders a part of a bundle, as far as that is known."""
        return bool(self.settings)

    @property
    def width(self) -> int:
        """The picture's width in pixels, or 0 if it is not known."""
        return self.task.size[0] if self.task and self.task.size else 0

    @property
    def height(self) -> int:
        """The picture's height in pixels, or 0 if it is not known."""
        return self.task.size[1] if self.task and self.task.size else 0

    @property
    def ended_at(self) -> float | None:
        """When it ended, in Unix seconds, or None if it has not."""
        return self.reached.get(self.stage, 0.0) if self.stage.is_end else None

    @property
    def paid_fri(self) -> int:
        """What its creator has paid: the reward less fees, or 0 if the job is not paid."""
        return self.reward_fri - self.fees_fri if self.stage is Stage.PAID else 0

    @property
    def cost_fri(self) -> int:
        """What it has cost so far: the burned part of the bond, and the fees unless the job is paid."""
        return self.lost_fri + (0 if self.stage is Stage.PAID else self.fees_fri)

    @property
    def earned_fri(self) -> int:
        """The earnings so far: the reward once paid, less fees and the burned part of the bond."""
        return self.paid_fri - self.cost_fri

    def paying(self, fee_fri: int) -> Attempt:
        """The same attempt after one more move, which cost `fee_fri`."""
        return replace(self, fees_fri=self.fees_fri + fee_fri)
