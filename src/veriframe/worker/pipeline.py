"""One job's whole way to its pay. Read this first.

An attempt says what is known to be done; each step does the next thing and returns the next attempt. A
restart is just `run` again: nothing before the stage is done twice, and a step that was cut off asks the
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
        Stage.SEEN: fetch,  # the scene is brought, its bytes checked against its CID
        Stage.FETCHED: check,  # the file by our own eyes, then Blender's inspection behind walls
        Stage.CHECKED: claim,  # only now money moves: the bond goes into escrow, the lease runs
        Stage.CLAIMED: render,  # Blender behind walls, once more after a crash
        Stage.RENDERED: validate,  # the frames decoded behind other walls, stripped of all but pixels
        Stage.VALIDATED: store,  # the picture by its CID, pinned until its job is over
        Stage.STORED: submit,  # the CID to the registry
        Stage.FAILED: release,  # the claim given back, with the reason
    }
)
"""What follows each stage. SUBMITTED waits for the creator or for time (`watch`); ends have none."""


_WAITING_UNDER_LEASE = frozenset((Stage.CLAIMED, Stage.RENDERED, Stage.VALIDATED))


async def run(attempt: Attempt, context: WorkerContext) -> Attempt:
    """Take the attempt as far as it goes: to SUBMITTED or to an end.

    Raises `Unavailable` where an outside part is away: run again later. A cancelled run has lost nothing.
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
    """One step. What is away is only waited for as long as a claim can go back in time."""
    try:
        return await step(attempt, context)
    except (StoreUnavailable, HostUnavailable) as error:
        if attempt.stage not in _WAITING_UNDER_LEASE:
            raise
        raise await wait_or_give_up(attempt, error, context) from error
