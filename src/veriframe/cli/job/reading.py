"""`veriframe job list` and `job show`: what the registry says of jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from veriframe.cli import context
from veriframe.cli.display import job_view, show
from veriframe.cli.job import acting, options
from veriframe.model.registry.job import JobState


def list_jobs(
    state: Annotated[
        list[JobState] | None,
        typer.Option(case_sensitive=False, help="Only jobs in this state; may be repeated."),
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Include other creators' jobs.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most jobs to list.")] = 50,
    as_json: options.AsJson = False,
) -> None:
    """List jobs, newest first: your own, or everyone's with --all."""
    statuses = context.run(acting.creator().jobs(state or (), own=not everybody, limit=limit))
    if as_json:
        show.as_json({"jobs": [job_view.as_object(status) for status in statuses]})
        return
    rows = [job_view.row(status, whole=not show.out.is_terminal) for status in statuses]
    show.table("Jobs", job_view.COLUMNS, rows)


def show_job(job_id: options.JobId, as_json: options.AsJson = False) -> None:
    """Show the details of a job and the possible next steps."""
    job_view.print_job(context.run(acting.creator().status(job_id)), as_json=as_json)
