"""What `order show` says of an order, and what its creator can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from veriframe.cli.display import order_view, show
from veriframe.creator.orders.values import Chunk, ChunkState, OrderStatus
from veriframe.model.quantities import format_strk, plural
from veriframe.model.registry.history import JobEvent, JobHistory
from veriframe.model.registry.job import NOBODY, JobState, Verdict, format_address
from veriframe.model.registry.ledger import EventKind
from veriframe.model.rendering.frames import format_frames
from veriframe.model.verification.findings import AT_FAULT, Conclusion

MOST_FAULTS = 5
"""The most results at fault that are told with their reasons."""
MOST_DISPUTES = 20
"""The most disputes that are told; that of each which is over takes a read of its job's history."""


def facts(status: OrderStatus, histories: Mapping[int, JobHistory] | None = None) -> dict[str, str]:
    """The details of an order, for people. `histories` are those of `disputed_before`, by job."""
    order, terms = status.order, status.order.terms
    frames = sorted({frame for chunk in status.chunks for frame in chunk.frames})
    return {
        "scene": status.name or show.short(order.asset_cid),
        **({"frames": format_frames(tuple(frames))} if frames else {}),
        "there": order_view.frames_words(status),
        **({"class": ", ".join(status.bundle.classes)} if status.bundle and status.bundle.classes else {}),
        "chunks": f"{len(status.jobs)}, {order_view.jobs_words([job.id for job in status.jobs])}",
        "creator": format_address(order.creator),
        "posted": show.moment(order.created_at, status.now),
        "deadline": show.moment(terms.deadline, status.now),
        "a chunk": format_strk(terms.reward_fri),
        **order_view.money_facts(status),
        "time left": order_view.time_left(status),
        **faults(status),
        **order_view.unclaimed(status),
        **conclusions(status),
        **disputes(status),
        **verdicts(status, histories or {}),
        "next": next_step(status),
    }


def faults(status: OrderStatus) -> dict[str, str]:
    """The first results that are at fault, with the reasons."""
    bad = [chunk for chunk in status.chunks if chunk.state is ChunkState.FAULTY]
    told = [f"job {chunk.job.id}: {chunk.fault}" for chunk in bad[:MOST_FAULTS]]
    told += [f"and {len(bad) - MOST_FAULTS} more"] if len(bad) > MOST_FAULTS else []
    return {"at fault": "; ".join(told)} if told else {}


def conclusions(status: OrderStatus) -> dict[str, str]:
    """What verifications said: the jobs of each conclusion, with the reasons where it is not right."""
    told = dict[str, str]()
    for conclusion in order_view.CONCLUDED:
        those = [one for one in status.chunks if one.verified and one.verified.conclusion is conclusion]
        if those and all(one.verified and one.verified.why for one in those):
            told[conclusion.value] = "; ".join(f"job {one.job.id}: {why_of(one)}" for one in those)
        elif those:
            numbers = tuple(sorted(one.job.id for one in those))
            told[conclusion.value] = f"{plural(len(those), 'job')} {format_frames(numbers)}"
    return told


def why_of(chunk: Chunk) -> str:
    """The sentence that explains a chunk's conclusion, or an empty text."""
    return chunk.verified.why if chunk.verified else ""


def disputes(status: OrderStatus) -> dict[str, str]:
    """Who decides on disputed chunks, until when, and what is at stake."""
    told = [
        f"{arbitration(chunk)}: {format_address(chunk.job.terms.arbiter)} decides. The creator's bond of"
        f" {format_strk(chunk.job.terms.bond_fri)} is at stake, and lost if the verdict is for the worker, or"
        " if there is none in time"
        for chunk in _disputed(status)
    ]
    return {"disputed": "; ".join(_first(told))} if told else {}


def arbitration(chunk: Chunk) -> str:
    """That a disputed chunk is before the arbiter, and until when."""
    return (
        f"job {chunk.job.id} is before the arbiter until {show.moment(chunk.job.arbitration_end, chunk.now)}"
    )


def before_arbiter(status: OrderStatus) -> Iterator[str]:
    """A sentence for each chunk that is still disputed."""
    yield from (f"{line}." for line in _first([arbitration(chunk) for chunk in _disputed(status)]))


def disputed_before(status: OrderStatus) -> list[Chunk]:
    """Chunks whose dispute is over, as many as are told."""
    over = [chunk for chunk in status.chunks if chunk.job.disputed_block and chunk.job.state.is_final]
    return over[:MOST_DISPUTES]


def verdicts(status: OrderStatus, histories: Mapping[int, JobHistory]) -> dict[str, str]:
    """What was decided on chunks whose dispute is over, and what bonds were lost."""
    told, lost_fri = [], 0
    for chunk in disputed_before(status):
        history, job = histories.get(chunk.job.id, JobHistory()), chunk.job
        resolved = [event for event in history.events if event.kind is EventKind.DISPUTE_RESOLVED]
        is_known = bool(resolved) or bool(history.events and not history.gap)
        if job.state is JobState.PAID and not is_known:
            told.append(f"job {job.id}: paid after its dispute; the verdict is not known here")
            continue
        last = resolved[-1] if resolved else None
        became, is_lost = _became(last, chunk)
        told.append(f"job {job.id}: {became}{_verdict_cid(last, chunk)}")
        lost_fri += job.terms.bond_fri * is_lost
    lost = {"bonds lost": format_strk(lost_fri)} if lost_fri else {}
    return ({"decided": "; ".join(told)} if told else {}) | lost


