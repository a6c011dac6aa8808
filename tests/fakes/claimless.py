"""A registry without claims, in memory: an account alone knows its claims; the first result is paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.fakes.registry import FakeRegistry, Shared

from veriframe.errors import Code, MoveRefused, RegistryUnavailable
from veriframe.model.registry.job import NOBODY, Job, JobState
from veriframe.model.registry.ledger import Rule
from veriframe.ports.registry import Snapshot


class ClaimlessRegistry(FakeRegistry):
    """One account's view. `submitted` lists the jobs whose result it sent, `refused` those sent in vain.

    While it `waits_for` something, results wait, as for an account that is not verified.
    """

    def __init__(self, account: int, shared: Shared) -> None:
        super().__init__(account, shared)
        self.claimed_at: dict[int, int] = {}
        self.submitted: list[int] = []
        self.refused: list[int] = []
        self.waits_for = ""

    @property
    def has_claims(self) -> bool:
        """It has none."""
        return False

    async def snapshot(self, first: int, count: int) -> Snapshot:
        """As shown to everybody, with our own claims."""
        seen = await super().snapshot(first, count)
        return replace(seen, jobs=self._with_claims(seen.jobs))

    async def claim(self, job_id: int) -> int:
        """Only noted here."""
        if not self.shared.job(job_id).is_open(self.shared.now):
            raise MoveRefused(Rule.NOT_OPEN.value, "It is not open.")
        self.claimed_at[job_id] = self.shared.now
        return 0

    async def release(self, job_id: int, reason: Code) -> int:
        """Forgets the claim."""
        del self.claimed_at[job_id]
        return 0

    async def submit_result(self, job_id: int, result_cid: str) -> int:
        """The first one is paid."""
        if self.waits_for:
            raise RegistryUnavailable(f"The result waits: {self.waits_for}.")
        job = self.shared.job(job_id)
        if job.state is not JobState.OPEN:
            self.refused.append(job_id)
            raise MoveRefused(Rule.NOT_CLAIMANT.value, "It has a result.")
        self.submitted.append(job_id)
        done = replace(job, state=JobState.PAID, worker=self.account, result_cid=result_cid)
        self.shared.jobs[job_id] = done
        return 0

    def _with_claims(self, jobs: Sequence[Job]) -> list[Job]:
        return [self._with_claim(job) for job in jobs]

    def _with_claim(self, job: Job) -> Job:
        if job.state is not JobState.OPEN or job.worker != NOBODY or job.id not in self.claimed_at:
            return job
        at = self.claimed_at[job.id]
        end = at + job.terms.lease_seconds
        return replace(job, state=JobState.CLAIMED, worker=self.account, claimed_at=at, lease_end=end)
