"""Reviews an order while it is watched: the most urgent review first, each worker's one after the other.

A conclusion is noted once, and its report kept, before anything is done with it: after a kill at any point
the next run goes on from there, and neither verifies nor disputes twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import structlog

from veriframe.creator.creator import Creator
from veriframe.creator.orders.notes import ConclusionNote, OrderNotes
from veriframe.creator.orders.values import Chunk, OrderStatus
from veriframe.creator.review.bonds import bonds_missing
from veriframe.creator.review.conclusions import Conclusions
from veriframe.creator.review.consequences import MONEY, Consequences
from veriframe.creator.review.examinations import Examinations, result_of
from veriframe.creator.review.reordering import Reordering
from veriframe.creator.review.reports import Reports
from veriframe.creator.review.time_left import is_half_over, late_seconds, until_half
from veriframe.creator.review.values import Examined, Examiner, Happened, ReviewOptions, Told
from veriframe.errors import JobError, MoveRefused, SettingsError, Unavailable
from veriframe.model.verification.findings import Conclusion
from veriframe.ports.registry import JobReader

log = structlog.get_logger()

WITHHELD_PAUSES = 10
"""What is withheld is asked for again after so many of the usual pauses, or at half of its review."""

Matter = tuple[int, str, bool]
"""What is to be done about: a job, its result, and whether it lost its dispute."""


class Review:
    """The review of one order. Everything that becomes of its chunks is passed to `tell`.

    `creator` makes the moves; None if `options` ask for none. `see` each poll, and let `run` go on meanwhile.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        *,
        reader: JobReader,
        notes: OrderNotes,
        reports: Reports,
        examiner: Examiner,
        options: ReviewOptions,
        tell: Callable[[Told], None],
        creator: Creator | None = None,
        reordering: Reordering | None = None,
    ) -> None:
        self._reader, self._notes, self._reports = reader, notes, reports
        self._options, self._tell, self._examiner = options, tell, examiner
        self._creator, self._reordering = creator, reordering
        self._consequences = Consequences(creator=creator, reports=reports, options=options)
        self._conclusions = Conclusions(notes, reports, options.how)
        self._status: OrderStatus | None = None
        self._news, self._progress = asyncio.Event(), asyncio.Event()
        self._examinations = Examinations(examiner=examiner, on_end=self._news.set)
        self._settled: set[Matter] = set()
        """What nothing more is done about in this run."""
        self._not_before: dict[Matter, float] = {}
        self._waits_for_money: set[Matter] = set()
        self._told: set[tuple[Matter, Happened, str]] = set()

    @property
    def status(self) -> OrderStatus:
        """The order as it was last seen, with all conclusions."""
        assert self._status is not None
        return self._status

    def see(self, status: OrderStatus) -> OrderStatus:
        """Take a poll of the order. Returns it with all conclusions."""
        before = [] if self._status is None else [*self._reviewed()]
        self._status = replace(status, conclusions=self._conclusions.all)
        now = {_key(chunk) for chunk in self.status.chunks if chunk.is_under_review}
        for chunk in before:
            if _key(chunk) not in now and result_of(chunk.job) not in self._conclusions.all:
                self._tell_once(chunk, Happened.LATE)
        self._news.set()
        return self._status

    async def bonds_missing(self) -> str:
        """What the account lacks for the bonds of disputes, with the remedy; empty if nothing is missing."""
        if self._creator is None or not self._options.dispute:
            return ""
        return bonds_missing(self.status, await self._creator.funds())

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do now, but what waits for money."""
        left = {_key(chunk) for chunk in (*self._reviewed(), *self._lost())}
        return left <= self._waits_for_money

    async def finish(self) -> None:
        """Wait until it is done. `run` is under way."""
        while not self.is_done:
            self._progress.clear()
            await self._progress.wait()

    async def run(self) -> None:
        """Do all that is to be done, until cancelled."""
        try:
            await self._run()
        finally:
            await self._examinations.keep([])

    async def _run(self) -> None:
        while True:
            self._news.clear()
            await self._examinations.keep(chunk.job for chunk in self._reviewed())
            if await self._step():
                self._progress.set()
                continue
            if self._examinations.is_idle:
                await self._examiner.rest()
            waits = [at - time.monotonic() for at in self._not_before.values()]
            pause = max(0.0, min((wait for wait in waits if wait > 0), default=self._options.retry_seconds))
            try:
                async with asyncio.timeout(pause):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _step(self) -> bool:
        """Do the most urgent thing that can be done now. Returns False if there is none."""
        if self._status is None:
            return False
        for chunk in [*self._by_urgency()]:
            if await self._tried(chunk, self._review):
                return True
        for chunk in [*self._lost()]:
            if await self._tried(chunk, self._order_again):
                return True
        return False

    def _by_urgency(self) -> list[Chunk]:
        """What is concluded first, since a move takes seconds, then by the end of the review.

        What was withheld comes last, as long as it is only asked for again.
        """

        def urgency(chunk: Chunk) -> tuple[bool, bool, int, int]:
            is_asked_again = result_of(chunk.job) in self._conclusions.all and not is_half_over(chunk)
            is_unknown = self._conclusions.known(chunk) is None
            return is_unknown, is_unknown and is_asked_again, chunk.job.review_end, chunk.job.id

        return sorted(self._reviewed(), key=urgency)

    def _reviewed(self) -> Iterator[Chunk]:
        """The chunks whose results are under review, and not settled."""
        for chunk in self.status.chunks if self._status else ():
            if chunk.is_under_review and _key(chunk) not in self._settled:
                yield chunk

    def _lost(self) -> Iterator[Chunk]:
        """The chunks that lost their dispute, and may have to be ordered again."""
        for chunk in self.status.chunks if self._status and self._reordering else ():
            if chunk.lost_dispute and _key(chunk) not in self._settled:
                yield chunk

    async def _tried(self, chunk: Chunk, act: Callable[[Chunk], Awaitable[bool]]) -> bool:
        """Act on a chunk, unless it waits. Returns whether anything was done."""
        if time.monotonic() < self._not_before.get(_key(chunk), 0.0):
            return False
        try:
            return await act(chunk)
        except Unavailable as error:
            self._put_off(chunk)
            self._tell_once(chunk, Happened.PUT_OFF, str(error))
            return True

    async def _review(self, chunk: Chunk) -> bool:
        """Do what follows from a result's conclusion, or have it verified. False: nothing can be done now."""
        note = self._conclusions.known(chunk)
        if note is None:
            if not self._examinations.holds(chunk.job):
                return await self._begin(chunk)
            if (found := self._examinations.take(chunk.job)) is None:
                return False
            note = await self._note(chunk, found)
        if (current := self._as_it_is_now(chunk)) is None:
            return True
        if note.conclusion is Conclusion.WITHHELD and not self._conclusions.is_last_word(current):
            # It may come yet, and an arbiter may find it then: a dispute would be lost.
            pause = self._options.retry_seconds
            if not is_half_over(current):
                pause = min(WITHHELD_PAUSES * pause, until_half(current))
            self._put_off(chunk, pause)
            self._tell_once(current, Happened.ASKED_AGAIN)
            return True
        try:
            told = await self._consequences.follow(current, note)
        except MoveRefused as error:
            self._wait_for_money(current, Happened.REFUSED, error)
            return True
        self._settle(told)
        return True

    async def _begin(self, chunk: Chunk) -> bool:
        """Begin to verify a result. False: there is no room for it now, or its block is missing."""
        if not self._examinations.has_room_for(chunk.job):
            return False
        if await self._reader.block_hash(chunk.job.submitted_block + 1) is None:
            return False
        self._tell_once(chunk, Happened.BEGUN)
        self._examinations.begin(chunk.job, lambda: self._late_seconds(chunk))
        return True

    def _late_seconds(self, chunk: Chunk) -> float:
        """How long an examination may wait now for late deliveries."""
        if (current := self._as_it_is_now(chunk)) is None:
            return 0.0
        own = [one for one in self._reviewed() if one.job.worker == chunk.job.worker]
        left = sum(self._conclusions.known(one) is None for one in own)
        return late_seconds(current, max(1, left))

    def _as_it_is_now(self, chunk: Chunk) -> Chunk | None:
        """The chunk of the last poll; None if it is not under review any more, or settled."""
        return next((one for one in self._reviewed() if _key(one) == _key(chunk)), None)

    async def _note(self, chunk: Chunk, found: Examined) -> ConclusionNote:
        note, is_news = await self._conclusions.note(chunk, found)
        if is_news:
            self._tell(Told(what=Happened.CONCLUDED, chunk=replace(chunk, verified=note)))
        return note

    async def _order_again(self, chunk: Chunk) -> bool:
        assert self._reordering is not None
        try:
            again = await self._reordering.order_again(self.status, chunk)
        except MoveRefused as error:
            if error.rule in MONEY:
                self._wait_for_money(chunk, Happened.NOT_ORDERED_AGAIN, error)
            else:
                self._settle(Told(what=Happened.NOT_ORDERED_AGAIN, chunk=chunk, reason=str(error)))
            return True
        except (JobError, SettingsError) as error:
            self._settle(Told(what=Happened.NOT_ORDERED_AGAIN, chunk=chunk, reason=str(error)))
            return True
        if again.is_new:
            log.info("chunk_ordered_again", job_id=chunk.job.id, order_id=again.number)
        self._settle(Told(what=Happened.ORDERED_AGAIN, chunk=chunk, order=again.number))
        return True

    def _put_off(self, chunk: Chunk, seconds: float | None = None) -> None:
        pause = self._options.retry_seconds if seconds is None else seconds
        self._not_before[_key(chunk)] = time.monotonic() + pause

    def _wait_for_money(self, chunk: Chunk, what: Happened, error: MoveRefused) -> None:
        self._waits_for_money.add(_key(chunk))
        self._put_off(chunk)
        self._tell_once(chunk, what, str(error))

    def _settle(self, told: Told) -> None:
        key = _key(told.chunk)
        self._settled.add(key)
        self._not_before.pop(key, None)
        self._waits_for_money.discard(key)
        self._tell(told)

    def _tell_once(self, chunk: Chunk, what: Happened, reason: str = "") -> None:
        if (known := (_key(chunk), what, reason)) not in self._told:
            self._told.add(known)
            self._tell(Told(what=what, chunk=chunk, reason=reason))


def _key(chunk: Chunk) -> Matter:
    return *result_of(chunk.job), chunk.lost_dispute
