"""What a worker's attempts have earned and cost, exactly, grouped by day, week or job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.history import JobEvent
from veriframe.model.registry.job import Address, Job, JobState, Verdict
from veriframe.model.registry.ledger import EventKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Earnings:
    """Money in fri, and the time that it took. `jobs` are those that were paid.

    `reward_fri` is what creators paid, `won_fri` the bonds of creators who lost a dispute, `lost_fri` what
    was burned of our own bonds, `fees_fri` the cost of our moves.
    """

    jobs: int = 0
    reward_fri: int = 0
    won_fri: int = 0
    lost_fri: int = 0
    fees_fri: int = 0
    render_seconds: float = 0.0

    @property
    def earned_fri(self) -> int:
        """What is left."""
        return self.reward_fri + self.won_fri - self.lost_fri - self.fees_fri

    @property
    def hourly_fri(self) -> int | None:
        """What is left for each hour of rendering, rounded down; None without any."""
        milliseconds = round(self.render_seconds * 1000)
        return self.earned_fri * 3_600_000 // milliseconds if milliseconds else None

    def __add__(self, other: Earnings) -> Earnings:
        return Earnings(
            jobs=self.jobs + other.jobs,
            reward_fri=self.reward_fri + other.reward_fri,
            won_fri=self.won_fri + other.won_fri,
            lost_fri=self.lost_fri + other.lost_fri,
            fees_fri=self.fees_fri + other.fees_fri,
            render_seconds=self.render_seconds + other.render_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a registry's events say of our money at one job, in fri."""

    won_fri: int = 0
    lost_fri: int = 0


def settled(events: Iterable[JobEvent], account: Address, job: Job) -> Settled:
    """What the events of a job say of an account's money there.

    The journal's own figure of a release is an estimate: it goes by the time at which the job was read. And
    it does not know of a dispute that the creator lost.
    """
    won_fri = lost_fri = 0
    result_is_ours = False
    for event in events:
        ours = event.party == account
        match event.kind:
            case EventKind.JOB_RELEASED | EventKind.CLAIM_LAPSED if ours:
                lost_fri += event.amount_fri
            case EventKind.RESULT_SUBMITTED:
                result_is_ours = ours
            case EventKind.DISPUTE_RESOLVED if result_is_ours and event.reason == Verdict.CREATOR:
                lost_fri += job.terms.bond_fri
            case EventKind.JOB_PAID if ours:
                won_fri += event.amount_fri - job.terms.reward_fri - job.terms.bond_fri
    return Settled(won_fri=won_fri, lost_fri=lost_fri)


def earnings(attempt: Attempt, known: Settled | None = None) -> Earnings:
    """What one attempt has earned and cost so far. `known` is what the registry says of it."""
    is_paid = attempt.stage is Stage.PAID
    return Earnings(
        jobs=int(is_paid),
        reward_fri=attempt.reward_fri if is_paid else 0,
        won_fri=known.won_fri if known else 0,
        lost_fri=known.lost_fri if known else attempt.lost_fri,
        fees_fri=attempt.fees_fri,
        render_seconds=render_seconds(attempt),
    )


def render_seconds(attempt: Attempt) -> float:
    """How long it rendered, by the wall clock: from its claim to the last frame, or to its failure."""
    began, reached = attempt.reached.get(Stage.CLAIMED), attempt.reached
    ends = (reached[stage] for stage in (Stage.RENDERED, Stage.FAILED, Stage.LOST) if stage in reached)
    ended = next(ends, None)
    return max(0.0, ended - began) if began is not None and ended is not None else 0.0


def needs_events(attempt: Attempt, job: Job) -> bool:
    """Whether only the registry's events have the exact figures: a bond was lost, or a creator lost one."""
    was_disputed = job.state is JobState.PAID and job.disputed_block > 0
    return attempt.lost_fri > 0 or (attempt.stage is Stage.PAID and was_disputed)


def grouped(
    attempts: Iterable[Attempt], key: Callable[[Attempt], str], known: Mapping[int, Settled]
) -> Mapping[str, Earnings]:
    """The earnings of attempts by key, as the keys first appear. `known` is by the number of an attempt."""
    sums: dict[str, Earnings] = {}
    for attempt in attempts:
        name = key(attempt)
        sums[name] = sums.get(name, Earnings()) + earnings(attempt, known.get(attempt.number))
    return sums


def total(parts: Sequence[Earnings]) -> Earnings:
    """The sum."""
    return sum(parts, Earnings())
