"""An attempt moves from stage to stage only as the table allows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import pytest

from veriframe.errors import Code, JobError, JobLost, JobRejected, RenderFailed, ValidationFailed
from veriframe.model.attempt.attempt import FOLLOWS, Attempt, Stage
from veriframe.model.rendering.frames import RenderTask

WAY = "SEEN FETCHED CHECKED CLAIMED RENDERED VALIDATED STORED SUBMITTED PAID"
BESIDE = {
    "SEEN": "REFUSED LOST",
    "FETCHED": "REFUSED LOST",
    "CHECKED": "REFUSED LOST",
    "CLAIMED": "FAILED LOST",
    "RENDERED": "FAILED LOST",
    "VALIDATED": "FAILED LOST",
    "STORED": "FAILED LOST",
    "SUBMITTED": "REFUNDED LOST",
    "FAILED": "RELEASED LOST",
}
ALLOWED = {(Stage(a), Stage(b)) for a, b in pairwise(WAY.split())} | {
    (Stage(a), Stage(b)) for a, after in BESIDE.items() for b in after.split()
}
ENDS = {Stage.PAID, Stage.REFUSED, Stage.RELEASED, Stage.LOST, Stage.REFUNDED}
UNDER_LEASE = {Stage.CLAIMED, Stage.RENDERED, Stage.VALIDATED, Stage.STORED, Stage.FAILED}
NEW = Attempt(job_id=7, asset_cid="bafk", reward_fri=10**18, reached={Stage.SEEN: 1.0})


@pytest.mark.parametrize(("before", "after"), sorted(product(Stage, Stage)))
def test_only_the_tables_moves_are_possible(before: Stage, after: Stage) -> None:
    """For every pair of stages: either the next attempt has the stage and its time, or `to` raises."""
    attempt = replace(NEW, stage=before)
    if (before, after) not in ALLOWED:
        with pytest.raises(ValueError, match=f"{after}.*{before}"):
            attempt.to(after, at=2.0)
        return
    expected = replace(attempt, stage=after, reached={Stage.SEEN: 1.0, after: 2.0})
    assert expected == attempt.to(after, at=2.0)


def test_every_stage_can_be_reached() -> None:
    """From SEEN, by the table."""
    reached = {Stage.SEEN}
    for _ in Stage:
        reached |= {after for stage in reached for after in FOLLOWS[stage]}
    assert set(Stage) == reached


def test_ends_and_leases_are_those_of_the_contract() -> None:
    """Unfinished attempts resume after a restart; failed ones with a claim must be released."""
    assert {stage for stage in Stage if stage.is_end} == ENDS
    assert {stage for stage in Stage if stage.holds_claim} == UNDER_LEASE


def test_the_result_stays_once_it_is_known() -> None:
    """A submission keeps the CID of the stored result."""
    stored = replace(NEW, stage=Stage.VALIDATED).to(Stage.STORED, at=2.0, result_cid="bafkresult")
    submitted = stored.to(Stage.SUBMITTED, at=3.0)
    assert (stored.result_cid, submitted.result_cid) == ("bafkresult", "bafkresult")
    assert submitted.reached == {Stage.SEEN: 1.0, Stage.STORED: 2.0, Stage.SUBMITTED: 3.0}


@pytest.mark.parametrize(
    ("before", "error", "after"),
    [
        (Stage.FETCHED, JobRejected(Code.BOMB, "too much"), Stage.REFUSED),
        (Stage.CHECKED, JobLost("another was faster"), Stage.LOST),
        (Stage.CLAIMED, RenderFailed(Code.CRASH, "it crashed"), Stage.FAILED),
        (Stage.RENDERED, ValidationFailed(Code.BLACK, "all black"), Stage.FAILED),
        (Stage.STORED, JobLost("the lease is over"), Stage.LOST),
        (Stage.SUBMITTED, JobLost("taken back"), Stage.LOST),
        (Stage.FAILED, JobLost("the lease is over"), Stage.LOST),
    ],
)
def test_an_error_ends_an_attempt_according_to_its_stage(
    before: Stage, error: JobError, after: Stage
) -> None:
    """Refused before a claim, failed after it, lost if the registry says so; code and text are kept."""
    ended = replace(NEW, stage=before).ended_by(error, at=5.0)
    assert (ended.stage, ended.code, ended.detail) == (after, error.code, str(error))
    assert ended.reached[after] == 5.0


@pytest.mark.parametrize(
    ("stage", "paid_fri", "cost_fri"),
    [(Stage.PAID, 970, 5), (Stage.RELEASED, 0, 35), (Stage.CLAIMED, 0, 35), (Stage.REFUNDED, 0, 35)],
)
def test_fees_lessen_pay_or_are_lost(stage: Stage, paid_fri: int, cost_fri: int) -> None:
    """A burned bond is lost in any case. What is left is the difference."""
    attempt = replace(NEW, stage=stage, reward_fri=1000, fees_fri=30, lost_fri=5)
    assert (attempt.paid_fri, attempt.cost_fri) == (paid_fri, cost_fri)
    assert attempt.earned_fri == paid_fri - cost_fri


def test_an_attempt_ends_when_its_last_stage_was_reached() -> None:
    """None before; an end of which no time is known was long ago."""
    assert NEW.ended_at is None
    assert NEW.to(Stage.LOST, at=2.0).ended_at == 2.0
    assert replace(NEW, stage=Stage.LOST).ended_at == 0.0


def test_the_size_is_that_of_the_task() -> None:
    """0 as long as it is unknown."""
    sizes = [
        (attempt.width, attempt.height)
        for task in (None, RenderTask(), RenderTask(size=(4, 3)))
        for attempt in [replace(NEW, task=task)]
    ]
    assert sizes == [(0, 0), (0, 0), (4, 3)]
