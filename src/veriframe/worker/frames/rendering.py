"""Renders the frames of a claimed job that are still missing, and hands the opened scene on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace

import structlog

from veriframe.assets import Asset
from veriframe.errors import Code, RenderFailed
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.lease import Lease
from veriframe.model.rendering.frames import Progress
from veriframe.worker.claim.lease import require_claim
from veriframe.worker.context import WorkerContext
from veriframe.worker.frames.spool import Spool
from veriframe.worker.frames.validating import Validating
from veriframe.worker.job_run import JobRun

log = structlog.get_logger()


async def render_all(attempt: Attempt, asset: Asset, lease: Lease, run: JobRun) -> Attempt:
    """Renders what is missing, once more after a crash. Returns the attempt; its fees may have grown.

    Raises `RenderFailed`, `ValidationFailed`, `Unavailable`.
    """
    assert attempt.task is not None
    context, spool = run.context, Spool(attempt, attempt.task, run.context)
    until = _render_end(lease, context)
    for last in (False, True):
        try:
            await _render(spool, asset, until, run)
            run.pass_on(asset)
            break
        except RenderFailed as error:
            if error.code is Code.TIMEOUT:
                context.speeds.note_too_slow(asset.cid)
            if last or error.code is not Code.CRASH:
                raise
            log.warning("render_again", code=error.code, reason=str(error))
        finally:
            await run.close_session()
        # The second try has only the time that the first one left.
        attempt, lease = await require_claim(attempt, run)
        until = min(until, _render_end(lease, context))
    return attempt


async def _render(spool: Spool, asset: Asset, until: float, run: JobRun) -> None:
    """Renders the frames that are missing, and validates those that are done meanwhile."""
    context, attempt = run.context, spool.attempt
    if not (missing := await spool.prepare()):
        return
    render = run.place.note_render(attempt, len(missing))
    since = context.monotonic()
    session = await run.open_session(asset)
    done, total = len(spool.task.frames) - len(missing), len(spool.task.frames)

    def on_progress(progress: Progress) -> None:
        whole = replace(progress, done=done + progress.done, total=total)
        context.listener.on_progress(attempt.job_id, whole)

    frames = session.frames(
        replace(spool.task, frames=missing),
        spool.arriving,
        lease_seconds=spool.seconds_left(until, "a render"),
        on_progress=on_progress,
    )
    limits, left = context.policy.limits.of(spool.task), len(missing)
    validating, wall_seconds = Validating(spool, asset, until), limits.wall_seconds(left)
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(context.kept.beside(context.lanes.capacity))
            if isinstance(frames, AsyncGenerator):
                stack.push_async_callback(frames.aclose)
            rendering = stack.enter_context(
                context.manners.rendering(
                    attempt.job_id, session, until, wall_seconds, next_until=lambda: render.until
                )
            )
            async for frame in frames:
                left -= 1
                rendering.needs(left * limits.frame_seconds, context.monotonic())
                await spool.keep(frame)
                if frame.number != missing[-1]:
                    await validating.add(frame)
                took, since = context.monotonic() - since, context.monotonic()
                if frame.number == missing[0]:
                    context.speeds.note_first(asset.cid, frame.seconds, took - frame.seconds)
                else:
                    context.speeds.note_frame(asset.cid, took)
                run.place.note_render(attempt, left)
        await validating.wait()
    finally:
        await validating.end()


def _render_end(lease: Lease, context: WorkerContext) -> float:
    """The time by which a render must end, by the monotonic clock."""
    return context.monotonic() + lease.render_until - lease.now
