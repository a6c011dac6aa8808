"""What the worker logs: a line for each stage, and one summary line for each finished attempt."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import structlog

from veriframe.model.attempt.attempt import Attempt
from veriframe.model.registry.job import Job, format_address, format_strk
from veriframe.model.rendering.frames import Progress
from veriframe.model.text import printable
from veriframe.ports.store import Transfer

log = structlog.get_logger()

PROGRESS_SECONDS = 5.0
"""Between two progress lines of one render, or of one transfer."""


def stage_reached(before: Attempt, after: Attempt) -> None:
    """Logs a stage, with the seconds since the one before; and the summary line at an end."""
    started = before.reached.get(before.stage, after.reached[after.stage])
    say = log.warning if after.code is not None else log.info
    why = {"code": after.code, "reason": after.detail} if after.code is not None else {}
    say(
        "stage_reached",
        job_id=after.job_id,
        stage=after.stage,
        seconds=round(after.reached[after.stage] - started, 3),
        **why,
    )
    if after.stage.is_end:
        attempt_finished(after)


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
    """Logs one line for each order, whatever the number of its jobs, and limits the rate of lines."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives monotonic seconds."""
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
            "asset_cid": printable(order.asset_cid, 128),
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


class ProgressLog:
    """Logs the progress of renders, with a limited rate of lines for each job."""

    def __init__(self) -> None:
        self._logged: dict[int, float] = {}

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Logs the progress if the last line about this job is old enough."""
        now = time.monotonic()
        if now - self._logged.get(job_id, 0.0) < PROGRESS_SECONDS:
            return
        self._logged[job_id] = now
        log.info(
            "render_progress",
            job_id=job_id,
            phase=progress.phase,
            percent=None if progress.fraction is None else round(100 * progress.fraction),
            seconds=progress.seconds,
            memory_bytes=progress.memory_bytes,
        )


class TransferLog:
    """Logs one transfer of a job, a scene or a picture: a line at its start, then with a limited rate.

    The store itself logs the end.
    """

    def __init__(self, job_id: int, what: str) -> None:
        self._job_id, self._what = job_id, what
        self._started = self._logged = time.monotonic()
        log.info("transfer_started", job_id=job_id, what=what)

    def on_transfer(self, transfer: Transfer) -> None:
        """Logs the progress if the last line is old enough."""
        now = time.monotonic()
        if now - self._logged < PROGRESS_SECONDS:
            return
        self._logged = now
        total_bytes = transfer.total_bytes
        log.info(
            "transfer_progress",
            job_id=self._job_id,
            what=self._what,
            size_bytes=transfer.done_bytes,
            percent=round(100 * transfer.done_bytes / total_bytes) if total_bytes else None,
            seconds=round(now - self._started, 3),
            megabytes_per_second=round(transfer.done_bytes / 1e6 / (now - self._started), 1),
        )
