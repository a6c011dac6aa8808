"""A job of a registry that is not ours, derived from the little that its views tell."""

from __future__ import annotations

from dataclasses import dataclass

from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Order, Terms
from veriframe.model.registry.ledger import CID_MAX_BYTES, TIME_MAX

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
class Note:
    """What this account did with a job of these facts, as far as the registry may not show it.

    `claimed_at`: chain seconds, None where it has no claim. `result_cid`: what it began to hand in, and
    `is_submitted` whether that is known to have been taken. `has_ended`: it has finalized the job.
    `again_at`: not before these chain seconds is it tried to finalize the job again.
    """

    facts: Facts
    claimed_at: int | None = None
    result_cid: str = ""
    is_submitted: bool = False
    has_ended: bool = False
    again_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryRules:
    """What a registry has: claims, so that a worker without a result is a claimant; and a finalizing move.

    `shows_workers`: whether it tells who has a job. `account` is ours.
    """

    account: Address
    has_claims: bool
    finalizes: bool
    shows_workers: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the registry shows of a job now. None where it does not tell."""

    worker: Address = NOBODY
    result_cid: str | None = None
    is_completed: bool | None = None


def build_job(job_id: int, note: Note, shown: Shown, rules: RegistryRules, now: int) -> Job:
    """The job at `now` (chain seconds): with a bond of 0, without review or arbiter."""
    facts, account = note.facts, rules.account
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
        asset_cid=facts.asset_cid,
        terms=terms,
        first_job=job_id,
        jobs=1,
        created_at=0,
    )
    worker, state = _worker(shown, note, rules), _state(shown, note, rules)
    claimed = state is JobState.CLAIMED
    since = now if note.claimed_at is None else note.claimed_at
    return Job(
        id=job_id,
        order=order,
        part=0,
        state=state,
        worker=worker,
        claimed_at=since if claimed else 0,
        lease_end=min(since + LEASE_SECONDS, facts.deadline) if claimed else 0,
        review_end=_review_end(note, rules) if state is JobState.SUBMITTED else 0,
        result_cid=_result(shown, note, state, is_ours=worker == account),
    )


def cut(cid: str) -> str:
    """A CID is short; whatever else a stranger wrote there is cut, and is no CID then."""
    return cid if len(cid) <= CID_MAX_BYTES else cid[:CID_MAX_BYTES] + "…"


def _worker(shown: Shown, note: Note, rules: RegistryRules) -> Address:
    """Where the registry shows nobody, our own notes count: not all registries tell who handed in.

    A claim that it keeps itself it shows, or it is undone.
    """
    if shown.worker != NOBODY:
        return shown.worker
    claimed = note.claimed_at is not None and not rules.has_claims and not _is_anothers(shown, note)
    return rules.account if note.is_submitted or claimed else NOBODY


def _is_anothers(shown: Shown, note: Note) -> bool:
    """Whether it was completed without us. What we began to hand in may have done it: then we ask again."""
    return shown.is_completed is True and not note.result_cid


def _state(shown: Shown, note: Note, rules: RegistryRules) -> JobState:
    worker = _worker(shown, note, rules)
    is_ours = worker == rules.account
    if worker == NOBODY:
        return JobState.PAID if shown.is_completed else JobState.OPEN
    if not _is_handed_in(shown, note, rules, is_ours=is_ours):
        return JobState.CLAIMED
    if note.has_ended or (shown.is_completed and not is_ours):
        return JobState.PAID
    # "Completed" may mean that there is a result, and pay comes by finalizing: ours is finalized first.
    if rules.finalizes or shown.is_completed is False or _is_yet_to_be_shown(shown, rules):
        return JobState.SUBMITTED
    return JobState.PAID


def _is_yet_to_be_shown(shown: Shown, rules: RegistryRules) -> bool:
    """Whether a registry that tells who handed in does not tell of us yet."""
    return rules.shows_workers and shown.worker == NOBODY and not shown.is_completed


def _is_handed_in(shown: Shown, note: Note, rules: RegistryRules, *, is_ours: bool) -> bool:
    if shown.result_cid or (is_ours and note.is_submitted):
        return True
    if shown.worker == NOBODY:
        return False
    if shown.is_completed:
        return True
    return not rules.has_claims and shown.result_cid is None


def _review_end(note: Note, rules: RegistryRules) -> int:
    """When we may finalize it; never, where the registry lets nobody."""
    if not rules.finalizes:
        return TIME_MAX
    deadline = note.facts.deadline
    return max(deadline if deadline < TIME_MAX else 0, note.again_at)


def _result(shown: Shown, note: Note, state: JobState, *, is_ours: bool) -> str:
    if state in (JobState.OPEN, JobState.CLAIMED):
        return ""
    return cut(shown.result_cid or "") or (note.result_cid if is_ours else "") or UNKNOWN_RESULT
