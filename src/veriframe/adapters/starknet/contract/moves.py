"""Makes moves of one kind on jobs, several in one transaction if possible, and says how each ended.

A revert costs a fee and a nonce. So each move is first judged by the registry's current state, and only legal
moves are sent. The contract decides: it skips or reverts what is no longer legal. Then the registry is read
again, since an earlier transaction with an unknown outcome may have made the move.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from veriframe.adapters.starknet.contract.contract import REVERTED
from veriframe.adapters.starknet.contract.move_batches import MoveRequest, Outcome
from veriframe.errors import MoveRefused, VeriFrameError
from veriframe.model.registry.job import Address, Job, JobState

S = TypeVar("S")


class Skipped(MoveRefused):
    """A transaction succeeded, but the contract left this move out."""

    def __init__(self, job_id: int, fee_fri: int) -> None:
        super().__init__(
            REVERTED, f"The contract skipped job {job_id} for an unknown reason.", fee_fri=fee_fri
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves(Generic[S]):
    """How moves of one kind are made.

    `read` returns the state of jobs. `judge` returns the state after a move; it raises `VeriFrameError` if
    the move is not legal, of which `refuse` is told. `send` sends the moves that lead from one state to
    another, and returns how each ended, by job. `is_done` says whether a state shows that a move was made.
    `explained` is told how a move ended that was sent and refused, with the state before it.
    """

    read: Callable[[Collection[int]], Awaitable[S]]
    judge: Callable[[MoveRequest, S], S]
    send: Callable[[Sequence[MoveRequest], S, S], Awaitable[Mapping[int, MoveRefused | int]]]
    is_done: Callable[[MoveRequest, S], bool]
    refuse: Callable[[MoveRequest, MoveRefused], None]
    explained: Callable[[MoveRequest, S, Outcome], None] = lambda _request, _before, _outcome: None

    async def make(self, requests: Sequence[MoveRequest]) -> list[Outcome]:
        """Makes the moves. Returns how each ended, in order. Raises `RegistryUnavailable`."""
        before = after = await self.read([request.job_id for request in requests])
        outcomes: dict[int, Outcome] = {}
        legal: dict[int, MoveRequest] = {}
        for at, request in enumerate(requests):
            try:
                if request.job_id in {other.job_id for other in legal.values()}:
                    raise MoveRefused(
                        REVERTED, f"The same move on job {request.job_id} is already in progress."
                    )
                after = self.judge(request, after)
                legal[at] = request
            except VeriFrameError as error:
                outcomes[at] = error
                if isinstance(error, MoveRefused):
                    self.refuse(request, error)
        if legal:
            sent = await self.send([*legal.values()], before, after)
            outcomes |= {at: sent[request.job_id] for at, request in legal.items()}
            undone = [at for at in legal if not isinstance(outcomes[at], int)]
            shown = await self.read([legal[at].job_id for at in undone]) if undone else before
            for at in undone:
                outcomes[at] = self._explain(legal[at], shown, sent[legal[at].job_id])
                self.explained(legal[at], before, outcomes[at])
        return [outcomes[at] for at in range(len(requests))]

    def _explain(self, request: MoveRequest, shown: S, outcome: MoveRefused | int) -> Outcome:
        """Why our transaction did not make a move; its fee if an earlier transaction of ours made it."""
        if isinstance(outcome, int) or self.is_done(request, shown):
            return outcome if isinstance(outcome, int) else outcome.fee_fri
        try:
            if isinstance(outcome, Skipped):
                self.judge(request, shown)
        except MoveRefused as error:
            error.fee_fri = outcome.fee_fri
            return error
        return outcome


def is_claimed(_: MoveRequest, job: Job, account: Address) -> bool:
    """Whether a job shows that the account claimed it."""
    return job.state is JobState.CLAIMED and job.worker == account


def is_submitted(request: MoveRequest, job: Job, account: Address) -> bool:
    """Whether a job shows that the account submitted this result."""
    over = job.state in (JobState.SUBMITTED, JobState.DISPUTED, JobState.PAID)
    return over and job.worker == account and job.result_cid == request.cid


def is_final(_: MoveRequest, job: Job, __: Address) -> bool:
    """Whether a job shows that someone finalized it."""
    return job.state.is_final
