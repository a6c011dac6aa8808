"""What an arbiter's disputes and their outcomes look like: sentences for people, objects for scripts."""

from __future__ import annotations

from typing import Any

from veriframe.arbiter.outcome import Outcome, OutcomeKind
from veriframe.cli.display import money, show
from veriframe.model.quantities import format_strk
from veriframe.model.registry.job import Job, Verdict

_FOR = {
    Verdict.WORKER: "for the worker",
    Verdict.CREATOR: "for the creator",
    Verdict.NEITHER: "for neither",
}


def listed(job: Job, now: int) -> str:
    """A dispute that waits for a decision: what it is about, and until when."""
    terms = job.terms
    return (
        f"Job {job.id} is disputed: {format_strk(terms.reward_fri)} and two bonds of"
        f" {format_strk(terms.bond_fri)}, to be decided until {show.moment(job.arbitration_end, now)}."
    )


def sentence(outcome: Outcome) -> str:
    """What became of a dispute."""
    job, now = outcome.status.job, outcome.status.now
    match outcome.kind:
        case OutcomeKind.RESOLVED:
            assert outcome.verdict is not None
            assert outcome.after is not None
            became = money.resolved(outcome.verdict, outcome.status, outcome.after)
            return f"{became} {outcome.reason} The report: {outcome.report_cid}"
        case OutcomeKind.JUDGED:
            assert outcome.verdict is not None
            return (
                f"Job {job.id} would be decided {_FOR[outcome.verdict]}. {outcome.reason} A dry run: nothing"
                " was published or sent."
            )
        case OutcomeKind.UNDECIDED:
            return (
                f"Job {job.id} cannot be decided here: {outcome.reason} You may decide it until"
                f" {show.moment(job.arbitration_end, now)}:"
                f" `veriframe --account NAME job resolve {job.id} --verdict worker`, or `creator`, or"
                " `neither`. Otherwise the worker is paid then, and the creator's bond is burned."
            )
        case OutcomeKind.REFUSED:
            return (
                f"Job {job.id} is not decided: {outcome.reason} Start the arbiter again to send the same"
                f" verdict, until {show.moment(job.arbitration_end, now)}."
            )
        case OutcomeKind.OVER:
            return f"Job {job.id} is {job.state}: its arbitration is over, and nothing was sent."


def as_object(outcome: Outcome) -> dict[str, Any]:
    """An outcome for scripts; times in chain seconds."""
    last = outcome.after or outcome.status
    return {
        "job_id": last.job.id,
        "outcome": outcome.kind.value,
        "verdict": outcome.verdict.value if outcome.verdict else None,
        "reason": outcome.reason,
        "report_cid": outcome.report_cid or None,
        "state": last.job.state.value,
        "arbitration_end": outcome.status.job.arbitration_end,
        "now": last.now,
    }
