"""`veriframe job list` and `job show`: what the registry says of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from veriframe.cli import context
from veriframe.cli.display import history_view, job_view, show
from veriframe.cli.display.outcomes import Outcomes
from veriframe.cli.job import acting, options
from veriframe.model.registry.history import JobHistory
from veriframe.model.registry.job import NOBODY, JobState
from veriframe.model.registry.job_status import JobStatus

NARROW = 80
"""Columns of a terminal below which less is shown."""

UNKNOWN_ACCOUNT = (
    "Everyone's jobs are listed: which are yours is known once the keystore was unlocked by another "
    "command, or if account_address is set."
)


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
    jobs = acting.jobs()
    if not everybody and jobs.account == NOBODY:
        everybody = True
        show.err.print(UNKNOWN_ACCOUNT, markup=False)
    statuses = context.run(jobs.jobs(state or (), own=not everybody, limit=limit))
    names = acting.scene_names().read()
    named = [(status, names.get(status.job.order.asset_cid)) for status in statuses]
    if as_json:
        show.as_json({"jobs": [job_view.as_object(status, name) for status, name in named]})
        return
    if not named:
        show.err.print(_nothing(everybody=everybody, filtered=bool(state)), markup=False)
    whole = not show.out.is_terminal
    rows: Sequence[Sequence[str]] = [job_view.row(status, name, whole=whole) for status, name in named]
    if rows or whole:
        columns: Sequence[str] = job_view.COLUMNS if whole else job_view.BRIEF_COLUMNS
        if not whole and show.out.width < NARROW:
            # The progress says for how long, and needs the room.
            columns, rows = _without("age", columns, rows)
        show.table("Jobs", columns, rows)


def _without(
    column: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    at = columns.index(column)
    fewer = [[*row[:at], *row[at + 1 :]] for row in (columns, *rows)]
    return fewer[0], fewer[1:]


def _nothing(*, everybody: bool, filtered: bool) -> str:
    """Why a list is empty, and what to do."""
    which = "in such a state " if filtered else ""
    if everybody:
        return f"This registry has no job {which}yet. `veriframe job create` posts one."
    account = context.account(job_view.DEFAULT_ACCOUNT)
    return (
        f"The account “{account}” has no job {which}here. `veriframe job list --all` lists everyone's, "
        "`veriframe --account NAME job list` those of another account."
    )


def show_jobs(job_ids: options.JobIds, as_json: options.AsJson = False) -> None:
    """Show the details of jobs, the possible next steps, and what happened to the jobs so far."""
    numbers = options.distinct(job_ids)
    outcomes = Outcomes(len(numbers), as_json=as_json)
    jobs, names = acting.jobs(), acting.scene_names().read()

    async def read(job_id: int) -> tuple[JobStatus, JobHistory]:
        status = await jobs.status(job_id)
        return status, await jobs.history(status)

    for job_id in numbers:
        with outcomes.of(job_id=job_id):
            status, history = context.run(read(job_id))
            name = names.get(status.job.order.asset_cid)
            if as_json:
                outcomes.print_json({**job_view.as_object(status, name), **history_view.as_object(history)})
            else:
                facts = job_view.facts(status, name)
                after = {"next": facts.pop("next")}
                evidence = history_view.evidence_facts(status.job, history)
                show.facts(f"Job {job_id}", {**facts, **evidence, **after})
                history_view.print_history(history, status.now)
    outcomes.end()
