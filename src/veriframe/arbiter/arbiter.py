"""The arbiter: takes the disputes that name its account, the most urgent first, and has them judged.

A decision is noted before its report is published, and the report before the verdict is sent. After a kill at
any point, the next run carries out what is noted; it never sends another verdict.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from veriframe.arbiter.decisions import Decision, Decisions
from veriframe.arbiter.docket import Docket
from veriframe.arbiter.judge import Judge, Judgement
from veriframe.arbiter.outcome import OnOutcome, Outcome, OutcomeKind
from veriframe.errors import (
    JobError,
    MoveRefused,
    OutputGone,
    SettingsError,
    StoreUnavailable,
    Unavailable,
    VeriFrameError,
)
from veriframe.model.quantities import format_span
from veriframe.model.registry.job import Job, JobState
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.registry.pin_names import PinNames
from veriframe.ports.registry import FullRegistry, read_job
from veriframe.ports.store import ContentStore
from veriframe.retry import retrying
from veriframe.threads import run_briefly

log = structlog.get_logger()

_TURNS: tuple[Callable[[Job], int], ...] = (
    lambda job: job.arbitration_end,
    lambda job: -job.terms.bond_fri,
    lambda job: job.arbitration_end,
    lambda job: job.disputed_block,
)
"""By what the next dispute is chosen, in turn: the end of its arbitration, its bond, the same, its age.

Whoever is both parties can make disputes without end that are urgent and old, for the fees alone; one with
a higher bond than an honest one's binds as much money.
"""

Dispute = tuple[int, str]
"""A disputed job and its result: what a decision is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArbiterOptions:
    """How an arbiter works. `only`: the one job to decide. `is_dry`: nothing is noted, published or sent.

    `dispute_seconds`: how long an examination may take, unless it is that of the only job.
    """

    poll_seconds: float
    idle_seconds: float
    dispute_seconds: float
    only: int | None = None
    is_dry: bool = False


