"""What the worker logs: a line for each stage, and one summary line for each finished attempt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import pairwise

import structlog

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.stakes import Stakes
from veriframe.model.content.cid import canonical_or_same
from veriframe.model.quantities import format_strk
from veriframe.model.registry.job import Job, format_address
from veriframe.model.rendering.frames import Progress
from veriframe.model.text import printable
from veriframe.ports.store import Transfer
from veriframe.worker.listener import SCENE, Listener

log = structlog.get_logger()

MOST_SAID = 1_000
"""The most texts that `Once` remembers."""

PROGRESS_SECONDS = 5.0
"""Between two progress lines of one render, or of one transfer."""


def stage_reached(before: Attempt, after: Attempt) -> None:
    """Logs a stage, with the seconds since the one before; and the summary line at an end."""
    started = before.reached.get(before.stage, after.reached[after.stage])
    say = log.warning if after.code is not None else log.info
    why = {"code": after.code, "reason": after.detail} if after.code is not None else {}
    if after.stage is Stage.CLAIMED:
        why = {"reward": format_strk(after.reward_fri), "bond": format_strk(after.bond_fri)}
    say(
        "stage_reached",
        job_id=after.job_id,
        stage=after.stage,
        seconds=round(after.reached[after.stage] - started, 3),
        **why,
    )
    if after.stage.is_end:
        attempt_finished(after)


def worker_stopped(live: Iterable[Attempt], busy_percent: float) -> None:
    """Logs the end of a run, and what the next one goes on with."""
    stages = [attempt.stage for attempt in live]
    log.info(
        "worker_stopped",
        claimed=sum(stage.holds_claim for stage in stages),
        in_review=stages.count(Stage.SUBMITTED),
        busy_percent=busy_percent,
    )


def stakes_renewed(stakes: Stakes) -> None:
    """Logs what the account has, and what of it may be lost."""
    log.info(
        "stakes",
        means=format_strk(stakes.means_fri),
        bound=format_strk(stakes.bound_fri),
        largest_bond=format_strk(stakes.largest_bond_fri),
        loss_budget=format_strk(stakes.loss_budget_fri),
        loss_budget_used=format_strk(stakes.charged_fri),
        job_fees=format_strk(stakes.job_fees_fri),
    )


def attempt_finished(attempt: Attempt) -> None:
    """Logs the summary line: everything that is known of an attempt, once."""
    log.info(
        "attempt_finished",
        job_id=attempt.job_id,
        stage=attempt.stage,
        code=attempt.code,
        reason=attempt.detail or None,
        reward=format_strk(attempt.reward_fri),
        fees=format_strk(attempt.fees_fri),
        lost=format_strk(attempt.lost_fri),
        earned=format_strk(attempt.earned_fri),
        asset_cid=attempt.asset_cid,
        result_cid=attempt.result_cid or None,
        stage_seconds=stage_seconds(attempt),
    )


def stage_seconds(attempt: Attempt) -> dict[str, float]:
    """Returns the seconds that each stage took after the one before, by the wall clock."""
    # In the journal's order, not by time: a clock that was set back must not mix up the stages.
    return {
        stage.value: round(at - before, 3) for (_, before), (stage, at) in pairwise(attempt.reached.items())
    }


MOST_ORDERS = 10_000
"""The most orders for which the last line is remembered."""
MOST_LINES, LINE_SECONDS = 200, 10.0
"""The most lines about discovered orders at once, and the interval of one more line after that."""


class DiscoveryLog:
    """Logs one line for each order, whatever the number of its jobs, and limits the rate of lines.

    `job_fees_fri` are the expected fees of one job's moves.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives monotonic seconds."""
        self.job_fees_fri = 0
        self._clock = clock
        self._logged: dict[int, str] = {}
        self._lines, self._at, self._suppressed = float(MOST_LINES), clock(), 0

    def log_order(self, job: Job, objection: str) -> None:
        """Logs that a job is open, or why it is skipped: once for its order, again if the reason changes."""
        order = job.order
        if self._logged.get(order.id) == objection:
            return
        self._logged[order.id] = objection
        while len(self._logged) > MOST_ORDERS:
            del self._logged[next(iter(self._logged))]
        if not self._may_write():
            self._suppressed += 1
            return
        facts = {
            "job_id": job.id,
            "order_id": order.id,
            "jobs": order.jobs,
            "creator": format_address(order.creator),
            "reward": format_strk(job.terms.reward_fri),
            "fees": format_strk(self.job_fees_fri),
            "bond": format_strk(job.terms.bond_fri),
            # As in all other lines, whatever spelling the creator chose.
            "asset_cid": printable(canonical_or_same(order.asset_cid), 128),
        }
        if self._suppressed:
            log.info(
                "orders_suppressed", orders=self._suppressed, reason="there were too many for a line each"
            )
            self._suppressed = 0
        if objection:
            log.info("job_left", **facts, reason=objection)
        else:
            log.info("job_discovered", **facts)

    def log_waiting(self, job: Job, objection: str) -> None:
        """Logs why a job has to wait; once for its order, even if figures in the reason change."""
        # A reason ends with the setting that decides, if one does; the text before it may contain figures.
        key = f"waits {objection.rpartition('(')[2]}"
        if self._logged.get(-job.order.id) == key:
            return
        self._logged[-job.order.id] = key
        if self._may_write():
            log.info("job_waits", job_id=job.id, order_id=job.order.id, reason=objection)
        else:
            self._suppressed += 1

    def forget(self, job: Job) -> None:
        """Forgets a job that is not open: if its order has no other jobs, it is logged when open again."""
        if job.order.jobs == 1:
            self._logged.pop(job.order.id, None)

    def _may_write(self) -> bool:
        now = self._clock()
        self._lines = min(MOST_LINES, self._lines + (now - self._at) / LINE_SECONDS)
        self._at = now
        if self._lines < 1:
            return False
        self._lines -= 1
        return True


