"""Keeps the overview of a running worker, as one of its listeners."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from veriframe.model.attempt.attempt import Attempt
from veriframe.model.rendering.frames import Progress
from veriframe.model.text import printable
from veriframe.ports.store import Transfer
from veriframe.worker.listener import Listener
from veriframe.worker.overview.overview import (
    Happening,
    JobAtWork,
    Overview,
    Who,
    jobs_at_work,
    rewards_due,
    sums_of_day,
)
from veriframe.worker.overview.sentences import log_sentence, stage_sentence, without_figures

EVENTS = 50
"""The most events that are kept."""

AGAIN_SECONDS = 600.0
"""How long the same line of the log is not told again."""

KEPT_SECONDS = 2 * 86400.0
"""How long attempts are kept after their end."""

LEAST_SHARE = 0.02
"""How much of a render must be done before its time left is estimated."""

SENTENCE = 400
"""The most characters of one event or reason."""


@dataclass(slots=True)
class _Step:
    """What is known of a job's present step."""

    began: float | None = None
    done_before: int = 0
    progress: Progress | None = None
    transfer: Transfer | None = None
    waits_for: str = ""
    waits_since: float = 0.0


@dataclass
class Observer(Listener):
    """Keeps the overview of one worker. `on_event` receives each event as it happens.

    `clock` gives Unix seconds, `busy_percent` how busy the renderers were so far.
    """

    who: Who
    clock: Callable[[], float] = time.time
    busy_percent: Callable[[], float | None] = lambda: None
    on_event: Callable[[Happening], None] = lambda happening: None
    has_changed: bool = True
    is_stopping: bool = False
    _attempts: dict[int, Attempt] = field(default_factory=dict)
    _steps: dict[int, _Step] = field(default_factory=dict)
    _idle: str = ""
    _idle_since: float = 0.0

    def __post_init__(self) -> None:
        self._started_at = self.clock()
        self._logged: dict[str, float] = {}
        self._happened: deque[Happening] = deque(maxlen=EVENTS)

    def on_attempt(self, attempt: Attempt) -> None:
        """Takes in an attempt, and says if its result is disputed now.

        Only those of the last two days, or under way, are kept.
        """
        before = self._attempts.get(attempt.number)
        self._keep(attempt)
        if attempt.is_disputed and before is not None and not before.is_disputed:
            self.say(
                f"job {attempt.job_id}: its creator disputes the result; the arbiter decides", is_bad=True
            )

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Notes a stage, and says what was done."""
        self._keep(after)
        self._steps.pop(after.job_id, None)
        self.say(f"job {after.job_id}: {stage_sentence(before, after)}", is_bad=after.code is not None)

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Notes the progress of a render."""
        step = self._step(job_id)
        if step.began is None:
            step.began, step.done_before = self.clock(), progress.done
        step.progress = progress

    def on_transfer(self, job_id: int, what: str, transfer: Transfer) -> None:
        """Notes the progress of a transfer."""
        self._step(job_id).transfer = transfer

    def on_wait(self, job_id: int, what: str) -> None:
        """Notes what a job waits for, and since when."""
        step, what = self._step(job_id), printable(what, SENTENCE)
        if what != step.waits_for:
            step.waits_for, step.waits_since = what, self.clock()

    def on_idle(self, reason: str) -> None:
        """Notes why nothing is claimed, and says so."""
        before, self._idle = self._idle, printable(reason, SENTENCE)
        # Figures of the same reason, such as free bytes, change all the time.
        if without_figures(self._idle) == without_figures(before):
            self.has_changed |= self._idle != before
            return
        if not before:
            self._idle_since = self.clock()
        if self._idle and not self.is_stopping:
            self.say(f"nothing is claimed now: {self._idle}", is_bad=True)
        elif before and not self.is_stopping:
            self.say("jobs are claimed again")

    def introduce(self, who: Who) -> None:
        """Takes in what became known of the worker."""
        self.who, self.has_changed = who, True

    def stop(self) -> None:
        """Notes that the worker is told to stop, and says what it waits for."""
        self.is_stopping = True
        claimed = [str(a.job_id) for a in self._attempts.values() if a.stage.holds_claim]
        first = f"job {', '.join(claimed)} is finished first" if claimed else "no claimed job is left"
        self.say(f"told to stop: nothing more is claimed, {first}")

    def end_once(self) -> None:
        """Says that a worker with `--once` has nothing left to do, and what is in review."""
        due = rewards_due(self._attempts.values())
        at = max((one.due_at for one in due), default=0)
        by = f", due by {datetime.fromtimestamp(at).astimezone():%H:%M}" if at else ""
        self.say("no open job is left" + (f"; {len(due)} in review{by}" if due else ""))

    def on_log(self, level: str, event: Mapping[str, object]) -> None:
        """Says what a line of the log means, if it is for people and was not said a moment ago."""
        text, now = log_sentence(level, event), self.clock()
        self._logged = {told: at for told, at in self._logged.items() if at > now - AGAIN_SECONDS}
        # A job or an endpoint with another number is another one; in a reason, figures change all the time.
        reason = without_figures(str(event.get("reason", "")))
        key = f"{text.replace(str(event.get('reason', '')), '')} {reason}" if reason else text
        if text and key not in self._logged:
            self._logged[key] = now
            self.say(text, is_bad=level != "info")

    def say(self, text: str, *, is_bad: bool = False) -> None:
        """Adds an event."""
        happening = Happening(at=self.clock(), text=printable(text, SENTENCE), is_bad=is_bad)
        self._happened.append(happening)
        self.has_changed = True
        self.on_event(happening)

    def overview(self) -> Overview:
        """Returns the present overview."""
        now = self.clock()
        self._attempts = {number: a for number, a in self._attempts.items() if not _is_old(a, now)}
        attempts = list(self._attempts.values())
        return Overview(
            who=self.who,
            now=now,
            started_at=self._started_at,
            busy_percent=self.busy_percent(),
            is_stopping=self.is_stopping,
            idle=self._idle,
            idle_since=self._idle_since,
            jobs=[self._with_step(job, now) for job in jobs_at_work(attempts)],
            happened=list(self._happened),
            today=sums_of_day(attempts, now),
            due=rewards_due(attempts),
        )

    def _keep(self, attempt: Attempt) -> None:
        self.has_changed = True
        if not _is_old(attempt, self.clock()):
            self._attempts[attempt.number] = attempt

    def _step(self, job_id: int) -> _Step:
        self.has_changed = True
        return self._steps.setdefault(job_id, _Step())

    def _with_step(self, job: JobAtWork, now: float) -> JobAtWork:
        step = self._steps.get(job.job_id)
        if step is None:
            return job
        if step.waits_for:
            job = replace(job, waits_for=step.waits_for, waits_since=step.waits_since)
        if step.progress is not None and step.began is not None:
            return _rendering(job, step.progress, now - step.began, step.done_before)
        if step.transfer is not None:
            done, total = step.transfer.done_bytes, step.transfer.total_bytes
            return replace(job, share=done / total if total else None, done_bytes=done, total_bytes=total)
        return job


def _is_old(attempt: Attempt, now: float) -> bool:
    """Whether it ended so long ago that no day's sums need it."""
    return attempt.ended_at is not None and attempt.ended_at <= now - KEPT_SECONDS


def _rendering(job: JobAtWork, progress: Progress, seconds: float, done_before: int) -> JobAtWork:
    """The job with the progress of its render, which has taken so many seconds.

    `done_before`: frames that an earlier run has rendered.
    """
    total = max(1, progress.total)
    share = min(1.0, (progress.done + (progress.fraction or 0.0)) / total)
    since = share - done_before / total
    is_known = progress.fraction is not None or progress.done > 0
    left = seconds * (1 - share) / since if is_known and since >= LEAST_SHARE else 0.0
    return replace(
        job,
        share=share if is_known else None,
        # At its end a render denoises and writes, for which it has no share.
        seconds_left=left if left >= 1 else None,
        frame=progress.frame,
        frames_done=progress.done,
        frames=progress.total,
        memory_bytes=progress.memory_bytes,
    )
