"""The disputes of one arbiter, read with few requests, however many jobs the registry has.

Terms never change, so a job that names another arbiter is never read again; nor is one that is over. Since a
reorganisation may replace the newest jobs, the last page is always read, and from time to time everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from veriframe.model.registry.disputes import disputes_of
from veriframe.model.registry.job import Address, Job
from veriframe.ports.registry import JobReader, read_jobs

ALL_SECONDS = 3600.0
"""How often all jobs are read."""


class Docket:
    """The disputes that name `arbiter`. `clock` gives monotonic seconds."""

    def __init__(
        self, reader: JobReader, arbiter: Address, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader, self._arbiter, self._clock = reader, arbiter, clock
        self._open: set[int] = set()
        """Jobs that name the arbiter and are not over."""
        self._counter = 0
        self._all_read_at: float | None = None

    async def read(self) -> Sequence[Job]:
        """The present disputes, the most urgent first. Raises `RegistryUnavailable`."""
        counter, now = (await self._reader.snapshot(1, 0)).job_counter, self._clock()
        is_all = (
            self._all_read_at is None or counter < self._counter or now - self._all_read_at >= ALL_SECONDS
        )
        size = self._reader.jobs_at_once
        first = 1 if is_all else max(1, self._counter - size + 1)
        jobs = [*await read_jobs(self._reader, first, counter - first + 1)]
        older = sorted(number for number in self._open if number < first)
        while not is_all and older:
            page = await read_jobs(self._reader, older[0], min(size, first - older[0]))
            jobs += page
            older = [number for number in older if number >= older[0] + size]
        self._open = {job.id for job in jobs if job.terms.arbiter == self._arbiter and not job.state.is_final}
        self._counter, self._all_read_at = counter, now if is_all else self._all_read_at
        return disputes_of(jobs, self._arbiter)
