"""The open jobs to choose from: limited in total, for each creator and for each order."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from veriframe.model.registry.job import Address, Job

Rank = Callable[[Job], Any]
"""A sort key: the lowest comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateLimits:
    """The most jobs remembered at once. Neither a creator nor an order can fill more than its share."""

    in_all: int = 5_000
    per_creator: int = 200
    per_order: int = 50


class Candidates:
    """Jobs by id. Without room, the lowest ranked is dropped; what is left out is found again later."""

    def __init__(self, rank: Rank, bounds: CandidateLimits = CandidateLimits()) -> None:
        """`rank` may rank the same job differently at any time."""
        self._rank, self._bounds = rank, bounds
        self._jobs: dict[int, Job] = {}
        self._by_creator: Counter[int] = Counter()
        self._by_order: Counter[int] = Counter()
        self._left_out: dict[int, int] = {}

    def __contains__(self, job_id: int) -> bool:
        return job_id in self._jobs

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def has_left_out(self) -> bool:
        """Whether some had no room: they have to be read again."""
        return bool(self._left_out)

    def ranked(self) -> Sequence[Job]:
        """Returns the jobs, the best first."""
        return sorted(self._jobs.values(), key=self._rank)

    def put(self, job: Job) -> None:
        """Adds a job that may be claimed, or updates it."""
        if job.id in self._jobs:
            self._jobs[job.id] = job
            return
        order = job.order
        full = self._by_creator[order.creator] >= self._bounds.per_creator
        if full or self._by_order[order.id] >= self._bounds.per_order:
            self._leave_out(job)
            return
        self._jobs[job.id] = job
        self._by_creator[order.creator] += 1
        self._by_order[order.id] += 1
        # With a margin of a tenth, so that not every new job causes a sort.
        if len(self._jobs) > self._bounds.in_all * 11 // 10:
            for worst in self.ranked()[self._bounds.in_all :]:
                self.drop(worst.id)
                self._leave_out(worst)

    def drop(self, job_id: int) -> None:
        """Removes a job that is no longer a candidate."""
        job = self._jobs.pop(job_id, None)
        if job is not None:
            for counter, key in ((self._by_creator, job.order.creator), (self._by_order, job.order.id)):
                counter[key] -= 1
                if not counter[key]:
                    del counter[key]

    def drop_above(self, last: int) -> None:
        """Removes jobs above this id: they no longer exist."""
        for job_id in [job_id for job_id in self._jobs if job_id > last]:
            self.drop(job_id)
        self._left_out = {order: job_id for order, job_id in self._left_out.items() if job_id <= last}

    def next_left_out(self) -> Collection[int]:
        """Returns the first left-out job of each order that has room again. Each is returned once."""
        half = self._bounds.per_order // 2
        if len(self._jobs) >= self._bounds.in_all:
            return ()
        ready = {order: job_id for order, job_id in self._left_out.items() if self._by_order[order] <= half}
        for order in ready:
            del self._left_out[order]
        return ready.values()

    def _leave_out(self, job: Job) -> None:
        if len(self._left_out) < self._bounds.in_all or job.order.id in self._left_out:
            self._left_out[job.order.id] = min(job.id, self._left_out.get(job.order.id, job.id))


def drawn_first(jobs: Sequence[Job], comes_last: Callable[[Address], bool]) -> Sequence[Job]:
    """The jobs, with the best one of each creator first, in a random order, unless the creator comes last."""
    best = dict[Address, Job]()
    for job in jobs:
        if not comes_last(job.order.creator):
            best.setdefault(job.order.creator, job)
    # Neither an early job nor a high offer makes a creator the first of these.
    drawn = secrets.SystemRandom().sample(list(best.values()), len(best))
    first = {job.id for job in drawn}
    return [*drawn, *(job for job in jobs if job.id not in first)]
