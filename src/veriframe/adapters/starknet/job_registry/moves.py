"""The moves on a job of our contract, for one job or for several at once by the contract's plural calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from veriframe.adapters.starknet.cairo.codec import Value
from veriframe.adapters.starknet.contract.move_batches import MoveRequest
from veriframe.adapters.starknet.contract.moves import is_claimed, is_final, is_submitted
from veriframe.errors import MoveRefused
from veriframe.model.registry import escrow, ledger
from veriframe.model.registry.job import Address, Job, JobState
from veriframe.model.registry.ledger import Call

TERMS_CHANGED = "TERMS_CHANGED"
"""The rule that refuses to claim a job whose terms changed since they were first shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveSnapshot:
    """The registry's state before a move. `call` counts all means as credit.

    `barred`: the jobs that the caller may not claim again. `credit_fri`: the caller's credit in the registry.
    `changed`: the jobs that were shown under other terms before.
    """

    jobs: Mapping[int, Job]
    barred: Collection[int]
    call: Call
    credit_fri: int
    changed: Collection[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveKind:
    """One kind of move: the contract's functions for it, and its rules.

    `values` are a call's arguments after the job's id. `plural` makes several moves, each reported by
    `event`; without one, each move is a call, and a transaction makes all of its moves or none. `rule` raises
    `MoveRefused` if a move is not legal. `binds_fri` is what it takes from credit. `is_done` says whether a
    job shows that it was made.
    """

    name: str
    single: str
    rule: Callable[[MoveRequest, Job, MoveSnapshot], object]
    values: Callable[[MoveRequest], tuple[Value, ...]] = lambda _: ()
    plural: str = ""
    event: str = ""
    is_done: Callable[[MoveRequest, Job, Address], bool] = lambda _request, _job, _account: False
    binds_fri: Callable[[Job], int] = lambda _: 0

    def calls(self, requests: Sequence[MoveRequest]) -> Sequence[tuple[str, tuple[Value, ...]]]:
        """The contract's functions for these requests, and their arguments."""
        if len(requests) == 1 or not self.plural:
            return [(self.single, (one.job_id, *self.values(one))) for one in requests]
        ids: Value = [request.job_id for request in requests]
        more: Value = [value for request in requests for value in self.values(request)]
        return [(self.plural, (ids, more) if more else (ids,))]

    def judge(self, request: MoveRequest, snapshot: MoveSnapshot) -> MoveSnapshot:
        """The snapshot with the credit that the move leaves. Raises `MoveRefused` if it is not legal."""
        if (job := snapshot.jobs.get(request.job_id)) is None:
            raise ledger.unknown_job(request.job_id)
        self.rule(request, job, snapshot)
        left_fri = snapshot.call.credit_fri - self.binds_fri(job)
        return replace(snapshot, call=replace(snapshot.call, credit_fri=left_fri))

    def is_made(self, request: MoveRequest, snapshot: MoveSnapshot) -> bool:
        """Whether a snapshot shows that its caller made the move."""
        job = snapshot.jobs.get(request.job_id)
        return job is not None and self.is_done(request, job, snapshot.call.caller)


def _judge_claim(request: MoveRequest, job: Job, snapshot: MoveSnapshot) -> None:
    if request.job_id in snapshot.changed:
        raise MoveRefused(
            TERMS_CHANGED,
            f"Job {request.job_id} was shown under other terms before: a node lied, or the chain was"
            " reorganised. It is not claimed.",
        )
    escrow.claim(job, snapshot.call, barred=request.job_id in snapshot.barred)


CLAIM = MoveKind(
    name="claim",
    single="claim_job",
    plural="claim_jobs",
    event="JobClaimed",
    rule=_judge_claim,
    is_done=is_claimed,
    binds_fri=lambda job: job.terms.bond_fri,
)
SUBMIT = MoveKind(
    name="submit_result",
    single="submit_result",
    plural="submit_results",
    event="ResultSubmitted",
    values=lambda request: (request.cid.encode(),),
    rule=lambda request, job, snapshot: escrow.submit_result(job, snapshot.call, request.cid),
    is_done=is_submitted,
)
FINALIZE = MoveKind(
    name="finalize",
    single="finalize_job",
    plural="finalize_jobs",
    event="JobPaid",
    rule=lambda _, job, snapshot: escrow.finalize(job, snapshot.call),
    is_done=is_final,
)
ACCEPT = MoveKind(
    name="accept_result",
    single="accept_result",
    rule=lambda _, job, snapshot: escrow.accept_result(job, snapshot.call),
    is_done=lambda _, job, __: job.state is JobState.PAID,
)
CANCEL = MoveKind(
    name="cancel_job",
    single="cancel_job",
    rule=lambda _, job, snapshot: escrow.cancel_job(job, snapshot.call),
    is_done=lambda _, job, __: job.state is JobState.REFUNDED,
)
