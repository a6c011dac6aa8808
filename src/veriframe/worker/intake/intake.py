"""Choosing the next job: what discovery found, less what failed here, is too risky or has to wait."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import structlog

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.stakes import Stakes
from veriframe.model.registry.job import Address, Job, format_strk
from veriframe.ports.registry import Funds, Snapshot
from veriframe.worker.context import WorkerContext
from veriframe.worker.intake.backoff import Backoffs
from veriframe.worker.intake.circuit_breaker import CircuitBreaker
from veriframe.worker.intake.discovery import Discovery
from veriframe.worker.intake.exposure import Exposure
from veriframe.worker.intake.failures import Failures, conditions
from veriframe.worker.reconciliation import canonical_asset
from veriframe.worker.recovery import remove_leftovers, restore_attempts
from veriframe.worker.reservations import StoreUsage

log = structlog.get_logger()

FUNDS_SECONDS = 60.0
"""The greatest age of the figures by which discovered jobs are judged."""

MOST_SIZES = 10_000
"""The most scenes whose picture sizes are remembered."""

TURN_EVERY = 3
"""Every third job is that of a randomly drawn creator: high offers cannot delay a low one for ever."""

_SEND_MONEY = "send the account some STRK"


class Intake:
    """The jobs of one worker account that are not started yet.

    `is_under_way(job_id)` says whether a job is being worked on now. All code that changes attempts must use
    this `context`: its `on_stage` notifies the intake. Call `begin` once before use.
    """

    def __init__(self, context: WorkerContext, *, is_under_way: Callable[[int], bool]) -> None:
        self.context = context = replace(context, on_stage=self._noting(context.on_stage))
        self._is_under_way = is_under_way
        # The jobs that were started, with their scenes: after a reorganisation another job may have the
        # number.
        self._started_scenes: dict[int, str] = {}
        self._logged: set[str] = set()
        self._circuit_breaker, self._backoffs = CircuitBreaker(context.monotonic), Backoffs(context.monotonic)
        self._discovery = Discovery(
            context.registry,
            context.policy,
            lambda job_id: job_id not in self._started_scenes,
            objection=self._lasting_objection,
            rank=self._rank,
            on_read=self._note_read,
            monotonic=context.monotonic,
        )
        self._sizes: dict[str, tuple[int, int]] = {}
        self._stakes, self._stakes_at = Stakes(free_fri=0), 0.0
        self._started, self._has_removed_leftovers = 0, False

    async def begin(self) -> None:
        """Reads what the journal knows. Raises `Unavailable`; may be repeated."""
        context = self.context
        facts = await context.renderer.facts()
        under = conditions(facts, context.policy.limits, context.scene_limits)
        self._failures = Failures(context.journal, under, context.clock)
        self._exposure = Exposure(context.journal, context.policy.stakes, context.clock)
        context.room.balance_fri = self._exposure.balance_fri
        attempts = context.journal.attempts()
        self._started_scenes = {
            known.job_id: known.asset_cid for known in attempts if not _was_too_slow(known)
        }
        await self._renew_stakes()
        _log_stakes(self._stakes)

    @property
    def has_seen_all(self) -> bool:
        """Whether the registry has no further jobs that could be started."""
        return self._discovery.has_seen_all

    async def poll(self, wanted: Collection[int]) -> tuple[Snapshot, bool]:
        """Polls the registry, also for the jobs `wanted`: see `Discovery.poll`."""
        if self.context.monotonic() - self._stakes_at > FUNDS_SECONDS:
            await self._renew_stakes()
        snapshot, news = await self._discovery.poll(wanted)
        if not self._has_removed_leftovers and self._discovery.has_read_all:
            await remove_leftovers(self.context)
            self._has_removed_leftovers = True
        return snapshot, news

    async def next_job(self) -> Job | None:
        """Returns the job to start now, read a moment ago; None if there is none. Raises `Unavailable`."""
        candidates = [job for job in self._discovery.candidates if not self._is_ruled_out(job)]
        if not candidates:
            return None
        await self._circuit_breaker.require_healthy(self.context.renderer)
        self.context.workspace.require_free(self.context.disk_free_bytes)
        funds = await self._renew_stakes()
        survey = await self.context.room.survey(self.context.store, self.context.journal)
        for job in self._in_turn(candidates):
            if (
                self._has_room(job, survey)
                and self._is_payable(job, funds)
                and await self._discovery.is_still_open(job.id)
            ):
                return job
        return None

    def note(self, attempt: Attempt) -> None:
        """Notes that an attempt has reached a stage."""
        self._started += attempt.stage is Stage.SEEN
        if attempt.width:
            self._sizes.pop(attempt.asset_cid, None)
            self._sizes[attempt.asset_cid] = attempt.width, attempt.height
            while len(self._sizes) > MOST_SIZES:
                del self._sizes[next(iter(self._sizes))]
        self._started_scenes[attempt.job_id] = attempt.asset_cid
        self._exposure.note(attempt)

    def note_end(self, attempt: Attempt) -> None:
        """Notes that an attempt was submitted, or has ended before that."""
        self._circuit_breaker.note(attempt)
        self._backoffs.note(attempt)
        self._failures.note(attempt)
        if _was_too_slow(attempt):
            self._started_scenes.pop(attempt.job_id, None)

    def _noting(self, on_stage: Callable[[Attempt, Attempt], None]) -> Callable[[Attempt, Attempt], None]:
        def note(before: Attempt, after: Attempt) -> None:
            self.note(after)
            on_stage(before, after)

        return note

    def _note_read(self, jobs: Sequence[Job], now: int) -> None:
        known = [job for job in jobs if job.id in self._started_scenes]
        for job in known:
            if self._started_scenes[job.id] != canonical_asset(job) and not self._is_under_way(job.id):
                restore_attempts([job], self.context, now)
                self._started_scenes.pop(job.id, None)
        # Only until all jobs were read once; after that, `Watch` sees what changes.
        if self._has_removed_leftovers:
            return
        account = self.context.registry.account
        ours = [*known, *(job for job in jobs if job.worker == account and job not in known)]
        restore_attempts([job for job in ours if not self._is_under_way(job.id)], self.context, now)
        for job in ours:
            self._exposure.note_job(job, account)

    def _lasting_objection(self, job: Job) -> str:
        if objection := self._stakes.lasting_objection(job):
            self._lacks_money(job, self._stakes.means_fri)
            return objection
        asset_cid = canonical_asset(job)
        size = self._sizes.get(asset_cid, (0, 0))
        return self._failures.objection(asset_cid, job.order.creator) or self._lease_objection(job, *size)

    def _is_ruled_out(self, job: Job) -> bool:
        """Whether it cannot be started now, regardless of money."""
        asset_cid = canonical_asset(job)
        size = self._sizes.get(asset_cid, (0, 0))
        objection = self._failures.objection(asset_cid, job.order.creator) or self._lease_objection(
            job, *size
        )
        if objection:
            self._discovery.log.log_order(job, objection)
            self._started_scenes[job.id] = asset_cid
            return True
        return self._backoffs.is_skipped(asset_cid)

    def _lease_objection(self, job: Job, width: int, height: int) -> str:
        """Returns why its lease is too short for its scene, if that was inspected before."""
        return self.context.policy.lease_objection(job, width, height) if width else ""

    def _is_payable(self, job: Job, funds: Funds) -> bool:
        """Whether bond and fees are within our means, and the bond is worth its risk."""
        if funds.wallet_fri < funds.reserve_fri:
            if self._is_new("fees"):
                needed = format_strk(funds.reserve_fri)
                log.warning("no_money_for_fees", job_id=job.id, needed=needed, remedy=_SEND_MONEY)
            return False
        if self._lacks_money(job, funds.means_fri):
            return False
        objection = self._stakes.lasting_objection(job) or self._stakes.passing_objection(job)
        if objection:
            self._discovery.log.log_waiting(job, objection)
        return not objection

    def _has_room(self, job: Job, survey: StoreUsage) -> bool:
        """Whether its result may have room in the store, as far as that is known."""
        creator = job.order.creator
        asset_cid, reward_fri = canonical_asset(job), job.terms.reward_fri
        objection = self.context.room.objection(survey, asset_cid, creator, reward_fri)
        if objection:
            self._discovery.log.log_waiting(job, objection)
        return not objection

    def _lacks_money(self, job: Job, means_fri: int) -> bool:
        """Whether there is no money for the bond at all; logged once."""
        if job.terms.bond_fri <= means_fri:
            return False
        if self._is_new("bond"):
            bond = format_strk(job.terms.bond_fri)
            log.warning("no_money_for_bond", job_id=job.id, bond=bond, remedy=_SEND_MONEY)
        return True

    def _is_new(self, what: str) -> bool:
        """Whether this was not logged yet."""
        if len(self._logged) > 1_000:
            self._logged.clear()
        is_new = what not in self._logged
        self._logged.add(what)
        return is_new

    async def _renew_stakes(self) -> Funds:
        registry = self.context.registry
        funds = await registry.funds(registry.account)
        self._stakes, self._stakes_at = self._exposure.stakes(funds), self.context.monotonic()
        return funds

    def _rank(self, job: Job) -> tuple[Any, ...]:
        """Ranks creators of wasted jobs last, and those who have paid us first."""
        return self._backoffs.comes_last(job.order.creator), not self._stakes.is_backed(job)

    def _in_turn(self, candidates: Sequence[Job]) -> Sequence[Job]:
        if self._started % TURN_EVERY != TURN_EVERY - 1:
            return candidates
        best = dict[Address, Job]()
        for job in candidates:
            if not self._backoffs.comes_last(job.order.creator):
                best.setdefault(job.order.creator, job)
        # Neither an early job nor a high offer makes a creator the first of these.
        drawn = secrets.SystemRandom().sample(list(best.values()), len(best))
        return [*drawn, *(job for job in candidates if job not in drawn)]


def _was_too_slow(attempt: Attempt) -> bool:
    """Whether it was lost before a claim: if the faster worker fails, the job counts as new."""
    return attempt.stage is Stage.LOST and Stage.CLAIMED not in attempt.reached


def _log_stakes(stakes: Stakes) -> None:
    log.info(
        "stakes",
        means=format_strk(stakes.means_fri),
        bound=format_strk(stakes.bound_fri),
        largest_bond=format_strk(stakes.largest_bond_fri),
        loss_budget=format_strk(stakes.loss_budget_fri),
        loss_budget_used=format_strk(stakes.charged_fri),
        job_fees=format_strk(stakes.job_fees_fri),
    )
