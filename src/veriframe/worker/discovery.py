"""Finding open jobs: new ones at once, all others by and by, however many the registry holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import structlog

from veriframe.model.job import Job, format_address, format_strk
from veriframe.model.policy import Policy
from veriframe.ports import JobReader

log = structlog.get_logger()

WINDOW = 200
"""Jobs in one answer; the port's own bound."""
MOST_WINDOWS = 5
"""Windows of new jobs in one look, so that a flood of jobs cannot hold the worker up."""
MOST_CANDIDATES = 5_000
"""Open jobs that are remembered at once; the rest is found again by the rotating window."""


class Discovery:
    """The open jobs that `policy` likes and that `may_try(job_id)` does not rule out."""

    def __init__(self, reader: JobReader, policy: Policy, may_try: Callable[[int], bool]) -> None:
        self._reader, self._policy, self._may_try = reader, policy, may_try
        self._seen_up_to, self._again_from = 0, 1
        self._has_seen_all = False
        self._candidates: dict[int, Job] = {}
        self._objections: dict[int, str] = {}

    @property
    def has_seen_all(self) -> bool:
        """Whether the last look reached the newest job."""
        return self._has_seen_all

    async def look(self) -> Sequence[Job]:
        """Ask the registry: at most `MOST_WINDOWS` windows of new jobs and one of old ones.

        Returns the candidates, the best paid first; jobs that pay the same in an order of our own, so that
        several workers do not all run after the same one. Raises `RegistryUnavailable`.
        """
        now, last = (await self._reader.head()).time, await self._reader.job_counter()
        for _ in range(MOST_WINDOWS):
            if self._seen_up_to >= last:
                break
            first = self._seen_up_to + 1
            count = min(WINDOW, last - self._seen_up_to)
            self._consider(await self._reader.get_jobs(first, count), now)
            self._seen_up_to += count
        self._has_seen_all = self._seen_up_to >= last
        await self._look_again(now)
        return sorted(self._candidates.values(), key=self._rank)

    async def is_still_open(self, job_id: int) -> bool:
        """Look at one candidate again, right before it is taken on."""
        job, now = await self._reader.get_job(job_id), (await self._reader.head()).time
        self._consider([job], now)
        return job_id in self._candidates

    async def _look_again(self, now: int) -> None:
        if self._seen_up_to == 0:
            return
        if self._again_from > self._seen_up_to:
            self._again_from = 1
        count = min(WINDOW, self._seen_up_to - self._again_from + 1)
        self._consider(await self._reader.get_jobs(self._again_from, count), now)
        self._again_from += count

    def _consider(self, jobs: Sequence[Job], now: int) -> None:
        for job in jobs:
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
