"""Discovery of jobs: new ones at once, all others in rounds, with two calls per poll for any number.

One call returns hints about what changed, one reads some jobs: those with hints or requested by the caller,
or else the next ones of a round through all. The round finds what hints miss. At the start, old jobs are read
from the newest down, some with each poll, so that a flood of jobs cannot hold the worker up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from veriframe.model.attempt.policy import Policy
from veriframe.model.registry.job import Job
from veriframe.ports.registry import JobReader, Snapshot, read_jobs
from veriframe.worker.intake.candidates import CandidateLimits, Candidates
from veriframe.worker.intake.rivals import own_order
from veriframe.worker.report import DiscoveryLog

MOST_NEW = 1_000
"""The most extra jobs that one poll reads, so that a flood of jobs cannot hold the worker up."""
MOST_WANTED = 10_000
"""The most hints remembered at once."""
FRESH_SECONDS = 5.0
"""A job that was read this recently is not read again before it is started: its claim reads it anyway."""
OWN_EVERY = 2
"""Every second poll is for jobs that the caller requested, if any: unknown creators can cause any hints."""
ROUND_EVERY = 4
"""While there are hints, every fourth poll continues the round."""


class Discovery:
    """The open jobs that `policy`, `objection` and `may_try` allow.

    `rank` is a sort key, the lowest first, to which the reward is added; `on_read` receives all jobs that
    were read, with the time to judge them by, in chain seconds.
    """

    def __init__(  # noqa: PLR0913 - each is decided elsewhere
        self,
        reader: JobReader,
        policy: Policy,
        may_try: Callable[[Job], bool],
        *,
        objection: Callable[[Job], str] = lambda job: "",
        rank: Callable[[Job], tuple[Any, ...]] = lambda job: (),
        on_read: Callable[[Sequence[Job], int], None] = lambda jobs, now: None,
        bounds: CandidateLimits = CandidateLimits(),  # noqa: B008 - immutable
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader, self._policy, self._may_try = reader, policy, may_try
        self._objection, self._on_read = objection, on_read
        self._seen_up_to, self._again_from, self._last = 0, 1, 0
        # Of the jobs from before the start, those in this range are not read yet.
        self._unread_from, self._unread_up_to = 1, 0
        self._wanted: set[int] = set()
        self._own: set[int] = set()
        self._polls = 0
        self._candidates = Candidates(lambda job: (*rank(job), *self._own_rank(job)), bounds)
        self._monotonic, self._read_at = monotonic, dict[int, float]()
        self.log = DiscoveryLog(monotonic)

    @property
    def has_read_all(self) -> bool:
        """Whether every job was read once since the start."""
        return self._polls > 0 and not self._unread and self._seen_up_to >= self._last

    @property
    def _unread(self) -> int:
        """How many jobs from before the start are not read yet."""
        return max(0, self._unread_up_to - self._unread_from + 1)

    @property
    def has_seen_all(self) -> bool:
        """Whether every possible candidate is one."""
        return self.has_read_all and not self._candidates.has_left_out

    @property
    def candidates(self) -> Sequence[Job]:
        """The candidates, best first; equal ranks in our own order, so that workers do not all race."""
        return self._candidates.ranked()

    async def poll(self, wanted: Collection[int] = ()) -> tuple[Snapshot, bool]:
        """Polls the registry, also for the jobs `wanted`. Returns what it showed, and whether there is news.

        Raises `RegistryUnavailable`.
        """
        hints = await self._reader.changed()
        left_out = self._candidates.next_left_out()
        self._wanted = set(sorted({*self._wanted, *hints, *left_out})[:MOST_WANTED])
        self._own |= set(wanted)
        first, count = self._window()
        snapshot = await self._reader.snapshot(first, count)
        news = bool(hints) or snapshot.job_counter != self._last
        self._apply(snapshot, first, count)
        more = [*await self._read_new(snapshot), *await self._read_old(snapshot)]
        return Snapshot(
            head=snapshot.head, job_counter=snapshot.job_counter, jobs=[*snapshot.jobs, *more]
        ), news

    def note(self, jobs: Sequence[Job], now: int) -> None:
        """Takes in jobs that were read for another purpose."""
        self._on_read(jobs, now)
        for job in jobs:
            self._consider(job, now)

    def drop(self, job_id: int) -> None:
        """Removes a candidate that is started."""
        self._candidates.drop(job_id)

    async def is_still_open(self, job_id: int) -> bool:
        """Reads a candidate again right before it is started, unless it was read a moment ago."""
        if self._monotonic() - self._read_at.get(job_id, -math.inf) > FRESH_SECONDS:
            snapshot = await self._reader.snapshot(job_id, 1)
            self._candidates.drop(job_id)
            self.note(snapshot.jobs, snapshot.head.time)
        return job_id in self._candidates

    async def _read_new(self, snapshot: Snapshot) -> Sequence[Job]:
        """Reads new jobs beyond what one call of the registry returns."""
        count = min(MOST_NEW, self._last - self._seen_up_to)
        if count <= 0:
            return ()
        jobs = await read_jobs(self._reader, self._seen_up_to + 1, count)
        self.note(jobs, snapshot.head.time)
        self._seen_up_to += count
        return jobs

    async def _read_old(self, snapshot: Snapshot) -> Sequence[Job]:
        """Reads jobs from before the start, the newest first."""
        count = min(MOST_NEW, self._unread)
        if not count:
            return ()
        jobs = await read_jobs(self._reader, self._unread_up_to - count + 1, count)
        self.note(jobs, snapshot.head.time)
        self._unread_up_to -= count
        return jobs

    def _window(self) -> tuple[int, int]:
        """Returns which jobs to read: new ones, wanted ones, or the next ones of the round."""
        self._polls += 1
        size = self._reader.jobs_at_once
        known = {job_id for job_id in self._wanted if 0 < job_id <= self._seen_up_to}
        if len(known) < len(self._wanted) or self._seen_up_to == 0:
            return self._seen_up_to + 1, size
        if self._own and self._polls % OWN_EVERY == 0:
            return min(self._own), size
        if known and self._polls % ROUND_EVERY:
            return min(known), size
        if self._again_from > self._seen_up_to:
            self._again_from = 1
        first = self._again_from
        # Cut at the end of the known jobs, so that each round reads the same windows.
        count = min(size, self._seen_up_to - first + 1)
        self._again_from += count
        return first, count

    def _apply(self, snapshot: Snapshot, first: int, count: int) -> None:
        end = first + count
        if not self._last:
            # The first poll reads the oldest jobs, and shows how many there are.
            self._seen_up_to = self._unread_up_to = snapshot.job_counter
            self._unread_from = end
        self._last = snapshot.job_counter
        # The counter goes back if a reorganisation removed jobs.
        self._seen_up_to = min(self._seen_up_to, self._last)
        self._unread_up_to = min(self._unread_up_to, self._last)
        if first <= self._seen_up_to + 1 < end:
            self._seen_up_to = min(end - 1, self._last)
        self._wanted, self._own = (
            {job_id for job_id in ids if not first <= job_id < end and job_id <= self._last}
            for ids in (self._wanted, self._own)
        )
        self._candidates.drop_above(self._last)
        self.note(snapshot.jobs, snapshot.head.time)

    def _consider(self, job: Job, now: int) -> None:
        objection = self._policy.objection(job, now) or self._objection(job)
        self._read_at.pop(job.id, None)
        if objection or not self._may_try(job):
            self._candidates.drop(job.id)
        else:
            self._candidates.put(job)
            self._read_at[job.id] = self._monotonic()
            while len(self._read_at) > MOST_NEW:
                del self._read_at[next(iter(self._read_at))]
        if not job.is_open(now):
            self.log.forget(job)
        elif self._may_try(job):
            self.log.log_order(job, objection)

    def _own_rank(self, job: Job) -> tuple[int, bytes]:
        return -job.terms.reward_fri, own_order(self._policy.account, job.id)
