"""Choosing the next job: what discovery found, less what failed here, is too risky or has to wait."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Container, Sequence
from itertools import chain
from typing import Any

import structlog

from veriframe.errors import Code, HostUnavailable, JobLost, StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.stakes import Stakes
from veriframe.model.quantities import format_strk
from veriframe.model.registry.job import Job
from veriframe.ports.registry import Funds, Snapshot
from veriframe.threads import run_uninterrupted
from veriframe.worker import report
from veriframe.worker.context import WorkerContext
from veriframe.worker.intake.backoff import Backoffs
from veriframe.worker.intake.candidates import drawn_first
from veriframe.worker.intake.circuit_breaker import CircuitBreaker
from veriframe.worker.intake.discovery import Discovery
from veriframe.worker.intake.exposure import Exposure
from veriframe.worker.intake.failures import Failures, conditions
from veriframe.worker.intake.rivals import Rivals
from veriframe.worker.listener import Listener
from veriframe.worker.reconciliation import canonical_asset, is_same, new_attempt
from veriframe.worker.shared.reservations import StoreUsage

log = structlog.get_logger()

FUNDS_SECONDS = 60.0
"""The greatest age of the figures by which discovered jobs are judged."""

MOST_RULED_OUT = 100_000
"""The most jobs remembered that were ruled out; they would be judged again."""

TURN_EVERY = 3
"""Every third job is that of a randomly drawn creator: high offers cannot delay a low one for ever."""

_EXAMINED = frozenset((Stage.SEEN, Stage.FETCHED))
"""Stages of a job whose scene is not known yet."""

_SEND_MONEY = "send the account some STRK"

_UNHEALTHY = (
    "The last renders failed as on a broken machine, and so did a test scene; it is tried again. Run "
    "`veriframe doctor`."
)


class Intake(Listener):
    """The jobs of one worker account that are not started yet.

    All answers to "may I take this job?" are given here: before a job is started by `next_job`, and right
    before its claim by `_approve`. Call `begin` once before use.
    """

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        context.listener.add(self)
        context.approve = self._approve
        context.is_backed = lambda attempt: self._exposure.is_backed(attempt)  # noqa: PLW0108 - `begin` renews it
        self._ruled_out: set[int] = set()
        self._is_new = report.Once()
        self._circuit_breaker, self._backoffs = CircuitBreaker(context.monotonic), Backoffs(context.monotonic)
        self._exposure = Exposure(context.policy.stakes, context.clock)
        self._rivals = Rivals(context.registry, context.monotonic)
        self._discovery = Discovery(
            context.registry,
            context.policy,
            self._may_try,
            objection=self._lasting_objection,
            rank=self._rank,
            on_read=self._note_read,
            monotonic=context.monotonic,
        )
        self._stakes, self._stakes_at = Stakes(free_fri=0), 0.0
        self._started, self._lacked_money, self._has_begun = 0, False, False
        self.is_closed = False
        """Whether no more jobs may be claimed."""
        self.hindrance: HostUnavailable | StoreUnavailable | None = None
        """Why the last `next_job` returned none although a job is open that this worker may take later."""

    async def begin(self) -> None:
        """Reads what the journal knows. Raises `Unavailable`; may be repeated."""
        context = self._context
        facts = await context.renderer.facts()
        under = conditions(facts, context.policy.limits, context.scene_limits)
        self._failures = Failures(context.journal, under, context.clock)
        history = await context.attempts.load(context.clock())
        self._exposure = Exposure(context.policy.stakes, context.clock)
        self._exposure.read(history, await context.journal.creator_totals())
        context.room.balance_fri = self._exposure.balance_fri
        await self._failures.read(history)
        self._note_stakes(await self._funds())
        report.stakes_renewed(self._stakes)

    @property
    def has_seen_all(self) -> bool:
        """Whether the registry has no further jobs that could be started, now or later."""
        return self._discovery.has_seen_all and not self._rivals.have_some

    @property
    def has_read_all(self) -> bool:
        """Whether every job was read once since the start."""
        return self._discovery.has_read_all

    async def poll(self, wanted: Collection[int]) -> tuple[Snapshot, bool]:
        """Polls the registry, also for the jobs `wanted`: see `Discovery.poll`."""
        if self._context.monotonic() - self._stakes_at > FUNDS_SECONDS:
            self._note_stakes(await self._funds())
        await self._failures.read()
        polled = await self._discovery.poll(wanted)
        self._has_begun = self._has_begun or self.has_read_all
        return polled

    async def next_job(self, running: Container[int] = ()) -> Job | None:
        """Returns the job to start now; None if there is none. Raises `RegistryUnavailable`.

        None of `running`: a job that is lost may be open again before the work on it has ended.

        A machine or a store that cannot take one more job is a reason for none, and is logged.
        """
        # One job of a scene goes first; the others use what it finds.
        examined = {a.asset_cid for a in self._context.attempts.live() if a.stage in _EXAMINED}
        candidates = self._in_turn(self._rivals.leave(self._discovery.candidates))
        possible = (
            job for job in candidates if job.id not in running and not self._is_ruled_out(job, examined)
        )
        self.hindrance, pauses = None, self._context.pauses
        pauses.note("manners", objection := self._context.manners.objection)
        pauses.note("circuit breaker", _UNHEALTHY if self._circuit_breaker.pauses else "")
        if objection and self._discovery.candidates:
            self.hindrance = HostUnavailable(objection)
        if objection or self._circuit_breaker.pauses or (first := next(possible, None)) is None:
            pauses.note("stakes", "")
            return None
        survey, funds = await asyncio.gather(self._survey(), self._funds())
        if survey is None:
            return None
        # Only now: a job may have ended while the store was asked.
        self._note_stakes(funds)
        waits = ""
        for job in chain((first,), possible):
            if not self._is_affordable(job, funds):
                continue
            if objection := self._waiting_objection(job, survey):
                self._discovery.log.log_waiting(job, objection)
                waits = waits or f"Job {job.id} is not taken yet: {objection}."
            elif await self._discovery.is_still_open(job.id):
                pauses.note("stakes", "")
                return job
        # While another job is under way, one that waits is no news.
        pauses.note("stakes", "" if running else waits)
        self.hindrance = HostUnavailable(waits) if waits else None
        return None

    async def _survey(self) -> StoreUsage | None:
        """Returns how much room disk and store have; None, logged, if they cannot take one more job."""
        try:
            await run_uninterrupted(self._context.workspace.require_free, self._context.disk_free_bytes)
            survey = await self._context.room.survey(self._context.store, self._context.attempts)
        except (HostUnavailable, StoreUnavailable) as error:
            self.hindrance = error
            self._context.pauses.note("machine", str(error))
            if self._is_new(f"{type(error).__name__}{self._started}"):
                log.warning("claiming_paused", reason=str(error))
            return None
        self._context.pauses.note("machine", "")
        return survey

    async def start(self, job: Job) -> Attempt:
        """Notes a new attempt at a job. Raises `HostUnavailable`."""
        self._started += 1
        attempt = await self._context.attempts.start(new_attempt(job, at=self._context.clock()))
        self._discovery.drop(job.id)
        self._exposure.note(attempt)
        return attempt

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Takes note of a stage at once: the next claim is judged by it."""
        self._exposure.note(after)
        if self._lacked_money and (after.stage is Stage.CLAIMED or after.stage.is_end):
            # Jobs were left for the money that was bound, or for a claim that was being made.
            self._stakes_at, self._lacked_money = -math.inf, False
        self._circuit_breaker.note(after)
        if after.stage in (Stage.FAILED, Stage.REFUSED, Stage.SUBMITTED):
            self._failures.note(after)
        self._rivals.note_stage(after)

    async def note_end(self, attempt: Attempt) -> None:
        """Takes note of an attempt that was submitted, or has ended before that. Raises `HostUnavailable`."""
        self._backoffs.note(attempt)
        await self._failures.record(attempt)

    async def _approve(self, attempt: Attempt) -> None:
        """Judges a job once more, right before its claim: other jobs may have failed since it was started."""
        if self.is_closed:
            raise JobLost("The worker claims no more jobs after a bug.")
        if objection := self._context.manners.objection:
            raise HostUnavailable(objection)
        if objection := self._failures.objection(attempt.asset_cid, attempt.creator):
            raise JobLost(f"The job is not claimed, since {objection}.")
        await self._circuit_breaker.require_healthy(self._context.renderer)

    def _may_try(self, job: Job) -> bool:
        """Whether it was not tried, or was lost before its claim, or nobody had its scene then."""
        if (known := self._context.attempts.of(job.id)) is None or not is_same(known, job):
            return job.id not in self._ruled_out
        is_absent = known.stage is Stage.REFUSED and known.code is Code.NOT_FOUND
        return is_absent or (known.stage is Stage.LOST and Stage.CLAIMED not in known.reached)

    def _note_read(self, jobs: Sequence[Job], now: int) -> None:
        """Counts pay that the journal has lost, and results of other workers."""
        self._rivals.note(jobs, now, is_news=self._has_begun)
        if not self.has_read_all:
            for job in jobs:
                self._exposure.note_job(job, self._context.registry.account)

    def _lasting_objection(self, job: Job) -> str:
        if objection := self._stakes.lasting_objection(job):
            self._lacked_money = True
            self._lacks_money(job, self._stakes.means_fri)
            return objection
        return self._scene_objection(job, canonical_asset(job))

    def _is_ruled_out(self, job: Job, examined: Collection[str]) -> bool:
        """Whether it cannot be started now, regardless of money."""
        asset_cid = canonical_asset(job)
        if objection := self._scene_objection(job, asset_cid):
            self._discovery.log.log_order(job, objection)
            if len(self._ruled_out) > MOST_RULED_OUT:
                self._ruled_out.clear()
            self._ruled_out.add(job.id)
            return True
        return asset_cid in examined or self._backoffs.is_skipped(asset_cid)

    def _scene_objection(self, job: Job, asset_cid: str) -> str:
        """Returns what is known against a scene that was met before."""
        if objection := self._failures.objection(asset_cid, job.order.creator):
            return objection
        if (known := self._context.scenes.known(asset_cid)) is None:
            return ""
        if objection := known.objection(job):
            return objection
        policy = self._context.policy.towards(self._stakes.is_backed(job))
        return policy.task_objection(job, known.task(job), self._context.speeds.pace(asset_cid))

    def _is_affordable(self, job: Job, funds: Funds) -> bool:
        """Whether there is money for the bond and for the fees of what follows."""
        is_short, needed = funds.wallet_fri < funds.reserve_fri, format_strk(funds.reserve_fri)
        short = (
            f"The wallet holds less than the {needed} that the moves after a claim may cost. Send it STRK."
        )
        self._context.pauses.note("fees", short if is_short else "")
        if is_short and self._is_new("fees"):
            log.warning("no_money_for_fees", job_id=job.id, needed=needed, remedy=_SEND_MONEY)
        return not is_short and not self._lacks_money(job, funds.means_fri)

    def _waiting_objection(self, job: Job, survey: StoreUsage) -> str:
        """Why the job has to wait, as one clause: for room for its result, or since its bond is a risk."""
        creator, reward_fri = job.order.creator, job.terms.reward_fri
        return (
            self._context.room.objection(survey, canonical_asset(job), creator, reward_fri)
            or self._stakes.lasting_objection(job)
            or self._stakes.passing_objection(job)
        )

    def _lacks_money(self, job: Job, means_fri: int) -> bool:
        """Whether there is no money for the bond at all; logged once."""
        if job.terms.bond_fri <= means_fri:
            return False
        if self._is_new("bond"):
            bond = format_strk(job.terms.bond_fri)
            log.warning("no_money_for_bond", job_id=job.id, bond=bond, remedy=_SEND_MONEY)
        return True

    async def _funds(self) -> Funds:
        return await self._context.registry.funds(self._context.registry.account)

    def _note_stakes(self, funds: Funds) -> None:
        self._stakes, self._stakes_at = self._exposure.stakes(funds), self._context.monotonic()
        self._discovery.log.job_fees_fri = funds.job_fees_fri

    def _rank(self, job: Job) -> tuple[Any, ...]:
        """Ranks creators of wasted jobs last, and those who have paid us first."""
        comes_last = self._backoffs.comes_last(job.order.creator)
        return comes_last, not self._stakes.is_backed(job), self._rivals.rank(job)

    def _in_turn(self, candidates: Sequence[Job]) -> Sequence[Job]:
        if self._started % TURN_EVERY != TURN_EVERY - 1:
            # A scene that is open saves its loading.
            opened = self._context.kept.assets
            return sorted(candidates, key=lambda job: canonical_asset(job) not in opened)
        return drawn_first(candidates, self._backoffs.comes_last)
