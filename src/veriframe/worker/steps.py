"""The steps of the pipeline: each does one thing and returns the next attempt.

They raise a `JobError` if the job ends, `Unavailable` if it can continue later. None writes the journal.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from stat import S_ISREG

import structlog

from veriframe.errors import (
    Code,
    HostUnavailable,
    JobLost,
    JobRejected,
    MoveRefused,
    RenderFailed,
    ValidationFailed,
)
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.reconciliation import released_fri
from veriframe.model.registry.escrow import release_fee_fri
from veriframe.model.registry.job import Job, JobState
from veriframe.model.registry.ledger import Rule
from veriframe.model.rendering.frames import RenderTask
from veriframe.threads import run_uninterrupted
from veriframe.worker.claim.lease import current_job, in_time, is_our_claim, lost, lost_at, require_claim
from veriframe.worker.context import WorkerContext
from veriframe.worker.report import TransferLog
from veriframe.worker.scene.check import has_size, inspected
from veriframe.worker.scene.fetching import fetch_scene, fetch_scene_in_time, no_longer_open, require_open

log = structlog.get_logger()

FRAMES = (1,)
"""A bare `.blend` is rendered as frame 1, whatever range the scene itself has."""


async def fetch(attempt: Attempt, context: WorkerContext) -> Attempt:
    """SEEN → FETCHED: the scene is on this machine, its bytes checked against its CID."""
    await fetch_scene_in_time(attempt, context)
    return attempt.to(Stage.FETCHED, at=context.clock())


async def check(attempt: Attempt, context: WorkerContext) -> Attempt:
    """FETCHED → CHECKED: the file is a scene that this Blender can and may render."""
    scene = await fetch_scene_in_time(attempt, context)
    try:
        attempt = await inspected(attempt, scene, context)
    except HostUnavailable:
        # Waited for only while the job can still be claimed.
        await require_open(attempt, context)
        raise
    return attempt.to(Stage.CHECKED, at=context.clock())


async def claim(attempt: Attempt, context: WorkerContext) -> Attempt:
    """CHECKED → CLAIMED: the bond is in escrow, and the lease is running and long enough for this picture."""
    if not has_size(attempt) and not is_our_claim(*await current_job(attempt, context), context):
        attempt = await inspected(attempt, await fetch_scene_in_time(attempt, context), context)
    with context.claims.one():
        job, now = await current_job(attempt, context)
        if not is_our_claim(job, now, context):
            if not job.is_open(now):
                raise no_longer_open(job)
            if attempt.order_id and (job.terms.reward_fri, job.terms.bond_fri) != _stake(attempt):
                raise JobLost("The registry shows another reward or bond than when the job was started.")
            if objection := context.policy.lease_objection(job, attempt.width, attempt.height):
                raise JobRejected(Code.LEASE, f"The job is not claimed, since {objection}.")
            context.workspace.require_free(context.disk_free_bytes)
            async with context.room.reserved(attempt, context.store, context.journal):
                attempt = attempt.paying(await _claim(attempt, job, context))
    return attempt.to(Stage.CLAIMED, at=context.clock())


async def render(attempt: Attempt, context: WorkerContext) -> Attempt:
    """CLAIMED → RENDERED: exactly the expected files exist. A crash is tried once more."""
    job_id = attempt.job_id
    attempt, lease = await require_claim(attempt, context)
    until = lease.render_until
    async with in_time(until - lease.now, Code.LEASE, "a render"):
        scene = await fetch_scene(attempt, context)
        attempt = await inspected(attempt, scene, context)
    for last in (False, True):
        attempt, lease = await require_claim(attempt, context)
        # A second try has only the time that the first one left.
        until = min(until, lease.render_until)
        out = await run_uninterrupted(context.workspace.empty, context.workspace.rendered(job_id))
        task = _task(attempt, until - lease.now, "a render", context)
        try:
            rendering = await context.renderer.render(
                scene, task, out, lambda progress: context.on_progress(job_id, progress)
            )
            break
        except RenderFailed as error:
            if last or error.code is not Code.CRASH:
                raise
            log.warning("render_again", code=error.code, reason=str(error))
    context.workspace.note_rendering(job_id, rendering)
    frame = rendering.frames[0]
    log.info(
        "frame_rendered",
        seconds=round(rendering.seconds, 3),
        frame_seconds=frame.seconds,
        peak_memory_bytes=rendering.peak_memory_bytes,
        width=frame.width,
        height=frame.height,
    )
    return attempt.to(Stage.RENDERED, at=context.clock())


async def validate(attempt: Attempt, context: WorkerContext) -> Attempt:
    """RENDERED → VALIDATED: the frame decodes in a clean sandbox and contains nothing but pixels."""
    workspace, job_id = context.workspace, attempt.job_id
    rendering = workspace.rendering(job_id)
    if rendering is None:
        raise RenderFailed(Code.NO_OUTPUT, "The rendered frame is missing from this worker's disk.")
    attempt, lease = await require_claim(attempt, context)
    until = time.monotonic() + lease.decoding_seconds
    async with in_time(lease.decoding_seconds, Code.LEASE, "decoding"):
        scene = await fetch_scene(attempt, context)
        attempt = await inspected(attempt, scene, context)
    task = _task(attempt, until - time.monotonic(), "decoding", context)
    clean = await run_uninterrupted(workspace.empty, workspace.validated(job_id))
    (frame,) = await context.renderer.validate(scene, task, rendering, workspace.rendered(job_id), clean)
    await asyncio.to_thread(workspace.sync, clean)
    log.info(
        "frame_validated",
        size_bytes=frame.size_bytes,
        bit_depth=frame.bit_depth,
        channels=frame.channels,
        pixel_sha256=frame.pixel_sha256,
    )
    return attempt.to(Stage.VALIDATED, at=context.clock())


async def store(attempt: Attempt, context: WorkerContext) -> Attempt:
    """VALIDATED → STORED: the picture is in the store, pinned, and in time for the submission."""
    # Only now that VALIDATED is noted: a restart before that validates the frames again.
    await run_uninterrupted(context.workspace.forget_rendered, attempt.job_id)
    attempt, lease = await require_claim(attempt, context)
    async with in_time(lease.upload_seconds, Code.UPLOAD, "storing the picture"):
        result_cid = await keep_result(attempt.job_id, context)
    picture = await asyncio.to_thread(_only_file, context.workspace.validated(attempt.job_id))
    after = attempt.to(Stage.STORED, at=context.clock(), result_cid=result_cid)
    return replace(after, result_bytes=picture.stat().st_size)


async def keep_result(job_id: int, context: WorkerContext) -> str:
    """Adds the validated picture, pinned for its job. Returns its CID."""
    picture = await asyncio.to_thread(_only_file, context.workspace.validated(job_id))
    pin_name = (await context.pin_names()).result(job_id)
    return await context.store.add(picture, pin_name, TransferLog(job_id, "picture").on_transfer)


async def submit(attempt: Attempt, context: WorkerContext) -> Attempt:
    """STORED → SUBMITTED: the registry has the result's CID from us."""
    if not await _is_submitted(attempt, context):
        try:
            attempt, _ = await require_claim(attempt, context)
            attempt = attempt.paying(await context.registry.submit_result(attempt.job_id, attempt.result_cid))
        except JobLost as error:
            if not await _is_submitted(attempt, context):
                raise
            attempt = attempt.paying(error.fees_fri)
        except MoveRefused as error:
            # After a reorganisation an earlier submission of ours may have been included again.
            if not await _is_submitted(attempt, context):
                sentence = "The registry refused the result"
                raise await lost_at(error, sentence, attempt, context) from error
            attempt = attempt.paying(error.fee_fri)
    return attempt.to(Stage.SUBMITTED, at=context.clock())


