"""A job's turn: it waits for a place. The next chunk of a scene is claimed while the one before it renders.

So its render begins as soon as that one ends, in the same Blender. Its lease runs meanwhile, so it must leave
the time to wait as well, at the pace seen here.
"""

from __future__ import annotations

import math
from functools import partial

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.pace import Pace
from veriframe.model.registry.job import Job
from veriframe.worker.ahead import claimed_ahead
from veriframe.worker.claim.lease import in_time, require_claim
from veriframe.worker.context import WorkerContext
from veriframe.worker.job_run import JobRun
from veriframe.worker.shared.lanes import Lane, Render


async def take_place(lane: Lane | None, attempt: Attempt, run: JobRun) -> Attempt:
    """Waits for a place in the lane of the next step, or until the job may be claimed without one.

    Returns the attempt; its fees may have grown. Raises `RenderFailed` (LEASE) if its lease leaves no more
    time to wait for a renderer, `JobLost`, `RegistryUnavailable`.
    """
    kept, asset_cid = run.context.kept, attempt.asset_cid
    # An earlier chunk has left its scene open.
    change = partial(run.place.change, lane, fits=lambda: asset_cid in kept.assets)
    if not run.place.has_to_wait(lane):
        await change()
    elif attempt.stage.holds_claim:
        attempt, lease = await require_claim(attempt, run)
        left = lease.render_until - lease.now
        _hurry(left, attempt, run)
        # It is released as soon as its frames no longer fit: what a release costs grows with the time.
        async with in_time(left - _needed_seconds(attempt, run.context), Code.LEASE, Lane.RENDER.value):
            await change(in_a_hurry=True)
    elif attempt.stage is Stage.CHECKED and attempt.is_of_bundle:
        job, _ = await run.read(attempt, max_age_seconds=math.inf)
        await change(follows=partial(_may_follow, attempt=attempt, job=job, context=run.context))
        if run.place.follows:
            # It gets the scene that is opened already.
            await run.close_session()
    else:
        await change()
    return attempt


def _may_follow(render: Render, *, attempt: Attempt, job: Job, context: WorkerContext) -> bool:
    """Whether a chunk may be claimed while one of the same order renders."""
    its, pace = render.attempt, _pace(attempt, context)
    if (its.asset_cid, its.order_id, its.creator) != (attempt.asset_cid, attempt.order_id, attempt.creator):
        return False
    if attempt.task is None or pace is None:
        return False
    # Without claims, what is chosen late is rarely done twice.
    is_paused = context.pauses.reason or not context.registry.has_claims
    if is_paused or len(claimed_ahead(context)) >= context.lanes.capacity:
        return False
    wait_seconds = pace.seconds(render.frames_left)
    return not context.policy_for(attempt).task_objection(job, attempt.task, pace, wait_seconds)


def _needed_seconds(attempt: Attempt, context: WorkerContext) -> float:
    """What the frames take at the pace seen here; 0 if none is known."""
    pace = _pace(attempt, context)
    return 0.0 if attempt.task is None or pace is None else pace.seconds(len(attempt.task.frames))


def _pace(attempt: Attempt, context: WorkerContext) -> Pace | None:
    """The pace of its asset; None before its first frame, and after one that exceeded its limit."""
    pace = context.speeds.pace(attempt.asset_cid)
    return None if pace is None or math.isinf(pace.frame_seconds) else pace


def _hurry(left: float, attempt: Attempt, run: JobRun) -> None:
    """Leaves the render before this one no pause that this one's lease has no time for."""
    if attempt.task is not None:
        limits = run.context.policy.limits.of(attempt.task)
        needed = limits.wall_seconds(len(attempt.task.frames))
        run.place.needs_by(run.context.monotonic() + left - needed)
