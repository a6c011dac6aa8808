"""What this worker has at stake, updated as its attempts progress."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.stakes import DAY, CreatorRecord, CreatorTotals, StakeLimits, Stakes
from veriframe.model.registry.job import NOBODY, Address, Job, JobState
from veriframe.ports.registry import Funds

_Try = tuple[int, int]
"""A job's id and the attempt's number."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """What one attempt has paid or cost, and when (Unix seconds)."""

    creator: Address
    paid_fri: int
    lost_fri: int
    at: float


class Exposure:
    """Who has paid this account, who has cost it money, and what is bound now.

    `clock` gives Unix seconds. After `read`, `note` receives each attempt.
    """

    def __init__(self, limits: StakeLimits, clock: Callable[[], float]) -> None:
        self._limits, self._clock = limits, clock
        self._live: dict[int, Attempt] = {}
        self._counted: dict[_Try, _Counted] = {}
        self._counted_jobs: set[int] = set()
        self._totals: defaultdict[Address, CreatorTotals] = defaultdict(CreatorTotals)
        self._recent: set[_Try] = set()
        self._is_complete = True

    def read(self, history: Iterable[Attempt], totals: Mapping[Address, CreatorTotals]) -> None:
        """Counts attempts of earlier runs; `totals` are those of older attempts, without their details."""
        # A journal with totals is no new one, and does not know all jobs that it has counted.
        self._is_complete = not totals
        self._totals.update(totals)
        for attempt in history:
            self.note(attempt)

    def note(self, attempt: Attempt) -> None:
        """Counts an attempt as it is now."""
        if not attempt.stage.is_end:
            self._live[attempt.job_id] = attempt
            return
        self._live.pop(attempt.job_id, None)
        counted = _Counted(
            attempt.creator, attempt.paid_fri, attempt.cost_fri, attempt.reached[attempt.stage]
        )
        self._count((attempt.job_id, attempt.number), counted)

    def note_job(self, job: Job, account: Address) -> None:
        """Counts a job that the registry shows: pay that the journal has lost counts as well."""
        is_ours = job.state is JobState.PAID and job.worker == account
        if self._is_complete and is_ours and not self._is_known(job.id):
            self._count((job.id, 0), _Counted(job.order.creator, job.terms.reward_fri, 0, 0.0))

    def stakes(self, funds: Funds) -> Stakes:
        """Returns what is at stake now, for an account that holds `funds`."""
        return Stakes(
            free_fri=funds.means_fri,
            bound_fri=sum(attempt.bond_fri for attempt in self._live.values() if _is_bound(attempt)),
            pending_fri=sum(attempt.bond_fri for attempt in self._live.values() if not _is_bound(attempt)),
            job_fees_fri=funds.job_fees_fri,
            is_paid_in_fri=funds.is_paid_in_fri,
            creators=self._records(funds.job_fees_fri if funds.is_paid_in_fri else 0),
            limits=self._limits,
        )

    def balance_fri(self, creator: Address) -> int:
        """Returns what a creator has earned us in total: see `CreatorRecord`."""
        totals = self._totals.get(creator, CreatorTotals())
        return totals.paid_fri - totals.lost_fri

    def is_backed(self, attempt: Attempt) -> bool:
        """Whether its creator has paid more than the bonds of this and other jobs of theirs under way."""
        staked_fri = attempt.bond_fri + sum(
            other.bond_fri
            for other in self._live.values()
            if other.creator == attempt.creator
            and other.job_id != attempt.job_id
            and other.stage is not Stage.SUBMITTED
        )
        return 0 < self.balance_fri(attempt.creator) >= staked_fri

    def _records(self, job_fees_fri: int) -> Mapping[Address, CreatorRecord]:
        oldest = self._clock() - DAY
        lost_today: defaultdict[Address, int] = defaultdict(int)
        self._recent = {one for one in self._recent if self._counted[one].at > oldest}
        for one in self._recent:
            lost_today[self._counted[one].creator] += self._counted[one].lost_fri
        staked: defaultdict[Address, list[int]] = defaultdict(list)
        for attempt in self._live.values():
            if attempt.stage is not Stage.SUBMITTED:
                staked[attempt.creator].append(attempt.bond_fri + job_fees_fri)
        return {
            creator: CreatorRecord(
                paid_fri=self._totals[creator].paid_fri,
                lost_fri=self._totals[creator].lost_fri,
                lost_today_fri=lost_today[creator],
                staked_fri=sum(staked[creator]),
                under_way=len(staked[creator]),
            )
            for creator in {*self._totals, *staked} - {NOBODY}
        }

    def _is_known(self, job_id: int) -> bool:
        return job_id in self._live or job_id in self._counted_jobs

    def _count(self, one: _Try, now: _Counted) -> None:
        """Replaces what an attempt has paid or cost before: each counts once."""
        before = self._counted.get(one)
        for counted, sign in ((before, -1), (now, 1)):
            if counted is not None and counted.creator != NOBODY and (counted.paid_fri or counted.lost_fri):
                totals = self._totals[counted.creator]
                self._totals[counted.creator] = CreatorTotals(
                    totals.paid_fri + sign * counted.paid_fri, totals.lost_fri + sign * counted.lost_fri
                )
        self._counted[one] = now
        self._counted_jobs.add(one[0])
        if now.lost_fri:
            self._recent.add(one)


def _is_bound(attempt: Attempt) -> bool:
    return attempt.stage.holds_claim or attempt.stage is Stage.SUBMITTED
