"""What the worker tells its log: each stage as it is reached, one whole line for each finished attempt."""

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
    """One line for a stage, with the seconds since the one before; and the canonical line at an end."""
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
    """The canonical line: all that is known of an attempt, once."""
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
    """For each stage that was reached, how long it took since the one before, by the wall clock."""
    # In the order of the journal and not of the times: a clock that was set back must not mix the stages.
    return {
        stage.value: round(at - before, 3) for (_, before), (stage, at) in pairwise(attempt.reached.items())
    }


MOST_ORDERS = 10_000
"""Orders of which it is remembered what was told."""
MOST_LINES, LINE_SECONDS = 200, 10.0
"""So many lines about strangers' orders at once, and one more every ten seconds."""


class DiscoveryLog:
    """A line for each order, whatever the number of its jobs; no more lines than a disk can bear."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds that only go on."""
        self._clock = clock
        self._told: dict[int, str] = {}
        self._lines, self._at, self._untold = float(MOST_LINES), clock(), 0

    def tell(self, job: Job, objection: str) -> None:
        """A job is open, and why it is left; once for its order, and again where the reason changes."""
        order = job.order
        if self._told.get(order.id) == objection:
            return
        self._told[order.id] = objection
        while len(self._told) > MOST_ORDERS:
            del self._told[next(iter(self._told))]
        if not self._may_write():
            self._untold += 1
            return
        facts = {
            "job_id": job.id,
            "order_id": order.id,
            "jobs": order.jobs,
            "creator": format_address(order.creator),
            "reward": format_strk(job.terms.reward_fri),
            "asset_cid": printable(order.asset_cid, 128),
        }
        if self._untold:
            log.info("orders_untold", orders=self._untold, reason="there were too many to tell each")
            self._untold = 0
        if objection:
            log.info("job_left", **facts, reason=objection)
        else:
            log.info("job_discovered", **facts)

    def tell_waiting(self, job: Job, objection: str) -> None:
        """A job would be taken, but for now; once for its order, whatever figures change meanwhile."""
        # A reason ends with the setting that decides, where one does; what stands before it may be figures.
        key = f"waits {objection.rpartition('(')[2]}"
        if self._told.get(-job.order.id) == key:
            return
        self._told[-job.order.id] = key
        if self._may_write():
            log.info("job_waits", job_id=job.id, order_id=job.order.id, reason=objection)
        else:
            self._untold += 1

    def forget(self, job: Job) -> None:
        """A job is not open: an order of this one alone is news when it comes free again."""
        if job.order.jobs == 1:
            self._told.pop(job.order.id, None)

    def _may_write(self) -> bool:
        now = self._clock()
        self._lines = min(MOST_LINES, self._lines + (now - self._at) / LINE_SECONDS)
        self._at = now
        if self._lines < 1:
            return False
        self._lines -= 1
        return True


class ProgressLog:
    """Progress of renders, a line for each job now and then."""

    def __init__(self) -> None:
        self._told: dict[int, float] = {}

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Tell it where the last line about this job is old enough."""
        now = time.monotonic()
        if now - self._told.get(job_id, 0.0) < PROGRESS_SECONDS:
            return
        self._told[job_id] = now
        log.info(
            "render_progress",
            job_id=job_id,
            phase=progress.phase,
            percent=None if progress.fraction is None else round(100 * progress.fraction),
            seconds=progress.seconds,
            memory_bytes=progress.memory_bytes,
        )


class TransferLog:
    """One transfer of a job, `what` being a scene or a picture: a line at its start, and one now and then.

    The store itself tells the end.
    """

    def __init__(self, job_id: int, what: str) -> None:
        self._job_id, self._what = job_id, what
        self._started = self._told = time.monotonic()
        log.info("transfer_started", job_id=job_id, what=what)

    def on_transfer(self, transfer: Transfer) -> None:
        """Tell it where the last line is old enough."""
        now = time.monotonic()
        if now - self._told < PROGRESS_SECONDS:
            return
        self._told = now
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
