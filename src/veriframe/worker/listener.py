"""What happens in a worker, told to one kind of listener: stages, progress, transfers and waits."""

from __future__ import annotations

from collections.abc import Sequence

from veriframe.model.attempt.attempt import Attempt
from veriframe.model.rendering.frames import Progress
from veriframe.ports.store import Transfer

SCENE = "its scene"
"""What a job waits for while nothing of its scene arrives."""


class Listener:
    """Hears what a worker does. By default it ignores everything. Methods run in the event loop: be quick."""

    def on_stage(self, before: Attempt, after: Attempt) -> None:
        """An attempt has reached a stage; the journal has it."""

    def on_progress(self, job_id: int, progress: Progress) -> None:
        """Blender has reported its progress on a job."""

    def on_transfer(self, job_id: int, what: str, transfer: Transfer) -> None:
        """A transfer of a job has progressed. `what` is "scene" or "picture"."""

    def on_wait(self, job_id: int, what: str) -> None:
        """A job waits for `what`, one short phrase; an empty text: it waits no longer."""


class Listeners(Listener):
    """Passes everything on to each of several listeners."""

    def __init__(self, listeners: Sequence[Listener] = ()) -> None:
        self._all = list(listeners)

    def add(self, listener: Listener) -> None:
        """Adds one more."""
        self._all.append(listener)

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
