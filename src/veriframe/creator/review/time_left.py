"""How much of a review is left, by the time of the last poll."""

from __future__ import annotations

from veriframe.creator.orders.values import Chunk
from veriframe.model.registry.job import Job

LAST_SHARE = 0.1
"""When so much of a review is left, what was withheld is not asked for again, however long ago that was."""

LATE_SHARE = 0.25
"""An examination waits for late deliveries for so much of what is left of the review, and no longer."""

LATE_SHARE_OF_ALL = 0.5
"""All examinations of one worker's results wait so long together: they follow each other."""


SURE_SECONDS, SURE_SHARE = 120.0, 1 / 8
"""A worker's late deliveries were waited for so long, or for so much of a short review, before what did not
come counts as withheld: a part may take a minute to be found."""


def until_half(chunk: Chunk) -> float:
    """The seconds until half of its review is over; negative afterwards."""
    return _seconds_left(chunk) - chunk.job.terms.review_seconds / 2


def is_half_over(chunk: Chunk) -> bool:
    """Whether at least half of its review is over."""
    return until_half(chunk) <= 0


def is_nearly_over(chunk: Chunk) -> bool:
    """Whether no time is left for another examination."""
    return _seconds_left(chunk) <= LAST_SHARE * chunk.job.terms.review_seconds


def sure_seconds(job: Job) -> float:
    """How many seconds a worker's late deliveries must have been waited for before a dispute."""
    return min(SURE_SECONDS, SURE_SHARE * job.terms.review_seconds)


def late_seconds(chunk: Chunk, results: int) -> float:
    """The seconds that an examination may wait for late deliveries, so that it ends within the review.

    `results`: how many of this worker's are left to be examined, this one included.
    """
    return max(0.0, min(LATE_SHARE, LATE_SHARE_OF_ALL / results) * _seconds_left(chunk))


def _seconds_left(chunk: Chunk) -> int:
    return chunk.job.review_end - chunk.now
