"""The worker's moves on our contract, for one job or for many at once by the contract's plural calls.

A revert costs a fee and a nonce. So each move is first judged by the model, on what the registry shows now;
only what the model finds legal is sent. The contract has the last word: what changed in between it skips or
reverts. Then the registry is asked again, since a move whose outcome was open may have been made after all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from veriframe.adapters.starknet.cairo.codec import Value
from veriframe.adapters.starknet.contract.batching import Outcome, Wish
from veriframe.adapters.starknet.contract.contract import REVERTED
from veriframe.errors import MoveRefused
from veriframe.model.registry import escrow, ledger
from veriframe.model.registry.job import Address, Job, JobState
from veriframe.model.registry.ledger import Call

TERMS_CHANGED = "TERMS_CHANGED"
"""The rule by which a job is not claimed whose terms are not those that were shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the registry shows to one who is about to move. `call` counts all means as credit.

    `barred` are the jobs that the caller may not claim again; `credit_fri` is what lies in the registry.
    `changed` are the jobs that were shown under other terms before.
    """

    jobs: Mapping[int, Job]
    barred: Collection[int]
    call: Call
    credit_fri: int
    changed: Collection[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of move: the contract's functions for it, and what each wish of it means.

    `event` tells that it is done, `judge` raises `MoveRefused` where it is not legal, `binds_fri` is what it
    takes out of credit, `is_done` whether a job shows that it was made.
    """

    name: str
    single: str
    plural: str
    event: str
    judge: Callable[[Wish, Job, Sight], object]
    is_done: Callable[[Wish, Job, Address], bool]
    binds_fri: Callable[[Job], int] = lambda _: 0
    with_cids: bool = False

    def call(self, wishes: Sequence[Wish]) -> tuple[str, tuple[Value, ...]]:
        """The contract's function for these wishes, and its values."""
        if len(wishes) == 1:
            (wish,) = wishes
            return self.single, (wish.job_id, wish.cid.encode()) if self.with_cids else (wish.job_id,)
        ids: Value = [wish.job_id for wish in wishes]
        return self.plural, (ids, [wish.cid.encode() for wish in wishes]) if self.with_cids else (ids,)


def _is_handed_in(wish: Wish, job: Job, account: Address) -> bool:
    over = job.state in (JobState.SUBMITTED, JobState.DISPUTED, JobState.PAID)
    return over and job.worker == account and job.result_cid == wish.cid


def _judge_claim(wish: Wish, job: Job, sight: Sight) -> None:
    if wish.job_id in sight.changed:
        raise MoveRefused(
            TERMS_CHANGED,
            f"Job {wish.job_id} was shown under other terms before: a node lied, or the chain went back."
            " It is not claimed.",
        )
    escrow.claim(job, sight.call, barred=wish.job_id in sight.barred)


CLAIM = Kind(
    name="claim",
    single="claim_job",
    plural="claim_jobs",
    event="JobClaimed",
    judge=_judge_claim,
    is_done=lambda _, job, account: job.state is JobState.CLAIMED and job.worker == account,
    binds_fri=lambda job: job.terms.bond_fri,
)
SUBMIT = Kind(
    name="submit_result",
    single="submit_result",
    plural="submit_results",
    event="ResultSubmitted",
    judge=lambda wish, job, sight: escrow.submit_result(job, sight.call, wish.cid),
    is_done=_is_handed_in,
    with_cids=True,
)
FINALIZE = Kind(
    name="finalize",
    single="finalize_job",
    plural="finalize_jobs",
    event="JobPaid",
    judge=lambda _, job, sight: escrow.finalize(job, sight.call),
    is_done=lambda _, job, __: job.state.is_final,
)


class Hands(Protocol):
    """What moves need of the registry."""

    @property
    def account(self) -> Address:
        """Who makes the moves."""

    async def sight(self, ids: Collection[int]) -> Sight:
        """What the registry shows of these jobs now."""

    async def send(self, kind: Kind, wishes: Sequence[Wish], missing_fri: int) -> tuple[Collection[int], int]:
        """One transaction that brings `missing_fri` from the wallet and makes the moves.

        Returns the ids of the jobs for which it did, and the fee in fri.
        """

    def refuse(self, kind: Kind, wish: Wish, error: MoveRefused) -> MoveRefused:
        """Note a move that is not sent, because the registry would refuse it."""


async def make(kind: Kind, hands: Hands, wishes: Sequence[Wish]) -> list[Outcome]:
    """Make the moves in one transaction. How each ended, in their order. Raises `RegistryUnavailable`."""
    sight = await hands.sight([wish.job_id for wish in wishes])
    outcomes: dict[int, Outcome] = {}
    legal, bound_fri = _judge(kind, hands, wishes, sight, outcomes)
    if legal:
        sent = [wishes[at] for at in legal]
        problem: MoveRefused | None = None
        done: Collection[int] = ()
        try:
            done, fee_fri = await hands.send(kind, sent, max(0, bound_fri - sight.credit_fri))
        except MoveRefused as error:
            problem, fee_fri = error, error.fee_fri
        # Each bears its share, also of what was reverted.
        share_fri = -(-fee_fri // len(sent))
        outcomes.update((at, share_fri) for at in legal)
        skipped = [at for at in legal if wishes[at].job_id not in done]
        if skipped:
            outcomes.update(await _explain(kind, hands, wishes, skipped, problem))
        for outcome in (outcomes[at] for at in skipped):
            if isinstance(outcome, MoveRefused):
                outcome.fee_fri = share_fri
    return [outcomes[at] for at in range(len(wishes))]


def _judge(
    kind: Kind, hands: Hands, wishes: Sequence[Wish], sight: Sight, outcomes: dict[int, Outcome]
) -> tuple[list[int], int]:
    """Which wishes are legal, by their places, and what they bind; the others have their outcome then."""
    legal: list[int] = []
    bound_fri, asked = 0, set[int]()
    for at, wish in enumerate(wishes):
        job = sight.jobs.get(wish.job_id)
        left = replace(sight, call=replace(sight.call, credit_fri=sight.call.credit_fri - bound_fri))
        try:
            if job is None or wish.job_id in asked:
                raise ledger.unknown_job(wish.job_id) if job is None else _asked_twice(wish)
            kind.judge(wish, job, left)
        except MoveRefused as error:
            outcomes[at] = hands.refuse(kind, wish, error)
            continue
        asked.add(wish.job_id)
        legal.append(at)
        bound_fri += kind.binds_fri(job)
    return legal, bound_fri


async def _explain(
    kind: Kind, hands: Hands, wishes: Sequence[Wish], skipped: Sequence[int], problem: MoveRefused | None
) -> dict[int, Outcome]:
    """Why these were not done by our transaction; nothing of what was done by an earlier one of ours."""
    sight = await hands.sight([wishes[at].job_id for at in skipped])
    outcomes: dict[int, Outcome] = {}
    for at in skipped:
        wish = wishes[at]
        job = sight.jobs.get(wish.job_id)
        if job is None or not kind.is_done(wish, job, hands.account):
            outcomes[at] = problem or _why(kind, wish, job, sight)
    return outcomes


def _why(kind: Kind, wish: Wish, job: Job | None, sight: Sight) -> MoveRefused:
    try:
        if job is None:
            raise ledger.unknown_job(wish.job_id)
        kind.judge(wish, job, sight)
    except MoveRefused as error:
        return error
    return MoveRefused(REVERTED, f"The contract skipped job {wish.job_id}, and it is not to be seen why.")


def _asked_twice(wish: Wish) -> MoveRefused:
    return MoveRefused(REVERTED, f"The same move on job {wish.job_id} is under way already.")
