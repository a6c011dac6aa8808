"""What a worker does and earns at one moment: its jobs, what happened last, and the money of the day."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.worker.overview.sentences import DOING


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The worker: its account, its parts, and where its log is. `address` is empty while it is not known."""

    account: str
    home: str
    registry: str
    store: str
    address: str = ""
    blender: str = ""
    sandbox: str = ""
    slots: int = 1
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAtWork:
    """One job under way. Times are in Unix seconds; `due_at` is the end of its lease in chain seconds, or 0.

    `stage` is the last one that is done, since `since`; `doing` says what follows. `share` is how much of
    that is done, 0 … 1; None: not known. `frame` is the frame being rendered, the `frames_done + 1`st of
    `frames`. `waits_for` is empty while it does not wait.
    """

    job_id: int
    stage: Stage
    doing: str
    since: float
    reward_fri: int
    bond_fri: int
    due_at: int = 0
    share: float | None = None
    seconds_left: float | None = None
    frame: int | None = None
    frames_done: int = 0
    frames: int = 0
    memory_bytes: int | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None
    waits_for: str = ""
    waits_since: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that has happened, as one sentence. `is_bad`: an operator should read it."""

    at: float
    text: str
    is_bad: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Money of the attempts that have ended in some time, in fri. `paid_fri` is the sum of rewards."""

    paid_jobs: int = 0
    paid_fri: int = 0
    lost_fri: int = 0
    fees_fri: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A reward to come. `due_at` is when time decides, in chain seconds; 0: it is not known.

    `is_disputed`: it comes only if the arbiter does not decide for the creator.
    """

    job_id: int
    reward_fri: int
    due_at: int
    is_disputed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What a worker does and earns at `now`. Times are in Unix seconds. All texts are safe to show.

    `idle` is why nothing is claimed, since `idle_since`; empty: jobs are claimed as they come. `busy_percent`
    is the share of the time since `started_at` in which the renderers were busy.
    """

    who: Who
    now: float
    started_at: float | None = None
    busy_percent: float | None = None
    is_stopping: bool = False
    idle: str = ""
    idle_since: float = 0.0
    jobs: Sequence[JobAtWork] = ()
    happened: Sequence[Happening] = ()
    today: Sums = Sums()
    due: Sequence[Due] = ()


def at_rest(overview: Overview) -> Overview:
    """The same once the worker has stopped: its jobs wait for the next one."""
    jobs = [
        JobAtWork(
            job_id=job.job_id,
            stage=job.stage,
            doing=job.doing,
            since=job.since,
            reward_fri=job.reward_fri,
            bond_fri=job.bond_fri,
            due_at=job.due_at,
            waits_for="its worker",
            waits_since=overview.now,
        )
        for job in overview.jobs
    ]
    return replace(overview, is_stopping=False, idle="", jobs=jobs)


def jobs_at_work(attempts: Iterable[Attempt]) -> list[JobAtWork]:
    """The jobs under way among some attempts, those with a lease first."""
    live = [a for a in attempts if not a.stage.is_end and a.stage is not Stage.SUBMITTED]
    live.sort(key=lambda a: (not a.stage.holds_claim, a.job_id))
    return [
        JobAtWork(
            job_id=a.job_id,
            stage=a.stage,
            doing=DOING[a.stage],
            since=a.reached.get(a.stage, 0.0),
            reward_fri=a.reward_fri,
            bond_fri=a.bond_fri,
            due_at=a.due_at if a.stage.holds_claim else 0,
        )
        for a in live
    ]


def rewards_due(attempts: Iterable[Attempt]) -> list[Due]:
    """The rewards of results in review among some attempts, the earliest first."""
    due = [
        Due(job_id=a.job_id, reward_fri=a.reward_fri, due_at=a.due_at, is_disputed=a.is_disputed)
        for a in attempts
        if a.stage is Stage.SUBMITTED
    ]
    return sorted(due, key=lambda one: (one.due_at or math.inf, one.job_id))


def sums_of_day(attempts: Iterable[Attempt], now: float) -> Sums:
    """The sums of the attempts that ended since the last midnight before `now`, local time."""
    midnight = datetime.fromtimestamp(now).astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    begin = midnight.timestamp()
    ended = [a for a in attempts if a.ended_at is not None and a.ended_at >= begin]
    paid = [a for a in ended if a.stage is Stage.PAID]
    return Sums(
        paid_jobs=len(paid),
        paid_fri=sum(a.reward_fri for a in paid),
        lost_fri=sum(a.lost_fri for a in ended),
        fees_fri=sum(a.fees_fri for a in ended),
    )
