"""A worker's moves at a foreign registry: when each is legal, and what is recorded. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from veriframe.adapters.starknet.contract.move_batches import MoveRequest
from veriframe.adapters.starknet.contract.moves import is_claimed, is_final, is_submitted
from veriframe.adapters.starknet.foreign.job import MoveRecord
from veriframe.adapters.starknet.transactions.receipt import Reverted
from veriframe.adapters.starknet.transactions.transaction import Call
from veriframe.errors import MoveRefused, RegistryUnavailable, VeriFrameError
from veriframe.model.registry.job import Address, Job, JobState
from veriframe.model.registry.ledger import Rule

AGAIN_SECONDS = 3600
"""How long to wait after a refused finalization before the next attempt: a revert may cost a fee."""
NOT_ELIGIBLE = "NOT_ELIGIBLE"
_OVER = re.compile(r"ALREADY|(?<!NOT_)(?:COMPLETED|FINALI[SZ]ED|PAID|CLOSED)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedJob:
    """A job as the registry and our notes show it at `now`, and why this account may not have it.

    `is_paused`: the registry currently accepts no moves from anyone.
    """

    job: Job
    note: MoveRecord
    objection: str
    is_paused: bool
    now: int


Observed = Mapping[int, ObservedJob | VeriFrameError]
"""Jobs by id, or why one cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePlan:
    """A move on a job that appears legal. `values` are its call's arguments after the job's id.

    `during` is recorded before the move is sent, `after` once it is done. `call` is None if the registry has
    no function for it.
    """

    job_id: int
    values: tuple[str, ...] = ()
    during: MoveRecord | None = None
    after: MoveRecord
    call: Call | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveKind:
    """One kind of move. `plan` raises `MoveRefused`; `is_done` says whether a job shows that it was made.

    `refused` returns what to record if the registry refuses it.
    """

    name: str
    word: str
    plan: Callable[[MoveRequest, ObservedJob, Address], MovePlan]
    is_done: Callable[[MoveRequest, Job, Address], bool]
    refused: Callable[[ObservedJob, MoveRefused], MoveRecord | None] = lambda _seen, _error: None

    def is_made(self, request: MoveRequest, seen: Observed, *, account: Address) -> bool:
        """Whether a job shows that the account made the move."""
        found = seen[request.job_id]
        return isinstance(found, ObservedJob) and self.is_done(request, found.job, account)


def _claim(request: MoveRequest, seen: ObservedJob, _account: Address) -> MovePlan:
    if not seen.job.is_open(seen.now):
        raise MoveRefused(
            Rule.NOT_OPEN.value, f"Job {request.job_id} is {seen.job.state}. Look for another one."
        )
    if seen.objection:
        raise MoveRefused(NOT_ELIGIBLE, f"Job {request.job_id} is not for this account: {seen.objection}.")
    return MovePlan(job_id=request.job_id, after=MoveRecord(facts=seen.note.facts, claimed_at=seen.now))


def _submission(request: MoveRequest, seen: ObservedJob, account: Address) -> MovePlan:
    job = seen.job
    if job.state is not JobState.CLAIMED or job.worker != account:
        raise MoveRefused(
            Rule.NOT_CLAIMANT.value, f"Job {request.job_id} is {job.state}, and not claimed by this account."
        )
    if seen.objection:
        # It would be reverted, for a fee. The result is kept, and the registry may accept it later.
        raise RegistryUnavailable(
            f"The result of job {request.job_id} waits until the registry accepts it: {seen.objection}."
        )
    # Recorded before sending: the registry may not show submitters, and this process may crash.
    during = MoveRecord(facts=seen.note.facts, claimed_at=job.claimed_at, result_cid=request.cid)
    after = replace(during, is_submitted=True)
    return MovePlan(job_id=request.job_id, values=(request.cid,), during=during, after=after)


def _ending(request: MoveRequest, seen: ObservedJob, _account: Address) -> MovePlan:
    if seen.now < seen.note.again_at:
        raise MoveRefused(
            Rule.NOT_DUE.value,
            f"The registry refused to finalize job {request.job_id} less than an hour ago.",
        )
    if seen.job.state.is_final:
        raise MoveRefused(Rule.NOT_DUE.value, f"Job {request.job_id} is already {seen.job.state}.")
    return MovePlan(job_id=request.job_id, after=replace(seen.note, has_ended=True))


def _ending_refused(seen: ObservedJob, error: MoveRefused) -> MoveRecord:
    again_at = seen.now + AGAIN_SECONDS
    return replace(seen.note, has_ended=_says_over(error), again_at=again_at)


def _says_over(error: MoveRefused) -> bool:
    """Whether a contract refuses because the job was already finalized. It may not show that elsewhere."""
    cause = error.__cause__
    words = cause.words if isinstance(cause, Reverted) else ()
    return any(_OVER.search(word.upper().replace(" ", "_")) for word in words)


CLAIM = MoveKind(
    name="claim",
    word="claim",
    plan=_claim,
    is_done=is_claimed,
)
SUBMIT = MoveKind(name="submit_result", word="submit", plan=_submission, is_done=is_submitted)
FINALIZE = MoveKind(
    name="finalize",
    word="finalize",
    plan=_ending,
    is_done=is_final,
    refused=_ending_refused,
)


def observed(request: MoveRequest, seen: Observed, *, is_claim: bool) -> ObservedJob:
    """The job of a request. Raises `VeriFrameError` if it cannot be read, or moves must wait.

    At a paused registry results wait, since a revert would only cost a fee.
    """
    job = seen[request.job_id]
    if isinstance(job, VeriFrameError):
        raise job
    if job.is_paused and not is_claim:
        raise RegistryUnavailable("The registry is paused. The move is made once its owner resumes it.")
    return job
