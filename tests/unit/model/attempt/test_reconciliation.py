"""Reconciliation of the journal with the registry: every stage with every state."""

from __future__ import annotations

import pytest

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.reconciliation import stage_by_registry
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Order, Terms

NOW = 1_700_000_000
ME, OTHER = Address(1), Address(4)
SAME = None
"""In the table: the stage does not change."""

STAGES = tuple(Stage)

# One line for each state that the registry may show, one column for each stage of the journal:
# SEEN FETCHED CHECKED CLAIMED RENDERED VALIDATED STORED SUBMITTED PAID REFUSED FAILED RELEASED LOST REFUNDED
_UNCLAIMED, _CLAIMED = 3, 4


def _row(unclaimed: Stage | None, claimed: Stage | None, **others: Stage | None) -> dict[Stage, Stage]:
    """A line of the table: the new stage for stages before a claim, under a lease, and for the others."""
    row: dict[Stage, Stage | None] = dict.fromkeys(STAGES, SAME)
    row.update(dict.fromkeys(STAGES[:_UNCLAIMED], unclaimed))
    row.update(dict.fromkeys(STAGES[_UNCLAIMED : _UNCLAIMED + _CLAIMED], claimed))
    row[Stage.FAILED] = claimed
    row.update({Stage(name): stage for name, stage in others.items()})
    return {stage: then or stage for stage, then in row.items()}


LOST, SUBMITTED, CLAIMED = Stage.LOST, Stage.SUBMITTED, Stage.CLAIMED
_SUBMITTED = _row(SUBMITTED, SUBMITTED, REFUSED=SUBMITTED, RELEASED=SUBMITTED, LOST=SUBMITTED)
_ANOTHERS = _row(LOST, LOST, SUBMITTED=LOST)

TABLE: dict[str, tuple[Job, dict[Stage, Stage]]] = {}


def _shows(name: str, row: dict[Stage, Stage], state: JobState, worker: Address, **facts: object) -> None:
    terms = Terms(
        reward_fri=100,
        bond_fri=10,
        deadline=NOW + 1000,
        lease_seconds=600,
        review_seconds=600,
        arbitration_seconds=60,
    )
    order = Order(id=1, creator=Address(2), asset_cid="bafy", terms=terms, first_job=1, jobs=1, created_at=1)
    job = Job(id=1, order=order, part=0, state=state, worker=worker, **facts)  # type: ignore[arg-type]
    TABLE[name] = (job, row)


# Only a reorganisation reopens a job that we had: it is claimed, and the result submitted, again.
_shows("open", _row(SAME, SAME, FAILED=Stage.RELEASED, SUBMITTED=Stage.STORED), JobState.OPEN, NOBODY)
_shows(
    "claimed by us",
    _row(
        CLAIMED,
        SAME,
        SUBMITTED=Stage.STORED,
        PAID=CLAIMED,
        REFUSED=CLAIMED,
        RELEASED=Stage.FAILED,
        LOST=CLAIMED,
        REFUNDED=CLAIMED,
    ),
    JobState.CLAIMED,
    ME,
    lease_end=NOW + 1,
)
_shows("lapsed by us", _row(SAME, LOST, SUBMITTED=LOST), JobState.CLAIMED, ME, lease_end=NOW)
_shows("claimed by another", _ANOTHERS, JobState.CLAIMED, OTHER, lease_end=NOW + 1)
_shows("lapsed by another", _row(SAME, LOST, SUBMITTED=LOST), JobState.CLAIMED, OTHER, lease_end=NOW)
for _state in (JobState.SUBMITTED, JobState.DISPUTED, JobState.PAID, JobState.REFUNDED):
    _shows(f"{_state} by us", _SUBMITTED, _state, ME, result_cid="bafyresult")
    _shows(f"{_state} by another", _ANOTHERS, _state, OTHER, result_cid="bafyresult")
_shows("cancelled", _ANOTHERS, JobState.REFUNDED, NOBODY)


@pytest.mark.parametrize("shown", TABLE)
@pytest.mark.parametrize("stage", STAGES)
def test_the_registry_wins(shown: str, stage: Stage) -> None:
    """fault_77: the attempt gets the stage that the registry implies, whatever the journal says."""
    job, row = TABLE[shown]
    attempt = Attempt(job_id=1, asset_cid="bafy", reward_fri=100, stage=stage)
    assert row[stage] == stage_by_registry(attempt, job, ME, NOW)


def test_reconciling_is_idempotent() -> None:
    """A second run changes nothing."""
    for job, row in TABLE.values():
        for stage in set(row.values()):
            attempt = Attempt(job_id=1, asset_cid="bafy", reward_fri=100, stage=stage)
            assert stage == stage_by_registry(attempt, job, ME, NOW)


def test_an_open_job_past_its_deadline_is_lost() -> None:
    """It was checked, but not claimed in time."""
    job, _ = TABLE["open"]
    attempt = Attempt(job_id=1, asset_cid="bafy", reward_fri=100, stage=Stage.CHECKED)
    assert stage_by_registry(attempt, job, ME, job.terms.deadline) == LOST
