"""Shows jobs that are followed: a line for each change and, on a terminal, what each waits for now."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn

from veriframe.cli.display import history_view, job_view, show
from veriframe.creator.values import Followed
from veriframe.model.registry.history import JobEvent


class Lines:
    """Prints a line for each change, as a sentence or as JSON, after lines for attempts that failed."""

    def __init__(self, names: Mapping[str, str], *, as_json: bool) -> None:
        """`names` are those of scenes, by CID."""
        self._names = names
        self._as_json = as_json
        self._told: dict[int, set[JobEvent | str]] = {}

    def __enter__(self) -> Self:
        """Nothing is drawn."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to remove."""

    def show(self, followed: Followed) -> None:
        """Show a job, if there is news of it."""
        status = followed.status
        if not followed.is_news:
            return
        if self._as_json:
            name = self._names.get(status.job.order.asset_cid)
            told = {**job_view.as_object(status, name), **history_view.as_object(followed.history)}
            show.json_line(told)
            return
        for line in (*self._failures(followed), job_view.sentence(status)):
            show.line(line)

    def _failures(self, followed: Followed) -> list[str]:
        """The lines about failed attempts that were not told yet, and about a gap in the history."""
        job_id, history = followed.status.job.id, followed.history
        told = self._told.setdefault(job_id, set())
        found: list[JobEvent | str] = [*history.events, *filter(None, [history.gap])]
        new = [one for one in found if one not in told]
        told.update(new)
        return [
            f"job {job_id}: {line}"
            for one in new
            for line in history_view.failure_lines(one, followed.status.now)
        ]

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

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._drawn.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was drawn; the lines stay."""
        self._drawn.stop()

    def show(self, followed: Followed) -> None:
        """Print a change, and draw what the job waits for."""
        status, job = followed.status, followed.status.job
        if followed.is_news:
            for line in (*self._failures(followed), job_view.sentence(status)):
                self._drawn.console.print(escape(line))
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
