"""The whole path of one job, from the scene to its pay. Read this first.

An attempt says what is known to be done; each step does the next thing and returns the next attempt. A
restart calls `run` again: nothing before the stage is done twice, and a step that was interrupted asks the
registry first. Many jobs are on this path at once. A step waits for a place in its lane: so scenes are
fetched and inspected ahead, and a picture is validated and submitted while the next one renders. A chunk of a
scene that renders is claimed ahead as well (`take_place`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from veriframe.errors import HostUnavailable, JobError, StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.worker.claim.lease import wait_or_give_up
from veriframe.worker.claim.turn import take_place
from veriframe.worker.context import WorkerContext
from veriframe.worker.job_run import JobRun, started
from veriframe.worker.shared.lanes import Lane
from veriframe.worker.steps import check, claim, fetch, release, render, store, submit, validate

Step = Callable[[Attempt, JobRun], Awaitable[Attempt]]

STEPS: Mapping[Stage, tuple[Step, Lane | None]] = MappingProxyType(
    {
        # downloads the scene, its bytes checked against its CID
        Stage.SEEN: (fetch, Lane.FETCH),
        # reads the file here, then has Blender inspect it in a sandbox
        Stage.FETCHED: (check, Lane.INSPECT),
        # only now money moves: the bond goes into escrow, and the lease starts, a renderer at hand or soon so
        Stage.CHECKED: (claim, Lane.RENDER),
        # Blender in a sandbox, once more after a crash
        Stage.CLAIMED: (render, Lane.RENDER),
        # decodes the frames in another sandbox, and keeps only their pixels
        Stage.RENDERED: (validate, None),
        # adds the picture, pinned until its job is over
        Stage.VALIDATED: (store, None),
        # sends the CID to the registry
        Stage.STORED: (submit, None),
        # releases the claim, with the reason
        Stage.FAILED: (release, None),
    }
)
"""The step after each stage, and its lane. SUBMITTED waits for the creator or for time; ends have none."""

_WAITING_UNDER_LEASE = frozenset((Stage.CLAIMED, Stage.RENDERED, Stage.VALIDATED))


async def run(attempt: Attempt, context: WorkerContext) -> Attempt:
    """Takes the attempt as far as possible: to SUBMITTED or to an end.

    Raises `Unavailable` if an outside part is unavailable: run again later. Cancelling loses nothing.
    """
    async with started(attempt, context) as job_run:
        while (entry := STEPS.get(attempt.stage)) is not None:
            step, lane = entry
            try:
                attempt = await take_place(lane, attempt, job_run)
                after = await _take(step, attempt, job_run)
            except JobError as error:
                after = attempt.ended_by(error, at=context.clock())
            attempt = await context.attempts.record(attempt, after)
            job_run.end_claim()
    return attempt


async def _take(step: Step, attempt: Attempt, job_run: JobRun) -> Attempt:
    """Takes one step.

    An unavailable part is waited for only while the claim can still be released in time.
    """
    try:
        return await step(attempt, job_run)
    except (StoreUnavailable, HostUnavailable) as error:
        if attempt.stage not in _WAITING_UNDER_LEASE:
            raise
        raise await wait_or_give_up(attempt, error, job_run) from error
