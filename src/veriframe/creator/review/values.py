"""What a review works with: who verifies, what may be done with the conclusions, and what it tells."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from veriframe.creator.orders.values import Chunk
from veriframe.model.registry.job import Job
from veriframe.model.verification.findings import Conclusion


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a verification says of a result, why, and its report: a JSON document that may be published.

    `late_seconds`: how long it waited for late deliveries.
    """

    conclusion: Conclusion
    why: str
    report: bytes
    late_seconds: float = 0.0


Late = Callable[[], float]
"""How many seconds late deliveries may be waited for, if the waiting begins now."""


class Examiner(Protocol):
    """Verifies results, one at a time."""

    @abstractmethod
    async def examine(self, job: Job, late: Late) -> Examined:
        """Verify the result of a job. The block after its submission's is there.

        `late` says, when its turn has come, how many seconds late deliveries are waited for at most.
        Raises `Unavailable` if that may succeed later; what cannot be decided is UNDECIDED.
        """

    @abstractmethod
    async def rest(self) -> None:
        """Nothing is to be verified for now: release what takes memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewOptions:
    """What may be done without a person: pay, dispute, order again.

    `how` says how results are verified, as one text: what was noted of another way is not used.
    `retry_seconds` is the pause before what failed is tried again.
    """

    accept: bool = False
    dispute: bool = False
    reorder: bool = False
    how: str = ""
    retry_seconds: float = 30.0


class Happened(StrEnum):
    """What a review tells of."""

    BEGUN = "begun"
    """A verification begins."""
    CONCLUDED = "concluded"
    """A conclusion was noted; the chunk has it."""
    PAID = "paid"
    PAYABLE = "payable"
    """It is right, and a person may pay for it at once."""
    DISPUTED = "disputed"
    DISPUTABLE = "disputable"
    """It is at fault, and a person may dispute it."""
    NO_ARBITER = "no arbiter"
    """It is at fault, and nobody can dispute it."""
    ASKED_AGAIN = "asked again"
    """It is withheld, and is asked for again until half of its review is over."""
    UNDECIDED = "undecided"
    LATE = "late"
    """The review ended before a conclusion."""
    ORDERED_AGAIN = "ordered again"
    NOT_ORDERED_AGAIN = "not ordered again"
    PUT_OFF = "put off"
    """Something outside does not answer; it is tried again."""
    REFUSED = "refused"
    """The registry refuses a move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One thing that happened to a chunk.

    `reason` is a sentence. `report` is the report's file, `order` the number of an order that was posted.
    """

    what: Happened
    chunk: Chunk
    reason: str = ""
    report: Path | None = None
    order: int = 0
