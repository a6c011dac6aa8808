"""Our truth about our own work on a job: an attempt, its stage, and which stage follows which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from veriframe.errors import Code, JobError, JobLost
from veriframe.model.registry.job import NOBODY, Address


class Stage(StrEnum):
    """What is known to be done. A restart goes on from here; nothing before it is done again."""

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
    """Not claimed: the asset or the scene is not for us. No money moved."""
    FAILED = "FAILED"
    """The claim will not be served and has yet to be given back."""
    RELEASED = "RELEASED"
    LOST = "LOST"
    """The registry took the job back, or another was faster."""
    REFUNDED = "REFUNDED"
    """Submitted, disputed, and the arbiter decided for the creator."""

    @property
    def is_end(self) -> bool:
        """Whether no stage follows."""
        return not FOLLOWS[self]

    @property
    def holds_claim(self) -> bool:
        """Whether a claim of ours may stand in the registry with its lease running."""
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
"""The stages that may follow each stage. Ends are followed by none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """This worker's one try at a job. Frozen: a stage returns the next one.

    `reached` maps each stage to the wall-clock time (Unix seconds) at which it was known to be done.
    `code` and `detail` say why an attempt ended other than PAID. `width` and `height` are the pixels that the
    inspection found, 0 before it. `result_bytes` is the size of what was stored. `fees_fri` is what our moves
    have cost so far, `lost_fri` what of the bond was burned.
    """

    job_id: int
    asset_cid: str
    reward_fri: int
    creator: Address = NOBODY
    order_id: int = 0
    bond_fri: int = 0
    width: int = 0
    height: int = 0
    result_bytes: int = 0
    fees_fri: int = 0
    lost_fri: int = 0
    stage: Stage = Stage.SEEN
    result_cid: str = ""
    code: Code | None = None
    detail: str = ""
    reached: Mapping[Stage, float] = field(default_factory=dict)

    def to(self, stage: Stage, *, at: float, result_cid: str | None = None) -> Attempt:
        """The same attempt at the next stage. Raises `ValueError` where `stage` may not follow."""
        if stage not in FOLLOWS[self.stage]:
            raise ValueError(f"{stage} does not follow {self.stage}")
        return replace(
            self,
            stage=stage,
            result_cid=self.result_cid if result_cid is None else result_cid,
            reached={**self.reached, stage: at},
        )

    def ended_by(self, error: JobError, *, at: float) -> Attempt:
        """Where `error` leads: LOST, REFUSED before a claim, FAILED (to be released) after it."""
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
    def earned_fri(self) -> int:
        """What it has brought so far: the reward once paid, less fees and what of the bond is burned."""
        reward_fri = self.reward_fri if self.stage is Stage.PAID else 0
        return reward_fri - self.fees_fri - self.lost_fri

    def paying(self, fee_fri: int) -> Attempt:
        """The same attempt after one more move of ours, which cost so much."""
        return replace(self, fees_fri=self.fees_fri + fee_fri)
