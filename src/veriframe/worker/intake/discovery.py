"""Looking at the registry: new jobs at once, all others by and by, by two calls however many there are.

One call tells what changed (a hint), one brings some jobs (the truth): those that changed or that somebody
asks for, else the next ones of a round through all. What a hint leaves out, the round finds. At the start the
old jobs are read from the newest down, some with each look, so that nobody's flood holds the worker up.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from veriframe.model.attempt.policy import Policy
from veriframe.model.registry.job import Job
from veriframe.ports.registry import JobReader, Snapshot
from veriframe.worker.intake.candidates import Bounds, Candidates
from veriframe.worker.report import DiscoveryLog

MOST_NEW = 1_000
"""Jobs that one look brings beyond its own, so that a flood of jobs cannot hold the worker up."""
MOST_WANTED = 10_000
"""Hints that are remembered at once."""
OWN_EVERY = 2
"""Where somebody asks for jobs, every second look is for them: hints are strangers' to make."""
ROUND_EVERY = 4
"""While there are hints, every fourth look goes on with the round all the same."""


class Discovery:
    """The open jobs that neither `policy` nor `objection` is against, and that `may_try` does not rule out.

    `rank` is a sort key, the lowest first, to which the reward is added; `on_read` hears of all jobs that
    were read, with the time to judge them by, in chain seconds.
    """

    def __init__(  # noqa: PLR0913 - each is a decision of somebody else's
        self,
        reader: JobReader,
        policy: Policy,
        may_try: Callable[[int], bool],
        *,
        objection: Callable[[Job], str] = lambda job: "",
        rank: Callable[[Job], tuple[Any, ...]] = lambda job: (),
        on_read: Callable[[Sequence[Job], int], None] = lambda jobs, now: None,
        bounds: Bounds = Bounds(),  # noqa: B008 - immutable
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader, self._policy, self._may_try = reader, policy, may_try
        self._objection, self._on_read = objection, on_read
        self._seen_up_to, self._again_from, self._last = 0, 1, 0
        # Of the jobs from before the start: those from … up to … are not read yet.
        self._unread_from, self._unread_up_to = 1, 0
        self._wanted: set[int] = set()
        self._own: set[int] = set()
        self._looks = 0
        self._candidates = Candidates(lambda job: (*rank(job), *self._own_rank(job)), bounds)
        self.log = DiscoveryLog(monotonic)

    @property
    def has_read_all(self) -> bool:
        """Whether each job was read once since the start."""
        return self._looks > 0 and not self._unread and self._seen_up_to >= self._last

    @property
    def _unread(self) -> int:
        """How many jobs from before the start are not read yet."""
        return max(0, self._unread_up_to - self._unread_from + 1)

    @property
    def has_seen_all(self) -> bool:
        """Whether nothing is left that could be a candidate and is none."""
        return self.has_read_all and not self._candidates.has_left_out

    @property
    def candidates(self) -> Sequence[Job]:
        """The best first; what ranks the same in an order of our own, so that workers do not all race."""
        return self._candidates.ranked()

    async def poll(self, wanted: Collection[int] = ()) -> tuple[Snapshot, bool]:
        """Ask the registry, for the jobs `wanted` too. What it showed, and whether there was any news.

        Raises `RegistryUnavailable`.
        """
        hints = await self._reader.changed()
        left_out = self._candidates.next_left_out()
        self._wanted = set(sorted({*self._wanted, *hints, *left_out})[:MOST_WANTED])
        self._own |= set(wanted)
        first, count = self._window()
        snapshot = await self._reader.snapshot(first, count)
        news = bool(hints) or snapshot.job_counter != self._last
        self._take_in(snapshot, first, count)
        more = [*await self._read_new(snapshot), *await self._read_old(snapshot)]
        return Snapshot(
            head=snapshot.head, job_counter=snapshot.job_counter, jobs=[*snapshot.jobs, *more]
        ), news

    def note(self, jobs: Sequence[Job], now: int) -> None:
        """What somebody has read of the registry anyway."""
        self._on_read(jobs, now)
        for job in jobs:
            self._consider(job, now)

    async def is_still_open(self, job_id: int) -> bool:
        """Look at one candidate again, right before it is taken on."""
        snapshot = await self._reader.snapshot(job_id, 1)
        self._candidates.drop(job_id)
        self.note(snapshot.jobs, snapshot.head.time)
        return job_id in self._candidates

    async def _read_new(self, snapshot: Snapshot) -> Sequence[Job]:
        """Jobs of a flood: more at once than one call of the registry brings."""
        count = min(MOST_NEW, self._last - self._seen_up_to)
        if count <= 0:
            return ()
        jobs = await self._reader.get_jobs(self._seen_up_to + 1, count)
        self.note(jobs, snapshot.head.time)
        self._seen_up_to += count
        return jobs

    async def _read_old(self, snapshot: Snapshot) -> Sequence[Job]:
        """Jobs from before the start, the newest first."""
        count = min(MOST_NEW, self._unread)
        if not count:
            return ()
        jobs = await self._reader.get_jobs(self._unread_up_to - count + 1, count)
        self.note(jobs, snapshot.head.time)
        self._unread_up_to -= count
        return jobs

    def _window(self) -> tuple[int, int]:
        """Which jobs to look at: new ones, those that are wanted, or the next ones of the round."""
        self._looks += 1
        size = self._reader.jobs_at_once
        known = {job_id for job_id in self._wanted if 0 < job_id <= self._seen_up_to}
        if len(known) < len(self._wanted) or self._seen_up_to == 0:
            return self._seen_up_to + 1, size
        if self._own and self._looks % OWN_EVERY == 0:
            return min(self._own), size
        if known and self._looks % ROUND_EVERY:
            return min(known), size
        if self._again_from > self._seen_up_to:
            self._again_from = 1
        first = self._again_from
        # Cut where the known jobs end, so that the same window is asked for in each round.
        count = min(size, self._seen_up_to - first + 1)
        self._again_from += count
        return first, count

    def _take_in(self, snapshot: Snapshot, first: int, count: int) -> None:
        end = first + count
        if not self._last:
            # The first look brings the oldest jobs, and tells how many there are.
            self._seen_up_to = self._unread_up_to = snapshot.job_counter
            self._unread_from = end
        self._last = snapshot.job_counter
        # The counter goes back where a reorganisation took jobs away.
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
        if objection or not self._may_try(job.id):
            self._candidates.drop(job.id)
        else:
            self._candidates.put(job)
        if not job.is_open(now):
            self.log.forget(job)
        elif self._may_try(job.id):
            self.log.tell(job, objection)

    def _own_rank(self, job: Job) -> tuple[int, bytes]:
        own = hashlib.sha256(f"{self._policy.account}:{job.id}".encode()).digest()
        return -job.terms.reward_fri, own