async def release(attempt: Attempt, context: WorkerContext) -> Attempt:
    """FAILED → RELEASED: the claim is released with the reason, or was already."""
    job, now = await current_job(attempt, context)
    lost_fri = released_fri(attempt, job, now, context.clock())
    if job.state is not JobState.OPEN:
        if not is_our_claim(job, now, context):
            raise lost("Its lease was over before it was released.", attempt, job, now, context)
        lost_fri = release_fee_fri(job, now)
        try:
            fee_fri = await context.registry.release(attempt.job_id, attempt.code or Code.STOPPED)
        except MoveRefused as error:
            sentence = "The registry refused the release"
            raise await lost_at(error, sentence, attempt, context) from error
        attempt = attempt.paying(fee_fri)
    return replace(attempt.to(Stage.RELEASED, at=context.clock()), lost_fri=lost_fri)


def _stake(attempt: Attempt) -> tuple[int, int]:
    return attempt.reward_fri, attempt.bond_fri


def _only_file(folder: Path) -> Path:
    files = list(folder.iterdir()) if folder.is_dir() else []
    if len(files) != 1:
        raise ValidationFailed(Code.NO_OUTPUT, "The validated frame is missing from this worker's disk.")
    # What is added becomes public: nothing but the frame itself, wherever a link might lead.
    if not S_ISREG(files[0].lstat().st_mode):
        raise ValidationFailed(Code.TAMPER, "The validated frame is not a plain file.")
    return files[0]


def _task(attempt: Attempt, left: float, what: str, context: WorkerContext) -> RenderTask:
    """Returns the render task of a job, with its inspected size and the remaining time.

    Raises `RenderFailed` (LEASE) if no time is left.
    """
    if left <= 0:
        raise RenderFailed(Code.LEASE, f"The lease left no time for {what}.")
    return RenderTask(
        frames=FRAMES,
        limits=context.policy.limits,
        size=(attempt.width, attempt.height),
        lease_seconds=left,
    )


async def _claim(attempt: Attempt, job: Job, context: WorkerContext) -> int:
    """Makes the claim. Returns its fee."""
    registry = context.registry
    try:
        return await registry.claim(job.id)
    except MoveRefused as error:
        job, now = await current_job(attempt, context)
        if not job.is_open(now) or error.rule == Rule.NOT_OPEN.value:
            # Also if it is open again by now.
            raise JobLost("Another worker was faster.", fees_fri=error.fee_fri) from error
        if (await registry.funds(registry.account)).means_fri < job.terms.bond_fri:
            # Lost, not refused: it may be tried again once there is money.
            raise JobLost("The account cannot pay the bond now.", fees_fri=error.fee_fri) from error
        raise JobRejected(
            Code.LOST, f"The registry refuses the claim: {error}", fees_fri=error.fee_fri
        ) from error


async def _is_submitted(attempt: Attempt, context: WorkerContext) -> bool:
    """Whether the registry already has our result."""
    job, _ = await current_job(attempt, context)
    ours = job.worker == context.registry.account and job.result_cid == attempt.result_cid
    return ours and job.state in (JobState.SUBMITTED, JobState.DISPUTED, JobState.PAID)
