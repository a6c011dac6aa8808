"""What becomes of results under review, in sentences."""

from __future__ import annotations

from veriframe.cli.display import order_view, show
from veriframe.creator.orders.values import Chunk
from veriframe.creator.review.values import Happened, Told
from veriframe.model.quantities import format_strk
from veriframe.model.registry.job import NOBODY, JobState, format_address

WORDS = {
    Happened.BEGUN: "its result is being verified",
    Happened.PAID: "accepted: {reward} went to its worker",
    Happened.PAYABLE: "`veriframe job accept {job}` pays for it now; by itself it is paid for after {until}",
    Happened.DISPUTED: "disputed, with the report as evidence; the arbiter {arbiter} has {arbitration}",
    Happened.DISPUTABLE: (
        "`veriframe job dispute {job}{evidence}` disputes it until {until}, for a bond of {bond}; then it is"
        " paid for"
    ),
    Happened.NO_ARBITER: (
        "the order names no arbiter, so that it cannot be disputed, and is paid for after {until}. Name one"
        " in the next order: `veriframe order create --arbiter`"
    ),
    Happened.ASKED_AGAIN: (
        "it is asked for again until half of its review is over, {half}. If it is still withheld then, {then}"
    ),
    Happened.UNDECIDED: (
        "decide yourself: `veriframe verify {job} -o DIR` shows both pictures; it is paid for after {until},"
        " unless it is disputed"
    ),
    Happened.LATE: "it is not under review any more, and was not verified: {became}",
    Happened.ORDERED_AGAIN: (
        "it lost its dispute; {piece} ordered again as order {order}:"
        " `veriframe order watch {order}{options}`"
    ),
    Happened.NOT_ORDERED_AGAIN: "it lost its dispute, and is not ordered again: {reason}",
    Happened.PUT_OFF: "it is tried again later{time_left}: {reason}",
    Happened.REFUSED: "{reason}",
}


def sentence(told: Told, options: str) -> str:
    """One line about it. `options` are those of the watch, for the command that watches a new order."""
    chunk, job, terms = told.chunk, told.chunk.job, told.chunk.job.terms
    words = WORDS[told.what].format(
        job=job.id,
        until=_until(chunk),
        half=show.moment(job.review_end - terms.review_seconds // 2, chunk.now),
        then=_then(chunk, options),
        became=_became(chunk),
        time_left=f", and there is time until {_until(chunk)}" if chunk.is_under_review else "",
        reward=format_strk(terms.reward_fri),
        bond=format_strk(terms.bond_fri),
        arbiter=format_address(terms.arbiter),
        arbitration=show.rough_span(terms.arbitration_seconds),
        evidence=f" --evidence {told.report}" if told.report else "",
        piece=order_view.piece_words(chunk),
        order=told.order,
        options=options,
        reason=told.reason,
    )
    return f"job {job.id}: {words}"


def _until(chunk: Chunk) -> str:
    return show.moment(chunk.job.review_end, chunk.now)


def _then(chunk: Chunk, options: str) -> str:
    """What becomes of a result that is withheld when half of its review is over."""
    if chunk.job.terms.arbiter == NOBODY:
        return f"it is paid for after {_until(chunk)}: the order names no arbiter"
    if "--dispute" in options.split():
        return "it is disputed"
    return f"--dispute would dispute it, and a person may until {_until(chunk)}"


def _became(chunk: Chunk) -> str:
    """What became of the money for a result that is no longer under review."""
    job, reward = chunk.job, format_strk(chunk.job.terms.reward_fri)
    if job.state is JobState.SUBMITTED and not chunk.is_under_review:
        return (
            f"it can no longer be disputed, and anyone may now trigger the payment of {reward} to its worker"
        )
    return {
        JobState.PAID: f"{reward} went to its worker",
        JobState.REFUNDED: f"{reward} is its creator's credit again",
        JobState.DISPUTED: f"it is disputed, and its worker is not paid yet; there is time until"
        f" {show.moment(job.arbitration_end, chunk.now)}",
    }.get(job.state, "its worker is not paid")
