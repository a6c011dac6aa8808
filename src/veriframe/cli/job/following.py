"""`veriframe job watch`: follows jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated

import typer

from veriframe.cli import context
from veriframe.cli.display import job_changes, show
from veriframe.cli.display.outcomes import Outcomes
from veriframe.cli.job import acting, options
from veriframe.creator.jobs import Jobs
from veriframe.creator.values import Followed
from veriframe.model.registry.job import JobState

REFUNDED = 6
"""The exit code of `watch` if the job was refunded."""


def watch(
    job_ids: options.JobIds,
    to_result: Annotated[bool, typer.Option("--result", help="Stop once each job has a result.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Follow jobs until they are final, with a line for each change. Exits with 0 if PAID, 6 if REFUNDED."""
    numbers = options.distinct(job_ids)
    outcomes = Outcomes(len(numbers), as_json=as_json)
    follow(acting.jobs(), numbers, outcomes, to_result=to_result, as_json=as_json)
    outcomes.end()


def follow(jobs: Jobs, job_ids: Sequence[int], outcomes: Outcomes, *, to_result: bool, as_json: bool) -> None:
    """Show each change of some jobs until all are final. A refunded one counts as `REFUNDED`."""
    poll_seconds = context.current().settings.poll_seconds
    on_terminal = show.out.is_terminal and not as_json
    streams = {job_id: jobs.followed(job_id, poll_seconds) for job_id in job_ids}
    if to_result:
        streams = {job_id: _until_result(polls) for job_id, polls in streams.items()}
    names = acting.scene_names().read()
    shown = job_changes.Live(names) if on_terminal else job_changes.Lines(names, as_json=as_json)
    with shown:
        context.follow(_follow_all(streams, shown, outcomes))


async def _follow_all(
    streams: Mapping[int, AsyncIterator[Followed]], shown: job_changes.Lines, outcomes: Outcomes
) -> None:
    if outcomes.is_single:
        # No group, which would wrap the error of the only job.
        for job_id, polls in streams.items():
            await _follow(job_id, polls, shown, outcomes)
        return
    async with asyncio.TaskGroup() as group:
        for job_id, polls in streams.items():
            group.create_task(_follow(job_id, polls, shown, outcomes))


async def _follow(
    job_id: int, polls: AsyncIterator[Followed], shown: job_changes.Lines, outcomes: Outcomes
) -> None:
    with outcomes.of(job_id=job_id):
        async for followed in polls:
            shown.show(followed)
            if followed.status.job.state is JobState.REFUNDED:
                outcomes.add_code(REFUNDED)
    shown.leave(job_id)


async def _until_result(polls: AsyncIterator[Followed]) -> AsyncIterator[Followed]:
    async for followed in polls:
        yield followed
        if followed.status.job.result_cid:
            return