class WorkerLog(Listener):
    """Logs what a worker does. Progress and waits of one job are a line every few seconds at most."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._logged: dict[tuple[int, str], float] = {}
        self._began: dict[tuple[int, str], tuple[float, int]] = {}
        self._waits: dict[int, tuple[str, float]] = {}

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Logs a stage, and the summary line at an end."""
        stage_reached(before, after)
        if after.stage.is_end or after.stage is Stage.SUBMITTED:
            self._waits.pop(after.job_id, None)
            for kept in (self._logged, self._began):
                for key in [key for key in kept if key[0] == after.job_id]:
                    del kept[key]

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Logs the progress of a render."""
        if not self._is_time((job_id, "render")):
            return
        log.info(
            "render_progress",
            job_id=job_id,
            phase=progress.phase,
            frame=progress.frame,
            frames_done=progress.done,
            frames=progress.total,
            percent=None if progress.fraction is None else round(100 * progress.fraction),
            seconds=progress.seconds,
            memory_bytes=progress.memory_bytes,
        )

    def on_transfer(self, job_id: int, what: str, transfer: Transfer) -> None:
        """Logs the start of a transfer, and its progress. The store itself logs the end."""
        key, now = (job_id, what), self._clock()
        if key not in self._began:
            self._began[key] = now, transfer.done_bytes
            self._logged[key] = now
            log.info("transfer_started", job_id=job_id, what=what)
        elif self._is_time(key):
            began, before = self._began[key]
            total, seconds = transfer.total_bytes, now - began
            log.info(
                "transfer_progress",
                job_id=job_id,
                what=what,
                size_bytes=transfer.done_bytes,
                percent=round(100 * transfer.done_bytes / total) if total else None,
                seconds=round(seconds, 3),
                megabytes_per_second=round((transfer.done_bytes - before) / 1e6 / seconds, 1),
            )

    def on_wait(self, job_id: int, what: str) -> None:
        """Logs what a job waits for, and when it goes on. Waits for a turn are ordinary."""
        now = self._clock()
        what_before, since = self._waits.pop(job_id, ("", now))
        if what:
            self._waits[job_id] = what, now
        say = log.info if SCENE in (what, what_before) else log.debug
        if what:
            say("job_waits_for", job_id=job_id, what=what)
        elif what_before:
            say("job_continues", job_id=job_id, what=what_before, seconds=round(now - since, 3))

    def _is_time(self, key: tuple[int, str]) -> bool:
        """Whether the last line about this is old enough."""
        now = self._clock()
        if now - self._logged.get(key, -PROGRESS_SECONDS) < PROGRESS_SECONDS:
            return False
        self._logged[key] = now
        return True


class Once:
    """Whether something is said for the first time, as far as that is remembered."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, what: str) -> bool:
        """Returns True the first time."""
        if len(self._said) > MOST_SAID:
            self._said.clear()
        is_new = what not in self._said
        self._said.add(what)
        return is_new