def _became(resolved: JobEvent | None, chunk: Chunk) -> tuple[str, bool]:
    """What became of the creator's bond of a dispute that is over, and whether it was lost."""
    bond = f"the creator's bond of {format_strk(chunk.job.terms.bond_fri)}"
    if chunk.job.state is JobState.REFUNDED:
        return f"the arbiter decided for the creator; reward and {bond} are credit again", False
    if resolved is None:
        return f"no decision came in time; the worker was paid, and {bond} is burned", True
    if resolved.reason == Verdict.NEITHER:
        return f"the arbiter decided for neither; the worker was paid, and {bond} was returned", False
    return f"the arbiter decided for the worker, who got the reward and {bond}", True


def _verdict_cid(resolved: JobEvent | None, chunk: Chunk) -> str:
    if resolved is None or resolved.cid in ("", chunk.job.result_cid):
        return ""
    return f". `veriframe job fetch {chunk.job.id} --verdict` fetches the reasons"


def _disputed(status: OrderStatus) -> list[Chunk]:
    return [chunk for chunk in status.chunks if chunk.state is ChunkState.DISPUTED]


def _first(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_DISPUTES
    return lines[:MOST_DISPUTES] + ([f"and {more} more"] if more > 0 else [])


def next_step(status: OrderStatus) -> str:
    """What the creator can do."""
    number = status.number
    steps = [*_review_steps(status)]
    if status.count(ChunkState.DISPUTED):
        steps.append(f"`veriframe order watch {number}` waits for the arbiter")
    if status.count(ChunkState.EXPIRED):
        steps.append(f"`veriframe order cancel {number}` returns the rewards of expired chunks")
    if status.count(ChunkState.EXPIRED, ChunkState.REFUNDED):
        steps.append(f"`veriframe order create --again {number}` posts lost frames again")
    if steps:
        return ". ".join(steps) + "."
    if status.is_over:
        frames = "the frames that are there" if paid_at_fault(status) else "the frames"
        done = " ".join(("Done.", *paid_at_fault(status)))
        return f"{done} `veriframe order fetch {number}` and `veriframe order film {number}` get {frames}."
    return f"`veriframe order watch {number}` follows it."


def paid_at_fault(status: OrderStatus) -> list[str]:
    """A sentence for each conclusion that says which jobs were paid for in spite of it."""
    paid = [chunk for chunk in status.chunks if chunk.state is ChunkState.PAID]
    return [
        f"{_jobs(those)} {'was' if len(those) == 1 else 'were'} paid for, although found {conclusion}."
        for conclusion in AT_FAULT
        if (those := _concluded(paid, conclusion))
    ]


def _review_steps(status: OrderStatus) -> Iterator[str]:
    """What to do about results that wait: dispute, look, verify, pay."""
    number = status.number
    waiting = [chunk for chunk in status.chunks if chunk.job.state is JobState.SUBMITTED and chunk.has_result]
    for conclusion in AT_FAULT:
        if those := _concluded(waiting, conclusion):
            yield _dispute_step(status, those, conclusion)
    if undecided := _concluded(waiting, Conclusion.UNDECIDED):
        yield (
            f"{_jobs(undecided)} could not be decided here: look at what `veriframe verify"
            f" {undecided[0].job.id} -o DIR` shows"
        )
    there = [chunk for chunk in waiting if chunk.state is ChunkState.THERE and not chunk.is_disproved]
    if any(chunk.is_under_review and chunk.verified is None for chunk in there):
        yield f"`veriframe order verify {number}` says whether the results are right"
    if there:
        yield f"`veriframe order fetch {number}`, then `veriframe order accept {number}`"


def _dispute_step(status: OrderStatus, those: Sequence[Chunk], conclusion: Conclusion) -> str:
    """What can be done about results of a conclusion that is at fault, and until when."""
    names, is_one = f"{_jobs(those)} {'is' if len(those) == 1 else 'are'} {conclusion}", len(those) == 1
    open_ones = [chunk for chunk in those if chunk.is_under_review]
    if not open_ones:
        return f"{names}, and the review is over: anyone may trigger the payment now"
    first = min(open_ones, key=lambda chunk: chunk.job.review_end)
    until = show.moment(first.job.review_end, first.now)
    if status.order.terms.arbiter == NOBODY:
        return (
            f"{names}. The order names no arbiter, so that {'it' if is_one else 'they'} cannot be disputed,"
            f" and {'is' if is_one else 'are'} paid for after {until}"
        )
    return (
        f"{names}: `veriframe order watch {status.number} --verify --dispute` disputes"
        f" {'it' if is_one else 'them'}, or `veriframe job dispute {first.job.id}`, until {until};"
        f" then {'it is' if is_one else 'they are'} paid for"
    )


def _concluded(chunks: Sequence[Chunk], conclusion: Conclusion) -> list[Chunk]:
    return [chunk for chunk in chunks if chunk.verified and chunk.verified.conclusion is conclusion]


def _jobs(chunks: Sequence[Chunk]) -> str:
    numbers = tuple(sorted(chunk.job.id for chunk in chunks))
    return f"{plural(len(numbers), 'Job')} {format_frames(numbers)}"
