"""The worker's moves on our contract, for one job or for several at once by the contract's plural calls.

A revert costs a fee and a nonce. So the model first checks each move against the registry's current state,
and only legal moves are sent. The contract decides: it skips or reverts what is no longer legal. Then the
registry is read again, since an earlier transaction with an unknown outcome may have made the move.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from veriframe.adapters.starknet.cairo.codec import Value
from veriframe.adapters.starknet.contract.contract import REVERTED
from veriframe.adapters.starknet.contract.move_batches import MoveRequest, Outcome
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

    `event` reports that it is done. `judge` raises `MoveRefused` if it is not legal. `binds_fri` is what it
    takes from credit. `is_done` says whether a job shows that it was made.
    """

    name: str
    single: str
    plural: str
    event: str
    judge: Callable[[MoveRequest, Job, MoveSnapshot], object]
    is_done: Callable[[MoveRequest, Job, Address], bool]
    binds_fri: Callable[[Job], int] = lambda _: 0
    with_cids: bool = False

    def call(self, requests: Sequence[MoveRequest]) -> tuple[str, tuple[Value, ...]]:
        """The contract's function for these requests, and its arguments."""
        if len(requests) == 1:
            (request,) = requests
            return self.single, (request.job_id, request.cid.encode()) if self.with_cids else (
                request.job_id,
            )
        ids: Value = [request.job_id for request in requests]
        return self.plural, (ids, [request.cid.encode() for request in requests]) if self.with_cids else (
            ids,
        )


def _is_submitted(request: MoveRequest, job: Job, account: Address) -> bool:
    over = job.state in (JobState.SUBMITTED, JobState.DISPUTED, JobState.PAID)
    return over and job.worker == account and job.result_cid == request.cid


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
    judge=_judge_claim,
    is_done=lambda _, job, account: job.state is JobState.CLAIMED and job.worker == account,
    binds_fri=lambda job: job.terms.bond_fri,
)
SUBMIT = MoveKind(
    name="submit_result",
    single="submit_result",
    plural="submit_results",
    event="ResultSubmitted",
    judge=lambda request, job, snapshot: escrow.submit_result(job, snapshot.call, request.cid),
    is_done=_is_submitted,
    with_cids=True,
)
FINALIZE = MoveKind(
    name="finalize",
    single="finalize_job",
    plural="finalize_jobs",
    event="JobPaid",
    judge=lambda _, job, snapshot: escrow.finalize(job, snapshot.call),
    is_done=lambda _, job, __: job.state.is_final,
)


class MoveSender(Protocol):
    """What the moves need from the registry."""

    @property
    def account(self) -> Address:
        """The account that makes the moves."""

    async def move_snapshot(self, ids: Collection[int]) -> MoveSnapshot:
        """Reads the registry's current state for these jobs."""

    async def send(
        self, kind: MoveKind, requests: Sequence[MoveRequest], missing_fri: int
    ) -> tuple[Collection[int], int]:
        """Sends one transaction that deposits `missing_fri` from the wallet and makes the moves.

        Returns the ids of the jobs on which the moves were made, and the fee in fri.
        """

    def refuse(self, kind: MoveKind, request: MoveRequest, error: MoveRefused) -> MoveRefused:
        """Logs a move that is not sent, because the registry would refuse it."""


async def make(kind: MoveKind, sender: MoveSender, requests: Sequence[MoveRequest]) -> list[Outcome]:
    """Makes the moves in one transaction. Returns how each ended, in order. Raises `RegistryUnavailable`."""
    snapshot = await sender.move_snapshot([request.job_id for request in requests])
    outcomes: dict[int, Outcome] = {}
    legal, bound_fri = _judge(kind, sender, requests, snapshot, outcomes)
    if legal:
        sent = [requests[at] for at in legal]
        problem: MoveRefused | None = None
        done: Collection[int] = ()
        try:
            done, fee_fri = await sender.send(kind, sent, max(0, bound_fri - snapshot.credit_fri))
        except MoveRefused as error:
            problem, fee_fri = error, error.fee_fri
        # Each move bears its share of the fee, also of a reverted transaction.
        share_fri = -(-fee_fri // len(sent))
        outcomes.update((at, share_fri) for at in legal)
        skipped = [at for at in legal if requests[at].job_id not in done]
        if skipped:
            outcomes.update(await _explain(kind, sender, requests, skipped, problem))
        for outcome in (outcomes[at] for at in skipped):
            if isinstance(outcome, MoveRefused):
                outcome.fee_fri = share_fri
    return [outcomes[at] for at in range(len(requests))]


def _judge(
    kind: MoveKind,
    sender: MoveSender,
    requests: Sequence[MoveRequest],
    snapshot: MoveSnapshot,
    outcomes: dict[int, Outcome],
) -> tuple[list[int], int]:
    """Returns the indices of the legal requests and what they bind; stores the outcomes of the others."""
    legal: list[int] = []
    bound_fri, asked = 0, set[int]()
    for at, request in enumerate(requests):
        job = snapshot.jobs.get(request.job_id)
        left = replace(snapshot, call=replace(snapshot.call, credit_fri=snapshot.call.credit_fri - bound_fri))
        try:
            if job is None or request.job_id in asked:
                raise ledger.unknown_job(request.job_id) if job is None else _asked_twice(request)
            kind.judge(request, job, left)
        except MoveRefused as error:
            outcomes[at] = sender.refuse(kind, request, error)
            continue
        asked.add(request.job_id)
        legal.append(at)
        bound_fri += kind.binds_fri(job)
    return legal, bound_fri


async def _explain(
    kind: MoveKind,
    sender: MoveSender,
    requests: Sequence[MoveRequest],
    skipped: Sequence[int],
    problem: MoveRefused | None,
) -> dict[int, Outcome]:
    """Returns why our transaction did not make these moves, except those that an earlier one of ours made."""
    snapshot = await sender.move_snapshot([requests[at].job_id for at in skipped])
    outcomes: dict[int, Outcome] = {}
    for at in skipped:
        request = requests[at]
        job = snapshot.jobs.get(request.job_id)
        if job is None or not kind.is_done(request, job, sender.account):
            outcomes[at] = problem or _why(kind, request, job, snapshot)
    return outcomes


def _why(kind: MoveKind, request: MoveRequest, job: Job | None, snapshot: MoveSnapshot) -> MoveRefused:
    try:
        if job is None:
            raise ledger.unknown_job(request.job_id)
        kind.judge(request, job, snapshot)
    except MoveRefused as error:
        return error
    return MoveRefused(REVERTED, f"The contract skipped job {request.job_id} for an unknown reason.")


def _asked_twice(request: MoveRequest) -> MoveRefused:
    return MoveRefused(REVERTED, f"The same move on job {request.job_id} is already in progress.")