class Arbiter:
    """Decides the disputes of one account. Everything that becomes of them is passed to `tell`."""

    def __init__(  # noqa: PLR0913 - its parts
        self,
        *,
        registry: FullRegistry,
        store: ContentStore,
        judge: Judge,
        decisions: Decisions,
        options: ArbiterOptions,
        tell: OnOutcome,
    ) -> None:
        self._registry, self._store, self._judge = registry, store, judge
        self._decisions, self._options, self._tell = decisions, options, tell
        self._docket = Docket(registry, registry.account)
        self._settled: set[Dispute] = set()
        """What this run has told and does not try again."""
        self._resolved: dict[Dispute, int] = {}
        """When verdicts arrived, in chain seconds."""
        self._waiting: set[Dispute] = set()
        self._cut: dict[Dispute, int] = {}
        """How often an examination took longer than it may. The next one may take twice as long."""
        self._turns, self._once = 0, False

    async def run(self, *, once: bool) -> None:
        """Serve disputes until cancelled; with `once` until none is left that can be decided now or soon.

        Raises `SettingsError`, also if the only job is no dispute of this account.
        """
        self._once = once
        if self._options.only is not None:
            await retrying(self._require_dispute)
        while True:
            is_waiting = await retrying(self._round)
            if once and not is_waiting:
                return
            await asyncio.sleep(self._options.poll_seconds if is_waiting else self._options.idle_seconds)

    async def _require_dispute(self) -> None:
        job = await read_job(self._registry, self._options.only or 0)
        if job.terms.arbiter != self._registry.account:
            raise SettingsError(f"Job {job.id} names another arbiter, or none. Nothing is to be decided.")
        if job.state is not JobState.DISPUTED:
            raise SettingsError(f"Job {job.id} is {job.state}, not disputed. Nothing is to be decided.")

    async def _round(self) -> bool:
        """Try each dispute once. Returns whether some wait for the block from which samples are drawn.

        Raises `Unavailable` if some could not be served now, after all others were tried.
        """
        tried, is_waiting = set[int](), False
        failure: Unavailable | None = None
        # Listed again after each one: a judgement takes minutes, and what is urgent may have changed.
        while (job := await self._next(tried)) is not None:
            tried.add(job.id)
            try:
                is_waiting |= not await self._serve(job.id)
            except Unavailable as error:
                log.warning("dispute_put_off", job_id=job.id, reason=str(error))
                failure = failure or error
        if failure is not None:
            raise failure
        return is_waiting

    async def _next(self, tried: set[int]) -> Job | None:
        """The most urgent dispute that is left, or the one that has waited longest."""
        only = self._options.only
        left = [
            job
            for job in await self._docket.read()
            if job.id not in tried and _key(job) not in self._settled and only in (None, job.id)
        ]
        if not left:
            return None
        turn, self._turns = _TURNS[self._turns % len(_TURNS)], self._turns + 1
        # Of those that took too long, none before one that was not tried.
        return min(left, key=lambda job: (self._cut.get(_key(job), 0), turn(job), job.id))

    async def _serve(self, job_id: int) -> bool:
        """Bring one dispute as far as it goes now. Returns False if its block does not exist yet."""
        status = await self._status(job_id)
        if status is None or self._was_resolved(status):
            return True
        job, decision = status.job, await run_briefly(self._decisions.read, status.job)
        if decision is None or self._options.is_dry:
            seed_block = job.disputed_block + 1
            if await self._registry.block_hash(seed_block) is None:
                self._say_waiting(job, seed_block)
                return False
            judgement = await self._judged(status, seed_block)
            if self._options.is_dry or judgement.verdict is None:
                self._end_without_verdict(status, judgement)
                return True
            decision = Decision(
                job_id=job.id,
                result_cid=job.result_cid,
                verdict=judgement.verdict,
                reason=judgement.reason,
                report=judgement.report,
            )
            await run_briefly(self._decisions.note, decision)
            log.info("dispute_decided", job_id=job.id, verdict=decision.verdict, reason=decision.reason)
        await self._carry_out(decision)
        return True

    async def _carry_out(self, decision: Decision) -> None:
        """Publish the report, note its CID, and send the verdict unless the job is over."""
        report_cid = await run_briefly(self._decisions.published, decision)
        if report_cid is None:
            file = await run_briefly(self._decisions.report_file, decision)
            names = PinNames(await self._registry.identity(), self._registry.account)
            try:
                report_cid = await self._store.add(file, names.evidence(decision.job_id))
            except JobError as error:
                raise StoreUnavailable(str(error)) from error
            await run_briefly(self._decisions.note_published, decision, report_cid)
        status = await self._status(decision.job_id)
        if status is None:
            return
        try:
            await self._registry.resolve_dispute(decision.job_id, decision.verdict, report_cid)
        except MoveRefused as error:
            log.warning("verdict_refused", job_id=decision.job_id, rule=error.rule, reason=str(error))
            self._settle(Outcome(kind=OutcomeKind.REFUSED, status=status, reason=str(error)))
            return
        after = await self._read(decision.job_id)
        self._resolved[_key(status.job)] = after.now
        log.info(
            "dispute_resolved",
            job_id=decision.job_id,
            verdict=decision.verdict,
            report=report_cid,
            reason=decision.reason,
        )
        self._tell(
            Outcome(
                kind=OutcomeKind.RESOLVED,
                status=status,
                verdict=decision.verdict,
                reason=decision.reason,
                report_cid=report_cid,
                after=after,
            )
        )

    async def _judged(self, status: JobStatus, seed_block: int) -> Judgement:
        """Have a dispute judged while its arbitration lasts. One that defeats the judge is undecided."""
        job, left = status.job, _seconds_left(status)
        longest = self._options.dispute_seconds * 2 ** self._cut.get(_key(job), 0)
        log.info("dispute_taken", job_id=job.id, block=seed_block, seconds_left=left)
        is_cut = self._options.only is None and longest < left
        limit = asyncio.timeout(longest if is_cut else left)
        try:
            async with limit:
                return await self._judge.judge(job, seed_block)
        except (Unavailable, SettingsError, OutputGone):
            raise
        except VeriFrameError as error:
            return Judgement(verdict=None, reason=str(error), report=b"")
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():
                reason = "The arbitration ended meanwhile."
                if is_cut:
                    self._cut[_key(job)] = self._cut.get(_key(job), 0) + 1
                    reason = (
                        f"Its examination takes longer than {format_span(round(longest))} (dispute_seconds). "
                        f"Without this limit: veriframe arbiter --job {job.id}."
                    )
                    if not self._once:
                        raise Unavailable(reason) from None
                return Judgement(verdict=None, reason=reason, report=b"")
            # One hostile result must not keep all other disputes from being judged.
            log.exception("judge_failed", job_id=job.id)
            reason = "The examination failed by an error of this program; the log has it."
            return Judgement(verdict=None, reason=reason, report=b"")

    async def _status(self, job_id: int) -> JobStatus | None:
        """The present status of a dispute that can still be decided; None, after telling so, if it cannot."""
        status = await self._read(job_id)
        if status.job.state is JobState.DISPUTED and _seconds_left(status) > 0:
            return status
        if _key(status.job) in self._resolved:
            # By our own verdict, which was told, and which a reorganisation may still undo.
            return None
        log.info("dispute_over", job_id=job_id, state=status.job.state)
        self._settle(Outcome(kind=OutcomeKind.OVER, status=status))
        return None

    async def _read(self, job_id: int) -> JobStatus:
        snapshot = await self._registry.snapshot(job_id, 1)
        for job in snapshot.jobs:
            return JobStatus(job, snapshot.head.time)
        raise Unavailable(f"The registry does not show job {job_id} now. A node may lag.")

    def _was_resolved(self, status: JobStatus) -> bool:
        """Whether a node shows the job as it was before the verdict. Later a reorganisation has undone it."""
        return status.now <= self._resolved.get(_key(status.job), -1)

    def _say_waiting(self, job: Job, seed_block: int) -> None:
        if _key(job) not in self._waiting:
            self._waiting.add(_key(job))
            log.info("dispute_waits", job_id=job.id, block=seed_block)

    def _end_without_verdict(self, status: JobStatus, judgement: Judgement) -> None:
        job, verdict = status.job, judgement.verdict
        if verdict is None:
            left = _seconds_left(status)
            log.warning("dispute_undecided", job_id=job.id, reason=judgement.reason, seconds_left=left)
        kind = OutcomeKind.UNDECIDED if verdict is None else OutcomeKind.JUDGED
        self._settle(Outcome(kind=kind, status=status, verdict=verdict, reason=judgement.reason))

    def _settle(self, outcome: Outcome) -> None:
        self._settled.add(_key(outcome.status.job))
        self._tell(outcome)


def _key(job: Job) -> Dispute:
    return job.id, job.result_cid


def _seconds_left(status: JobStatus) -> int:
    """The seconds until the end of the arbitration, by the registry's time."""
    return status.job.arbitration_end - status.now
