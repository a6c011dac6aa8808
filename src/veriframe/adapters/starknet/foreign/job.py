"""A job of a foreign registry, derived from the few facts that its views return."""

from __future__ import annotations

from dataclasses import dataclass

from veriframe.model.quantities import format_strk
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Order, Terms, format_address
from veriframe.model.registry.ledger import CID_MAX_BYTES, TIME_MAX

LEASE_SECONDS = 30 * 86400
"""Foreign registries set no lease; this is longer than any render may take."""
UNKNOWN_RESULT = "a result whose CID this registry does not show"


@dataclass(frozen=True, slots=True)
class FixedFacts:
    """What never changes about a job. `deadline` is in chain seconds, `TIME_MAX` if there is none."""

    creator: Address
    reward_fri: int
    asset_cid: str
    deadline: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRecord:
    """What this account did with a job of these facts, which the registry may not show.

    `claimed_at`: chain seconds, None without a claim. `result_cid`: the result whose submission was started,
    and `is_submitted` whether it is known to be accepted. `has_ended`: the account finalized the job.
    `again_at`: the chain seconds before which it does not try to finalize the job again.
    """

    facts: FixedFacts
    claimed_at: int | None = None
    result_cid: str = ""
    is_submitted: bool = False
    has_ended: bool = False
    again_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFeatures:
    """What a registry supports.

    `has_claims`: a worker without a result is a claimant. `finalizes`: it has a finalizing move.
    `shows_workers`: it shows who has a job. `account` is ours; `NOBODY` for one who only reads.
    """

    account: Address
    has_claims: bool
    finalizes: bool
    shows_workers: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentView:
    """What the registry shows of a job now. None: it does not show it."""

    worker: Address = NOBODY
    result_cid: str | None = None
    is_completed: bool | None = None


def build_job(job_id: int, note: MoveRecord, shown: CurrentView, features: RegistryFeatures, now: int) -> Job:
    """The job at `now` (chain seconds): with a bond of 0, without arbiter.

    Its review, before there is a result, is the wait for the pay: until the deadline where that is the time
    to finalize, else 0.
    """
    facts, account = note.facts, features.account
    terms = Terms(
        reward_fri=facts.reward_fri,
        bond_fri=0,
        deadline=facts.deadline,
        lease_seconds=LEASE_SECONDS,
        review_seconds=_wait_seconds(facts.deadline, shown, features, now),
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
    worker, state = _worker(shown, note, features), _state(shown, note, features)
    claimed_at, lease_end = _claim(note, features, now) if state is JobState.CLAIMED else (0, 0)
    return Job(
        id=job_id,
        order=order,
        part=0,
        state=state,
        worker=worker,
        claimed_at=claimed_at,
        lease_end=lease_end,
        review_end=_review_end(note, features) if state is JobState.SUBMITTED else 0,
        result_cid=_result(shown, note, state, is_ours=worker == account),
    )


def _wait_seconds(deadline: int, shown: CurrentView, features: RegistryFeatures, now: int) -> int:
    if not features.finalizes or shown.result_cid or deadline >= TIME_MAX:
        return 0
    return max(0, deadline - now)


def _claim(note: MoveRecord, features: RegistryFeatures, now: int) -> tuple[int, int]:
    """When a claim was made and when it ends. For one who only reads, no lease is invented."""
    if features.account == NOBODY:
        return 0, TIME_MAX
    since = now if note.claimed_at is None else note.claimed_at
    return since, min(since + LEASE_SECONDS, note.facts.deadline)


def cut(cid: str) -> str:
    """Truncates untrusted text that is too long for a CID; the result is not a valid CID."""
    return cid if len(cid) <= CID_MAX_BYTES else cid[:CID_MAX_BYTES] + "…"


def _worker(shown: CurrentView, note: MoveRecord, features: RegistryFeatures) -> Address:
    """The job's worker. If the registry shows none, our own notes count: not all registries show submitters.

    A registry with claims of its own shows them; if it does not, the claim was undone.
    """
    if shown.worker != NOBODY:
        return shown.worker
    claimed = note.claimed_at is not None and not features.has_claims and not _is_anothers(shown, note)
    return features.account if note.is_submitted or claimed else NOBODY


def _is_anothers(shown: CurrentView, note: MoveRecord) -> bool:
    """Whether it was completed by another account. If our submission was started, it may have been ours."""
    if shown.result_cid:
        return shown.result_cid != note.result_cid
    return shown.is_completed is True and not note.result_cid


def _state(shown: CurrentView, note: MoveRecord, features: RegistryFeatures) -> JobState:
    worker = _worker(shown, note, features)
    is_ours = worker == features.account
    if worker == NOBODY:
        return _state_of_nobodys(shown, features)
    if not _is_submitted(shown, note, features, is_ours=is_ours):
        return JobState.CLAIMED
    if note.has_ended or (shown.is_completed and not is_ours):
        return JobState.PAID
    # "Completed" may only mean that there is a result, with payment by finalizing: finalize ours first.
    if features.finalizes or shown.is_completed is False or _is_yet_to_be_shown(shown, features):
        return JobState.SUBMITTED
    return JobState.PAID


def _state_of_nobodys(shown: CurrentView, features: RegistryFeatures) -> JobState:
    """The state of a job whose worker is not known: a result shows that there was one."""
    if shown.is_completed:
        return JobState.PAID
    if not shown.result_cid:
        return JobState.OPEN
    return JobState.SUBMITTED if features.finalizes else JobState.PAID


def _is_yet_to_be_shown(shown: CurrentView, features: RegistryFeatures) -> bool:
    """Whether a registry that shows submitters does not show ours yet."""
    return features.shows_workers and shown.worker == NOBODY and not shown.is_completed


def _is_submitted(shown: CurrentView, note: MoveRecord, features: RegistryFeatures, *, is_ours: bool) -> bool:
    if shown.result_cid or (is_ours and note.is_submitted):
        return True
    if shown.worker == NOBODY:
        return False
    if shown.is_completed:
        return True
    return not features.has_claims and shown.result_cid is None


def _review_end(note: MoveRecord, features: RegistryFeatures) -> int:
    """The time from which we may finalize it; never, if the registry has no such move."""
    if not features.finalizes:
        return TIME_MAX
    deadline = note.facts.deadline
    return max(deadline if deadline < TIME_MAX else 0, note.again_at)


def _result(shown: CurrentView, note: MoveRecord, state: JobState, *, is_ours: bool) -> str:
    if state in (JobState.OPEN, JobState.CLAIMED):
        return ""
    return cut(shown.result_cid or "") or (note.result_cid if is_ours else "") or UNKNOWN_RESULT


def figures(job: Job, fees_fri: int) -> dict[str, str]:
    """What a job earns and costs, for the log."""
    return {
        "creator": format_address(job.order.creator),
        "reward": format_strk(job.terms.reward_fri),
        "fees": format_strk(fees_fri),
        "bond": format_strk(job.terms.bond_fri),
    }
