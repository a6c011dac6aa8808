"""What happens in a worker, told to one kind of listener: attempts, stages, progress, transfers and waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from veriframe.model.attempt.attempt import Attempt
from veriframe.model.rendering.frames import Progress
from veriframe.ports.store import Transfer

log = structlog.get_logger()

SCENE = "its scene"
"""What a job waits for while nothing of its scene arrives."""


class Listener:
    """Hears what a worker does. By default it ignores everything. Methods run in the event loop: be quick."""

    def on_attempt(self, attempt: Attempt) -> None:
        """The journal has an attempt, of an earlier run or new, or more of it within the same stage."""

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """An attempt has reached a stage; the journal has it."""

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Blender has reported its progress on a job."""

    def on_transfer(self, job_id: int, what: str, transfer: Transfer) -> None:
        """A transfer of a job has progressed. `what` is "scene" or "picture"."""

    def on_wait(self, job_id: int, what: str) -> None:
        """A job waits for `what`: a short phrase, or the sentence of what is unavailable.

        An empty text: it waits no longer.
        """

    def on_idle(self, reason: str) -> None:
        """Nothing is claimed now: see `Pauses`. An empty text: jobs are claimed as they come."""


class Listeners(Listener):
    """Passes everything on to each of several listeners."""

    def __init__(self, listeners: Sequence[Listener] = ()) -> None:
        self._all = list(listeners)

    def add(self, listener: Listener) -> None:
        """Adds one more."""
        self._all.append(listener)

    def on_attempt(self, attempt: Attempt) -> None:
        """Passed on."""
        for one in self._all:
            one.on_attempt(attempt)

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Passed on."""
        for one in self._all:
            one.on_stage(before, after)

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Passed on."""
        for one in self._all:
            one.on_progress(job_id, progress)

    def on_transfer(self, job_id: int, what: str, transfer: Transfer) -> None:
        """Passed on."""
        for one in self._all:
            one.on_transfer(job_id, what, transfer)

    def on_wait(self, job_id: int, what: str) -> None:
        """Passed on."""
        for one in self._all:
            one.on_wait(job_id, what)

    def on_idle(self, reason: str) -> None:
        """Passed on."""
        for one in self._all:
            one.on_idle(reason)


class Harmless(Listener):
    """Passes everything on to one listener until that fails, which is logged once and harms nobody else."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.has_failed = False

    def on_attempt(self, attempt: Attempt) -> None:
        """Passed on."""
        self.run(lambda: self._listener.on_attempt(attempt))

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """Passed on."""
        self.run(lambda: self._listener.on_stage(before, after))

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Passed on."""
        self.run(lambda: self._listener.on_progress(job_id, progress))

    def on_transfer(self, job_id: int, what: str, transfer: Transfer) -> None:
        """Passed on."""
        self.run(lambda: self._listener.on_transfer(job_id, what, transfer))

    def on_wait(self, job_id: int, what: str) -> None:
        """Passed on."""
        self.run(lambda: self._listener.on_wait(job_id, what))

    def on_idle(self, reason: str) -> None:
        """Passed on."""
        self.run(lambda: self._listener.on_idle(reason))

    def run(self, tell: Callable[[], object]) -> None:
        """Runs something that may fail, once only."""
        if self.has_failed:
            return
        try:
            tell()
        except Exception:  # the last resort for bugs: a screen must not stop the worker
            self.has_failed = True
            log.exception("listener_failed", remedy="the worker goes on without it; please report this")


class Pauses:
    """Why nothing is claimed now: one reason from each source that knows one.

    A source is a short name, such as "registry" or "work_hours". The listener hears of the oldest reason, as
    one sentence, and when there is none any more.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._reasons: dict[str, str] = {}

    @property
    def reason(self) -> str:
        """The oldest reason that still holds; empty if there is none."""
        return next(iter(self._reasons.values()), "")

    def note(self, source: str, reason: str) -> None:
        """Notes a source's present reason; an empty text: it has none."""
        before = self.reason
        if reason:
            self._reasons[source] = reason
        else:
            self._reasons.pop(source, None)
        if self.reason != before:
            self._listener.on_idle(self.reason)
