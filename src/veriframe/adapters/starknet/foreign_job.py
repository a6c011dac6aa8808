"""A job of a registry that is not ours, derived from the little that its views tell."""

from __future__ import annotations

from dataclasses import dataclass

from veriframe.model.job import NOBODY, Address, Job, JobState, Order, Terms
from veriframe.model.ledger import CID_MAX_BYTES, TIME_MAX

LEASE_SECONDS = 30 * 86400
"""Such a registry sets no lease; this is longer than any render may take."""
UNKNOWN_RESULT = "a result whose CID this registry does not show"


@dataclass(frozen=True, slots=True)
class Facts:
    """What never changes about a job. `deadline` is in chain seconds, `TIME_MAX` where there is none."""

    creator: Address
    reward_fri: int
    asset_cid: str
    deadline: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the registry and this process know of a job now.

    `claimed_at`: when this process claimed it, in chain seconds. `has_claims`: whether a worker without a
    result is a claimant. `waits`: whether somebody must finalize before the worker is paid.
    """

    worker: Address
    result_cid: str
    account: Address
    claimed_at: int | None
    has_claims: bool
    waits: bool


def build_job(job_id: int, facts: Facts, standing: Standing, now: int) -> Job:
    """The job at `now` (chain seconds), with a bond of 0 and without review or arbiter."""
    terms = Terms(
        reward_fri=facts.reward_fri,
        bond_fri=0,
        deadline=facts.deadline,
        lease_seconds=LEASE_SECONDS,
        review_seconds=0,
        arbitration_seconds=0,
    )
    order = Order(
        id=job_id,
        creator=facts.creator,
        asset_cid=_cut(facts.asset_cid),
        terms=terms,
        first_job=job_id,
        jobs=1,
        created_at=0,
    )
    state = _state(standing)
    claimed = state is JobState.CLAIMED
    since = now if standing.claimed_at is None else standing.claimed_at
    return Job(
        id=job_id,
        order=order,
        part=0,
        state=state,
        worker=standing.account if claimed and standing.worker == NOBODY else standing.worker,
        claimed_at=since if claimed else 0,
        lease_end=min(since + LEASE_SECONDS, facts.deadline) if claimed else 0,
        review_end=facts.deadline if state is JobState.SUBMITTED and facts.deadline < TIME_MAX else 0,
        result_cid=_result(standing, state),
    )


def _state(standing: Standing) -> JobState:
    if standing.worker == NOBODY:
        return JobState.OPEN if standing.claimed_at is None else JobState.CLAIMED
    if standing.has_claims and not standing.result_cid:
        return JobState.CLAIMED
    return JobState.SUBMITTED if standing.waits else JobState.PAID


def _result(standing: Standing, state: JobState) -> str:
    if state in (JobState.OPEN, JobState.CLAIMED):
        return ""
    return _cut(standing.result_cid) or UNKNOWN_RESULT


def _cut(cid: str) -> str:
    """A CID is short; whatever else a stranger wrote there is cut, and is no CID then."""
    return cid if len(cid) <= CID_MAX_BYTES else cid[:CID_MAX_BYTES] + "…"
