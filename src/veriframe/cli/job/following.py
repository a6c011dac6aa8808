"""`veriframe job watch`: follows a job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import typer

from veriframe.cli import context
from veriframe.cli.display import job_changes, show
from veriframe.cli.job import acting, options
from veriframe.creator.creator import Creator
from veriframe.model.registry.job import JobState
from veriframe.model.registry.job_status import JobStatus

REFUNDED = 6
"""The exit code of `watch` if the job was refunded."""


def watch(
    job_id: options.JobId,
    to_result: Annotated[bool, typer.Option("--result", help="Stop once the job has a result.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Follow a job until it is final, with a line for each change. Exits with 0 if PAID, 6 if REFUNDED."""
    follow(acting.creator(), job_id, to_result=to_result, as_json=as_json)


def follow(creator: Creator, job_id: int, *, to_result: bool, as_json: bool) -> None:
    """Show each change of a job until it is final. Exits with `REFUNDED` if the reward was returned."""
    poll_seconds = context.current().settings.poll_seconds
    on_terminal = show.out.is_terminal and not as_json
    read = creator.statuses if on_terminal else creator.changes
    statuses = read(job_id, poll_seconds)
    if to_result:
        statuses = _until_result(statuses)
    if on_terminal:
        last = context.run(job_changes.draw_bar(statuses))
    else:
        last = context.run(job_changes.print_lines(statuses, as_json=as_json))
    if last.state is JobState.REFUNDED:
        raise typer.Exit(REFUNDED)


async def _until_result(statuses: AsyncIterator[JobStatus]) -> AsyncIterator[JobStatus]:
    async for status in statuses:
        yield status
        if status.job.result_cid:
            return
