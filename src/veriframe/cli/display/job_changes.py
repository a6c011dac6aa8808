"""Shows jobs that are followed: a line for each change and, on a terminal, what each waits for now."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn

from veriframe.cli.display import job_view, show
from veriframe.model.registry.job_status import JobStatus


class Lines:
    """Prints a line for each status, as a sentence or as JSON."""

    def __init__(self, names: Mapping[str, str], *, as_json: bool) -> None:
        """`names` are those of scenes, by CID."""
        self._names = names
        self._as_json = as_json

    def __enter__(self) -> Self:
        """Nothing is drawn."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to remove."""

    def show(self, status: JobStatus) -> None:
        """Show the status of a job."""
        if self._as_json:
            show.json_line(job_view.as_object(status, self._names.get(status.job.order.asset_cid)))
        else:
            show.line(job_view.sentence(status))

    def leave(self, job_id: int) -> None:
        """A job is no longer followed."""


class Live(Lines):
    """Prints a line for each change of a job, and draws below them a line for each job still followed."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__(names, as_json=False)
        self._drawn = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), console=show.out, transient=True
        )
        self._rows: dict[int, TaskID] = {}
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._drawn.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was drawn; the lines stay."""
        self._drawn.stop()

    def show(self, status: JobStatus) -> None:
        """Print a change, and draw what the job waits for."""
        job, now = status.job, (status.job, status.waits_for)
        if now != self._before.get(job.id):
            self._before[job.id] = now
            self._drawn.console.print(escape(job_view.sentence(status)))
            self._drawn.console.print(f"[dim]  {escape(job_view.next_step(status))}[/dim]")
        if job.id not in self._rows:
            self._rows[job.id] = self._drawn.add_task("", total=None)
        self._drawn.update(
            self._rows[job.id],
            description=f"job {job.id} {job_view.state(status)}: {job_view.progress(status)}",
        )

    def leave(self, job_id: int) -> None:
        """Remove the job's line."""
        if job_id in self._rows:
            self._drawn.remove_task(self._rows.pop(job_id))
