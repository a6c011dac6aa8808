"""The whole path of one job, from the scene to its pay. Read this first.

An attempt says what is known to be done; each step does the next thing and returns the next attempt. A
restart calls `run` again: nothing before the stage is done twice, and a step that was interrupted asks the
registry first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from veriframe.errors import HostUnavailable, JobError, StoreUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.worker.claim.lease import wait_or_give_up
from veriframe.worker.context import WorkerContext
from veriframe.worker.steps import check, claim, fetch, release, render, store, submit, validate

Step = Callable[[Attempt, WorkerContext], Awaitable[Attempt]]

STEPS: Mapping[Stage, Step] = MappingProxyType(
    {
        Stage.SEEN: fetch,  # downloads the scene, its bytes checked against its CID
        Stage.FETCHED: check,  # reads the file here, then has Blender inspect it in a sandbox
        Stage.CHECKED: claim,  # only now money moves: the bond goes into escrow, and the lease starts
        Stage.CLAIMED: render,  # Blender in a sandbox, once more after a crash
        Stage.RENDERED: validate,  # decodes the frames in another sandbox, and keeps only their pixels
        Stage.VALIDATED: store,  # adds the picture, pinned until its job is over
        Stage.STORED: submit,  # sends the CID to the registry
        Stage.FAILED: release,  # releases the claim, with the reason
    }
)
"""The step after each stage. SUBMITTED waits for the creator or for time (`watch`); ends have none."""


_WAITING_UNDER_LEASE = frozenset((Stage.CLAIMED, Stage.RENDERED, Stage.VALIDATED))


async def run(attempt: Attempt, context: WorkerContext) -> Attempt:
    """Takes the attempt as far as possible: to SUBMITTED or to an end.

    Raises `Unavailable` if an outside part is unavailable: run again later. Cancelling loses nothing.
    """
    while (step := STEPS.get(attempt.stage)) is not None:
        try:
            after = await _take(step, attempt, context)
        except JobError as error:
            after = attempt.ended_by(error, at=context.clock())
        context.journal.move(attempt, after)
        context.on_stage(attempt, after)
        attempt = after
    return attempt


async def _take(step: Step, attempt: Attempt, context: WorkerContext) -> Attempt:
    """Takes one step.

    An unavailable part is waited for only while the claim can still be released in time.
    """
    try:
        return await step(attempt, context)
    except (StoreUnavailable, HostUnavailable) as error:
        if attempt.stage not in _WAITING_UNDER_LEASE:
            raise
        raise await wait_or_give_up(attempt, error, context) from error
