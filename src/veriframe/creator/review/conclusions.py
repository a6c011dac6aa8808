"""What is known of the results of an order: what was concluded, now or by an earlier run, and what counts."""

from __future__ import annotations

from veriframe.creator.orders.notes import ConclusionNote, OrderNotes
from veriframe.creator.orders.values import Chunk
from veriframe.creator.review.examinations import Result, result_of
from veriframe.creator.review.reports import Reports
from veriframe.creator.review.time_left import is_half_over, is_nearly_over, sure_seconds
from veriframe.creator.review.values import Examined
from veriframe.model.registry.job import Address, Job
from veriframe.model.verification.findings import AT_FAULT, RIGHT, Conclusion
from veriframe.threads import run_briefly


class Conclusions:
    """The conclusions about results that are verified in the way `how`. `all` has those of any way."""

    def __init__(self, notes: OrderNotes, reports: Reports, how: str) -> None:
        self._notes, self._reports, self._how = notes, reports, how
        self.all = dict(notes.read_conclusions())
        self._noted = {result for result, note in self.all.items() if note.conclusion is Conclusion.WITHHELD}
        """Results that an earlier run, or another command, has asked for in vain."""
        self._recent: set[Result] = set()
        """Results that this run has verified."""
        self._asked_late: set[Result] = set()
        """Results that were asked for in vain when half of their review was over."""
        self._waited: dict[Address, float] = {}
        """How many seconds each worker's late deliveries were waited for."""

    async def note(self, chunk: Chunk, found: Examined) -> tuple[ConclusionNote, bool]:
        """Keep the report, and note the conclusion. Returns the note, and whether it is news.

        Without a report nothing is noted for the next run; nor is what may still be on its way.
        """
        job = chunk.job
        note = ConclusionNote(conclusion=found.conclusion, why=found.why, how=self._how)
        if found.report and note.conclusion not in RIGHT:
            await run_briefly(self._reports.keep, job, found.report)
        self._recent.add(result_of(job))
        if note.conclusion is Conclusion.WITHHELD:
            self._waited[job.worker] = self._waited.get(job.worker, 0.0) + found.late_seconds
            if is_half_over(chunk):
                self._asked_late.add(result_of(job))
        is_final = note.conclusion is not Conclusion.WITHHELD or self._is_sure(job)
        if found.report and is_final:
            await run_briefly(self._notes.note_conclusion, job.id, job.result_cid, note)
        is_news = self.all.get(result_of(job)) != note
        self.all[result_of(job)] = note
        return note, is_news

    def known(self, chunk: Chunk) -> ConclusionNote | None:
        """What need not be verified again.

        What was withheld is asked for again, while there is time; what was undecided, in the next run: it may
        have more memory, or the right Blender.
        """
        note = self.all.get(result_of(chunk.job))
        if note is None or note.how != self._how:
            return None
        is_recent = result_of(chunk.job) in self._recent
        if note.conclusion is Conclusion.UNDECIDED and not is_recent:
            return None
        if note.conclusion is Conclusion.WITHHELD and not self.is_last_word(chunk):
            return None
        if note.conclusion in AT_FAULT and self._reports.find(chunk.job) is None:
            return None
        return note

    def is_last_word(self, chunk: Chunk) -> bool:
        """Whether what was withheld counts as withheld: asked for after half of the review, and for long.

        Near the end an earlier answer counts: to ask once more might outlast the review.
        """
        is_last = result_of(chunk.job) in self._asked_late or is_nearly_over(chunk)
        return is_last and self._is_sure(chunk.job)

    def _is_sure(self, job: Job) -> bool:
        """Whether late deliveries of its worker were waited for long enough, now or before."""
        return result_of(job) in self._noted or self._waited.get(job.worker, 0.0) >= sure_seconds(job)
