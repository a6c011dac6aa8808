"""Shows a job that is followed: a line for each change, and a bar while waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator

from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from veriframe.cli.display import job_view, show
from veriframe.model.registry.job import Job
from veriframe.model.registry.job_status import JobStatus


async def print_lines(changes: AsyncIterator[JobStatus], *, as_json: bool) -> Job:
    """Print a line for each change, as JSON or as a sentence. Returns the job's last status."""
    job = None
    async for status in changes:
        job = status.job
        if as_json:
            show.json_line(job_view.as_object(status))
        else:
            show.line(job_view.sentence(status))
    return _seen(job)


async def draw_bar(statuses: AsyncIterator[JobStatus]) -> Job:
    """Print a line for each change on a terminal, and below them a bar of the current time limit."""
    before, job = None, None
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        console=show.out,
        transient=True,
    ) as progress:
        task = progress.add_task("", total=None)
        async for status in statuses:
            job = status.job
            if (job, status.waits_for) != before:
                progress.console.print(escape(job_view.sentence(status)))
                progress.console.print(f"[dim]  {escape(job_view.next_step(status))}[/dim]")
            before = (job, status.waits_for)
            _move_bar(progress, task, status)
    return _seen(job)


def _move_bar(progress: Progress, task: TaskID, status: JobStatus) -> None:
    limit = status.waits_for
    if limit is None:
        progress.update(task, description=job_view.state(status), total=None)
        return
    job = status.job
    name, end = limit
    spans = {
        "deadline": end - job.order.created_at,
        "lease": job.terms.lease_seconds,
        "review": job.terms.review_seconds,
        "arbitration": job.terms.arbitration_seconds,
    }
    description = f"{job_view.state(status)} · {job_view.waits(status)}"
    progress.update(
        task, description=description, total=spans[name], completed=spans[name] - (end - status.now)
    )


def _seen(job: Job | None) -> Job:
    if job is None:
        raise RuntimeError("a job is seen at least once")
    return job
