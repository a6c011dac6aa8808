"""Looking at the registry: new jobs at once, all others by and by, by two calls however many there are.

One call tells what changed (a hint), one brings some jobs (the truth): those that changed or that somebody
asks for, else the next ones of a round through all. What a hint leaves out, the round finds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence

import structlog

from veriframe.model.job import Job, format_address, format_strk
from veriframe.model.policy import Policy
from veriframe.ports import JobReader, Look

log = structlog.get_logger()

MOST_NEW = 1_000
"""New jobs that one look brings beyond its own, so that a flood of jobs cannot hold the worker up."""
MOST_CANDIDATES = 5_000
"""Open jobs that are remembered at once; the rest is found again by the round."""
MOST_WANTED = 10_000
"""Hints that are remembered at once."""
ROUND_EVERY = 4
"""While there are hints, every so manieth look goes on with the round all the same."""


class Discovery:
    """The open jobs that `policy` likes and that `may_try(job_id)` does not rule out."""

    def __init__(self, reader: JobReader, policy: Policy, may_try: Callable[[int], bool]) -> None:
        self._reader, self._policy, self._may_try = reader, policy, may_try
        self._seen_up_to, self._again_from, self._last = 0, 1, 0
        self._wanted: set[int] = set()
        self._looks = 0
        self._candidates: dict[int, Job] = {}
        self._objections: dict[int, str] = {}

    @property
    def has_seen_all(self) -> bool:
        """Whether the last look reached the newest job."""
        return self._seen_up_to >= self._last

    @property
    def candidates(self) -> Sequence[Job]:
        """The best paid first; what pays the same in an order of our own, so that workers do not all race."""
        return sorted(self._candidates.values(), key=self._rank)

    async def look(self, wanted: Collection[int] = ()) -> tuple[Look, bool]:
        """Ask the registry, for the jobs `wanted` too. What it showed, and whether there was any news.

        Raises `RegistryUnavailable`.
        """
        hints = await self._reader.changed()
        self._wanted = set(sorted({*self._wanted, *hints, *wanted})[:MOST_WANTED])
        first, count = self._window()
        look = await self._reader.look(first, count)
        news = bool(hints) or look.job_counter != self._last
        self._note(look, first, count)
        if not self.has_seen_all:
            # A flood, or the very first look: more at once than one call of the registry brings.
            begin, jobs = self._seen_up_to + 1, min(MOST_NEW, self._last - self._seen_up_to)
            more = await self._reader.get_jobs(begin, jobs)
            look = Look(head=look.head, job_counter=look.job_counter, jobs=[*look.jobs, *more])
            self.note(more, look.head.time)
            self._seen_up_to += jobs
        return look, news

    def note(self, jobs: Sequence[Job], now: int) -> None:
        """What somebody has read of the registry anyway."""
        for job in jobs:
            self._consider(job, now)

    def note_all(self, last: int) -> None:
        """Somebody has noted all jobs up to this one: looks begin after it."""
        self._seen_up_to = self._last = max(self._last, last)

    async def is_still_open(self, job_id: int) -> bool:
        """Look at one candidate again, right before it is taken on."""
        look = await self._reader.look(job_id, 1)
        self._candidates.pop(job_id, None)
        self.note(look.jobs, look.head.time)
        return job_id in self._candidates

    def _window(self) -> tuple[int, int]:
        """Which jobs to look at: new ones, those that are wanted, or the next ones of the round."""
        self._looks += 1
        size = self._reader.jobs_at_once
        known = {job_id for job_id in self._wanted if 0 < job_id <= self._seen_up_to}
        if len(known) < len(self._wanted) or self._seen_up_to == 0:
            return self._seen_up_to + 1, size
        if known and self._looks % ROUND_EVERY:
            return min(known), size
        if self._again_from > self._seen_up_to:
            self._again_from = 1
        first = self._again_from
        # Cut where the known jobs end, so that the same window is asked for in each round.
        count = min(size, self._seen_up_to - first + 1)
        self._again_from += count
        return first, count

    def _note(self, look: Look, first: int, count: int) -> None:
        end = first + count
        self._last = look.job_counter
        # The counter goes back where a reorganisation took jobs away.
        self._seen_up_to = min(self._seen_up_to, self._last)
        if first <= self._seen_up_to + 1 < end:
            self._seen_up_to = min(end - 1, self._last)
        self._wanted = {
            job_id for job_id in self._wanted if not first <= job_id < end and job_id <= self._last
        }
        for gone in [job_id for job_id in self._candidates if job_id > self._last]:
            del self._candidates[gone]
        self.note(look.jobs, look.head.time)

    def _consider(self, job: Job, now: int) -> None:
        objection = self._policy.objection(job, now)
        if objection or not self._may_try(job.id):
            self._candidates.pop(job.id, None)
        elif job.id in self._candidates or len(self._candidates) < MOST_CANDIDATES:
            self._candidates[job.id] = job
        if not job.is_open(now):
            self._objections.pop(job.id, None)
        elif self._may_try(job.id):
            self._tell(job, objection)

    def _tell(self, job: Job, objection: str) -> None:
        if self._objections.get(job.id) == objection:
            return
        self._objections[job.id] = objection
        facts = {
            "job_id": job.id,
            "creator": format_address(job.order.creator),
            "reward": format_strk(job.terms.reward_fri),
            "asset_cid": job.order.asset_cid,
        }
        if objection:
            log.info("job_left", **facts, reason=objection)
        else:
            log.info("job_discovered", **facts)

    def _rank(self, job: Job) -> tuple[int, bytes]:
        own = hashlib.sha256(f"{self._policy.account}:{job.id}".encode()).digest()
        return -job.terms.reward_fri, own
