"""The stage of the reviews' tests: an order with an arbiter, a verifier that says what it is told to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from tests.fakes.registry import FakeRegistry
from tests.unit.creator.orders.studio import BUNDLE, Studio
from tests.unit.creator.stage import ARBITER, ARTIST, STRK
from tests.waiting import until

from veriframe.creator.creator import Creator
from veriframe.creator.orders.orders import Orders
from veriframe.creator.orders.posting import OrderPosting
from veriframe.creator.review.reordering import Reordering
from veriframe.creator.review.reports import Reports
from veriframe.creator.review.reviewing import Review
from veriframe.creator.review.values import Examined, Examiner, Happened, Late, ReviewOptions, Told
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.registry.job import Address, Job, JobState, Verdict
from veriframe.model.registry.offer import Offer
from veriframe.model.rendering.frames import parse_frames
from veriframe.model.verification.findings import Conclusion

JUDGED = Offer(reward_fri=STRK, bond_fri=STRK // 10, arbiter=ARBITER)
ALL = ReviewOptions(accept=True, dispute=True, reorder=True, retry_seconds=0.001)
ONLY = ReviewOptions(retry_seconds=0.001)
SECONDS = 20.0


def state(reviewed: Reviewed, job_id: int) -> JobState:
    """The state of a job now."""
    return reviewed.shared.jobs[job_id].state


@dataclass
class Says(Examiner):
    """Says a conclusion of each job, or raises an error; EXACT unless told otherwise."""

    of: dict[int, Conclusion | BaseException] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    late_seconds: list[float] = field(default_factory=list)
    meanwhile: Callable[[Job], Awaitable[object]] | None = None
    rests: int = 0

    async def examine(self, job: Job, late: Late) -> Examined:
        """The conclusion of the job. It waits as long as it may."""
        self.late_seconds.append(late())
        waited = self.late_seconds[-1]
        self.asked.append(job.id)
        if self.meanwhile is not None:
            await self.meanwhile(job)
        found = self.of.get(job.id, Conclusion.EXACT)
        if isinstance(found, BaseException):
            raise found
        why = "" if found is Conclusion.EXACT else f"Frame 1: it is {found.value.lower()}."
        report = f'{{"job": {job.id}}}\n'.encode()
        return Examined(conclusion=found, why=why, report=report, late_seconds=waited)

    async def rest(self) -> None:
        """Count it."""
        self.rests += 1


@dataclass
class Reviewed(Studio):
    """A studio with a review of its first order. `told` is what the last review told."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.says = Says()
        self.told: list[Told] = []
        self.reports = Reports(self.folder / "verifications")

    async def delivered(self, *parts: int, offer: Offer = JUDGED, bundle: Bundle = BUNDLE) -> None:
        """Post the order, and deliver these parts, in this order; the next block is there."""
        number = (await self.ordered(bundle, offer)).number
        await self.deliver_parts(number, *parts)

    async def delivered_by_many(self, frames: str, *slow: int) -> asyncio.Event:
        """Post an order of these frames, one in each chunk, and deliver each as another worker.

        The examinations of the jobs `slow` do not end before the event that is returned is set.
        """
        bundle = replace(BUNDLE, frames=parse_frames(frames), chunk=1)
        number = (await self.ordered(bundle, JUDGED)).number
        for place, chunk in enumerate((await self.status(number)).chunks):
            self.worker = FakeRegistry(Address(0xE00 + place), self.shared, wallet_fri=STRK)
            await self.deliver(chunk)
        self.shared.block += 1
        gate = asyncio.Event()

        async def hang(job: Job) -> None:
            if job.id in slow:
                await gate.wait()

        self.says.meanwhile = hang
        return gate

    async def deliver_parts(self, number: int, *parts: int) -> None:
        """Deliver parts of an order, one a minute."""
        for part in parts:
            await self.deliver((await self.status(number)).chunks[part])
            self.shared.now += 60
        self.shared.block += 1

    def review(self, options: ReviewOptions = ALL, registry: FakeRegistry | None = None) -> Review:
        """A new review, as after a restart, of the creator at this registry."""
        creator = self.creator if registry is None else self.creator_at(registry)
        has_moves = options.accept or options.dispute or options.reorder
        self.told = []
        return Review(
            reader=creator.registry,
            notes=self.notes,
            reports=self.reports,
            examiner=self.says,
            options=options,
            tell=self.told.append,
            creator=creator if has_moves else None,
            reordering=self.reordering(creator, options) if options.reorder else None,
        )

    def reordering(self, creator: Creator, options: ReviewOptions = ALL) -> Reordering:
        """Orders chunks again."""
        posting = OrderPosting(creator=creator, notes=self.notes)
        return Reordering(posting=posting, notes=self.notes, keeps_bonds=options.dispute)

    @asynccontextmanager
    async def running(self, review: Review) -> AsyncIterator[Review]:
        """The review under way; an error of it ends the test."""
        work = asyncio.create_task(review.run())
        try:
            yield review
            if work.done():
                await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def see(self, review: Review, number: int = 1) -> None:
        """Have it see the order as it is now."""
        orders = Orders(jobs=self.creator, notes=self.notes)
        review.see(await orders.find(number))

    async def done(self, options: ReviewOptions = ALL, registry: FakeRegistry | None = None) -> Review:
        """Review the order as it is, until nothing is left to do."""
        review = self.review(options, registry)
        await self.see(review)
        async with self.running(review), asyncio.timeout(SECONDS):
            await review.finish()
        return review

    async def until_told(self, review: Review, what: Happened) -> None:
        """Review until this is told."""
        async with self.running(review):
            await until(lambda: what in self.happened())

    def happened(self, job_id: int | None = None) -> list[Happened]:
        """What was told, of one job or of all."""
        return [one.what for one in self.told if job_id in (None, one.chunk.job.id)]

    async def resolve(self, job_id: int, verdict: Verdict) -> None:
        """Decide a dispute as the arbiter."""
        arbiter = FakeRegistry(ARBITER, self.shared)
        await arbiter.resolve_dispute(job_id, verdict, "bafkarbiter")

    def moves(self, name: str) -> list[str]:
        """The moves that were made, of this name."""
        return [move for move in self.shared.moves if move.split(" ", maxsplit=1)[0] == name]

    def means_fri(self, account: Address = ARTIST) -> int:
        """What an account can spend."""
        return self.shared.wallets[account] + self.shared.credits[account]
