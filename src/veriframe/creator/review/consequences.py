"""What follows from a conclusion: payment, a dispute, or what a person can do."""

from __future__ import annotations

from dataclasses import dataclass

from veriframe.creator.creator import Creator
from veriframe.creator.orders.notes import ConclusionNote
from veriframe.creator.orders.values import Chunk
from veriframe.creator.review.reports import Reports
from veriframe.creator.review.values import Happened, ReviewOptions, Told
from veriframe.errors import JobError, MoveRefused, StoreUnavailable
from veriframe.model.registry.job import NOBODY, JobState
from veriframe.model.registry.ledger import Rule
from veriframe.model.verification.findings import AT_FAULT, RIGHT
from veriframe.threads import run_briefly

MONEY = (Rule.INSUFFICIENT_FUNDS, Rule.INSUFFICIENT_CREDIT)
"""The refusals that more money remedies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """The moves of one creator on what was verified; `creator` is None if `options` ask for none."""

    creator: Creator | None
    reports: Reports
    options: ReviewOptions

    async def follow(self, chunk: Chunk, note: ConclusionNote) -> Told:
        """Do what follows, safe to repeat.

        Raises `Unavailable`, and `MoveRefused` by a rule in `MONEY` if the bond of a dispute is missing.
        """
        if note.conclusion in RIGHT:
            return await self._pay(chunk)
        if note.conclusion not in AT_FAULT:
            return Told(what=Happened.UNDECIDED, chunk=chunk, reason=note.why)
        if chunk.job.terms.arbiter == NOBODY:
            return Told(what=Happened.NO_ARBITER, chunk=chunk)
        return await self._dispute(chunk)

    async def _pay(self, chunk: Chunk) -> Told:
        if not self.options.accept:
            return Told(what=Happened.PAYABLE, chunk=chunk)
        assert self.creator is not None
        try:
            await self.creator.accept(chunk.job.id)
        except MoveRefused as error:
            # It is paid if the reply to an earlier move was lost.
            if (await self.creator.status(chunk.job.id)).job.state is not JobState.PAID:
                return Told(what=Happened.REFUSED, chunk=chunk, reason=str(error))
        return Told(what=Happened.PAID, chunk=chunk)

    async def _dispute(self, chunk: Chunk) -> Told:
        job_id, report = chunk.job.id, await run_briefly(self.reports.find, chunk.job)
        if not self.options.dispute:
            return Told(what=Happened.DISPUTABLE, chunk=chunk, report=report)
        assert self.creator is not None
        try:
            # The same file has the same CID: a report that was published before is only pinned again.
            await self.creator.dispute(job_id, report)
        except MoveRefused as error:
            if error.rule in MONEY:
                raise
            # An earlier run's move may have arrived meanwhile.
            if (await self.creator.status(job_id)).job.state is not JobState.DISPUTED:
                return Told(what=Happened.REFUSED, chunk=chunk, reason=str(error))
        except JobError as error:
            raise StoreUnavailable(str(error)) from error
        return Told(what=Happened.DISPUTED, chunk=chunk, report=report)
