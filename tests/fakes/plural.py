"""The plural calls: many moves in one transaction. Illegal moves are skipped and do not affect the others.

Each call returns the outcomes of the moves that were made, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from veriframe.errors import MoveRefused
from veriframe.model.registry import escrow, ledger
from veriframe.model.registry.job import Job
from veriframe.model.registry.ledger import Call, Rule, require
from veriframe.model.registry.outcome import Outcome

Move = Callable[[Job, Call], Outcome]


def claim_jobs(
    jobs: Mapping[int, Job], ids: Iterable[int], call: Call, *, barred: Collection[int] = ()
) -> tuple[Outcome, ...]:
    """Claim each job that can be claimed, while the credit lasts. `barred` are ids barred for the caller."""

    def claim(job: Job, call: Call) -> Outcome:
        return escrow.claim(job, call, barred=job.id in barred)

    return _each(jobs, ((job_id, claim) for job_id in ids), call)


def submit_results(
    jobs: Mapping[int, Job], ids: Sequence[int], cids: Sequence[str], call: Call
) -> tuple[Outcome, ...]:
    """Submit a result for each id. Raises `MoveRefused` (BAD_COUNT) if the numbers of ids and CIDs differ."""
    require(
        len(ids) == len(cids),
        Rule.BAD_COUNT,
        lambda: f"There are {len(ids)} jobs and {len(cids)} CIDs. Pass one CID for each job.",
    )
    return _each(jobs, ((job_id, _submission(cid)) for job_id, cid in zip(ids, cids, strict=True)), call)


def finalize_jobs(jobs: Mapping[int, Job], ids: Iterable[int], call: Call) -> tuple[Outcome, ...]:
    """Finalize every job that is due."""
    return _each(jobs, ((job_id, escrow.finalize) for job_id in ids), call)


def _submission(cid: str) -> Move:
    return lambda job, call: escrow.submit_result(job, call, cid)


def _each(jobs: Mapping[int, Job], moves: Iterable[tuple[int, Move]], call: Call) -> tuple[Outcome, ...]:
    # An id may occur twice: the second move sees the job and the credit after the first.
    done: dict[int, Job] = {}
    outcomes: list[Outcome] = []
    for job_id, move in moves:
        job = done.get(job_id) or jobs.get(job_id)
        if job is None:
            continue
        try:
            outcome = move(job, call)
        except MoveRefused:
            continue
        done[job_id] = outcome.job
        outcomes.append(outcome)
        call = replace(call, credit_fri=call.credit_fri + _gain(outcome, call))
    return tuple(outcomes)


def _gain(outcome: Outcome, call: Call) -> int:
    credit = ledger.credit(call.caller)
    return sum(
        line.amount_fri * ((line.target == credit) - (line.source == credit)) for line in outcome.postings
    )
