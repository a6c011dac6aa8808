"""Other workers at a registry without claims: which job falls to whom, so that not all render the same.

There, two workers learn of each other only by their results. So each job falls to one of those who delivered
lately, by digests that all of them compute alike. We begin with our own jobs, and continue with those of
others at the end that their workers reach last. The next jobs of another are left to it for about as long as
a job takes, and no more of them: addresses that deliver to themselves cost their owner little.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.registry.job import NOBODY, Address, Job, JobState
from veriframe.ports.registry import JobRegistry

RECENT_SECONDS = 3600.0
"""How long a worker counts after its last result."""
MOST = 16
"""The most other workers that count; whoever delivered longest ago is dropped."""
MOST_JOBS = 10_000
"""The most open jobs whose first sight is remembered."""
FIRST_SECONDS, LONGEST_SECONDS = 30.0, 300.0
"""How long a job takes before we have done any; the longest time that a job is left to another worker."""

MOST_LEFT = 2
"""The most new jobs that are left to one other worker at a time."""

_RESULTS = frozenset((JobState.SUBMITTED, JobState.DISPUTED, JobState.PAID))


class Rivals:
    """The workers beside our account at `registry` who delivered lately; nobody, if it has claims.

    `clock` gives monotonic seconds.
    """

    def __init__(self, registry: JobRegistry, clock: Callable[[], float]) -> None:
        self._account, self._clock = registry.account, clock
        self._are_none = registry.has_claims
        self.have_some = False
        """Whether the last `leave` left any job to another worker."""
        self._delivered_at: dict[Address, float] = {}
        self._open_since: dict[int, float] = {}
        self._job_seconds = FIRST_SECONDS

    def note(self, jobs: Iterable[Job], now: int, *, is_news: bool) -> None:
        """Notes jobs as the registry shows them at `now` (chain seconds).

        Without `is_news` they are from before the start, and their results say nothing about who works today.
        """
        for job in () if self._are_none else jobs:
            if job.is_open(now):
                self._open_since.setdefault(job.id, self._clock() if is_news else -math.inf)
            elif self._open_since.pop(job.id, None) is not None or (is_news and job.state in _RESULTS):
                self._note_worker(job)
        while len(self._open_since) > MOST_JOBS:
            del self._open_since[next(iter(self._open_since))]

    def note_stage(self, attempt: Attempt) -> None:
        """Notes how long a job of ours took, once it is submitted."""
        reached = attempt.reached
        if attempt.stage is Stage.SUBMITTED and Stage.CLAIMED in reached:
            self._job_seconds = reached[Stage.SUBMITTED] - reached[Stage.CLAIMED]

    def rank(self, job: Job) -> tuple[bool, float]:
        """A sort key, the lowest first: our jobs, then those of others, the last of theirs first.

        A higher reward makes a job earlier for everybody, but not for all of them the first.
        """
        if self._are_none:
            return False, 0.0
        owner = self._owner(job.id)
        turn = _turn(owner, job)
        return (False, turn) if owner == self._account else (True, -turn)

    def leave(self, candidates: Sequence[Job]) -> Sequence[Job]:
        """Returns the candidates without those that are left to another worker for now."""
        if self._are_none:
            return candidates
        left: dict[Address, list[Job]] = {}
        for job in candidates:
            if self.leaves(job):
                left.setdefault(self._owner(job.id), []).append(job)
        # Only those that it reaches first: it cannot work at more meanwhile.
        next_ones = {
            job.id
            for owner, theirs in left.items()
            for job in sorted(theirs, key=partial(_turn, owner))[:MOST_LEFT]
        }
        self.have_some = bool(next_ones)
        return [job for job in candidates if job.id not in next_ones]

    def leaves(self, job: Job) -> bool:
        """Whether the job is left to another worker for now. One that does not deliver it counts as away."""
        owner = self._owner(job.id)
        if owner == self._account:
            return False
        since = self._open_since.get(job.id, -math.inf)
        if self._clock() - since < min(1.5 * self._job_seconds, LONGEST_SECONDS):
            return True
        if since >= self._delivered_at[owner]:
            del self._delivered_at[owner]
        return False

    def _note_worker(self, job: Job) -> None:
        if job.state not in _RESULTS or job.worker in (NOBODY, self._account, job.order.creator):
            return
        self._delivered_at.pop(job.worker, None)
        self._delivered_at[job.worker] = self._clock()
        while len(self._delivered_at) > MOST:
            del self._delivered_at[next(iter(self._delivered_at))]

    def _owner(self, job_id: int) -> Address:
        """To whom of us a job falls."""
        oldest = self._clock() - RECENT_SECONDS
        others = [worker for worker, at in self._delivered_at.items() if at > oldest]
        return min((self._account, *others), key=lambda worker: own_order(worker, job_id))


def _turn(worker: Address, job: Job) -> float:
    """When a worker reaches a job, as a sort key: a random order of its own, in which rewards weigh."""
    share = (int.from_bytes(own_order(worker, job.id)[:6]) + 1) / (2**48 + 1)
    return -math.log1p(-share) / max(1, job.terms.reward_fri)


@lru_cache(maxsize=50_000)
def own_order(account: Address, job_id: int) -> bytes:
    """A number that orders jobs as no other account does."""
    return hashlib.sha256(f"{account}:{job_id}".encode()).digest()
