"""The steps of the pipeline: each does one thing and returns the next attempt.

They raise a `JobError` where the job ends, `Unavailable` where it may go on later. None writes the journal.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from stat import S_ISREG

import structlog

from veriframe.errors import (
    Code,
    JobLost,
    JobRejected,
    MoveRefused,
    RenderFailed,
    StoreUnavailable,
    VerificationFailed,
)
from veriframe.model.attempt import Attempt, Stage
from veriframe.model.frames import RenderLimits, RenderTask
from veriframe.model.job import Job, JobState
from veriframe.ports import OnTransfer, Transfer, unheard
from veriframe.worker.gate import examine
from veriframe.worker.parts import Parts
from veriframe.worker.report import TransferLog
from veriframe.worker.throughput import Throughput

log = structlog.get_logger()

LAST_TRY_SECONDS = 60.0

FRAMES = (1,)
"""A bare `.blend` is frame 1, whatever range the scene itself has."""


async def fetch(attempt: Attempt, parts: Parts) -> Attempt:
    """SEEN → FETCHED: the scene is here, its bytes checked against its CID."""
    end = attempt.reached.get(Stage.SEEN, parts.clock()) + parts.policy.fetch_seconds
    # After a restart, what is nearly there has one try more.
    left = max(end - parts.clock(), min(LAST_TRY_SECONDS, parts.policy.fetch_seconds))
    try:
        throughput = Throughput(parts.policy.fetch_seconds, parts.monotonic)
        async with asyncio.timeout(left):
            await throughput.hold(_fetch_scene(attempt, parts, throughput.hear))
    except (StoreUnavailable, TimeoutError) as error:
        # Waited for, but only as long as the job can still be had, and as others need not wait for it.
        job, now = await _look(attempt, parts)
        if not job.is_open(now):
            raise _no_longer_open() from None
        if isinstance(error, StoreUnavailable) and parts.clock() < end:
            raise
        # A store that is away itself says nothing about the scene.
        await parts.store.pins()
        raise JobRejected(
            Code.NOT_FOUND,
            f"The scene did not come within fetch_seconds ({parts.policy.fetch_seconds:g})."
            f"{f' {error}' if str(error) else ''}",
        ) from error
    return attempt.to(Stage.FETCHED, at=parts.clock())


async def check(attempt: Attempt, parts: Parts) -> Attempt:
    """FETCHED → CHECKED: the file is a scene that this Blender can render, and nothing speaks against it."""
    scene = await _bring_scene(attempt, parts)
    verdict = await examine(scene, parts.renderer, parts.scene_limits)
    inspection = verdict.inspection
    log.info(
        "scene_inspected",
        engine=inspection.engine,
        width=inspection.width,
        height=inspection.height,
        samples=inspection.samples,
        warnings=list(verdict.warnings),
    )
    checked = attempt.to(Stage.CHECKED, at=parts.clock())
    return replace(checked, width=inspection.width, height=inspection.height)


async def claim(attempt: Attempt, parts: Parts) -> Attempt:
    """CHECKED → CLAIMED: the bond is in escrow and the lease runs."""
    with parts.claims.one():
        job, now = await _look(attempt, parts)
        if not _is_our_claim(job, now, parts):
            if not job.is_open(now):
                raise _no_longer_open()
            parts.workspace.require_free(parts.disk_free_bytes)
            async with parts.room.reserved(attempt, parts.store, parts.journal):
                await _claim(attempt, job, parts)
    return attempt.to(Stage.CLAIMED, at=parts.clock())


async def render(attempt: Attempt, parts: Parts) -> Attempt:
    """CLAIMED → RENDERED: exactly the expected files are there. A crash is tried once more."""
    await _lease_left(attempt, parts)
    scene = await _bring_scene(attempt, parts)
    for last in (False, True):
        out = parts.workspace.empty(parts.workspace.rendered(attempt.job_id))
        task = RenderTask(frames=FRAMES, limits=await _limits_within_lease(attempt, parts))
        try:
            rendering = await parts.renderer.render(
                scene, task, out, lambda progress: parts.on_progress(attempt.job_id, progress)
            )
            break
        except RenderFailed as error:
            if last or error.code is not Code.CRASH:
                raise
            log.warning("render_again", code=error.code, reason=str(error))
    parts.workspace.note_rendering(attempt.job_id, rendering)
    frame = rendering.frames[0]
    log.info(
        "frame_rendered",
        seconds=round(rendering.seconds, 3),
        frame_seconds=frame.seconds,
        peak_memory_bytes=rendering.peak_memory_bytes,
        width=frame.width,
        height=frame.height,
    )
    return attempt.to(Stage.RENDERED, at=parts.clock())


async def prove(attempt: Attempt, parts: Parts) -> Attempt:
    """RENDERED → PROVED: the frame decodes in a clean sandbox and carries nothing but pixels."""
    workspace, job_id = parts.workspace, attempt.job_id
    rendering = workspace.rendering(job_id)
    if rendering is None:
        raise RenderFailed(Code.NO_OUTPUT, "The rendered frame is gone from this worker's disk.")
    limits = await _limits_within_lease(attempt, parts)
    scene = await _bring_scene(attempt, parts)
    clean = workspace.empty(workspace.proved(job_id))
    (frame,) = await parts.renderer.prove(
        scene, RenderTask(frames=FRAMES, limits=limits), rendering, workspace.rendered(job_id), clean
    )
    await asyncio.to_thread(workspace.sync, clean)
    log.info(
        "frame_proved",
        size_bytes=frame.size_bytes,
        bit_depth=frame.bit_depth,
        channels=frame.channels,
        pixel_sha256=frame.pixel_sha256,
    )
    return attempt.to(Stage.PROVED, at=parts.clock())


async def store(attempt: Attempt, parts: Parts) -> Attempt:
    """PROVED → STORED: the picture is in the store, pinned, by the CID of its bytes."""
    await _lease_left(attempt, parts)
    result_cid = await keep_result(attempt.job_id, parts)
    picture = await asyncio.to_thread(_only_file, parts.workspace.proved(attempt.job_id))
    after = attempt.to(Stage.STORED, at=parts.clock(), result_cid=result_cid)
    return replace(after, result_bytes=picture.stat().st_size)


async def keep_result(job_id: int, parts: Parts) -> str:
    """Add what was proved, pinned for its job. Returns its CID."""
    picture = await asyncio.to_thread(_only_file, parts.workspace.proved(job_id))
    pin_name = (await parts.pin_names()).result(job_id)
    return await parts.store.add(picture, pin_name, TransferLog(job_id, "picture").hear)


async def submit(attempt: Attempt, parts: Parts) -> Attempt:
    """STORED → SUBMITTED: the registry has the result's CID from us."""
    if not await _is_handed_in(attempt, parts):
        try:
            await _lease_left(attempt, parts)
            await parts.registry.submit_result(attempt.job_id, attempt.result_cid)
        except (JobLost, MoveRefused) as error:
            # After a reorganisation an earlier submission of ours may have been made again meanwhile.
            if not await _is_handed_in(attempt, parts):
                raise JobLost(f"The registry did not take the result: {error}") from error
    return attempt.to(Stage.SUBMITTED, at=parts.clock())


async def release(attempt: Attempt, parts: Parts) -> Attempt:
    """FAILED → RELEASED: the claim is given back with the reason, or was already."""
    job, _ = await _look(attempt, parts)
    if job.state is not JobState.OPEN:
        await _lease_left(attempt, parts)
        try:
            await parts.registry.release(attempt.job_id, attempt.code or Code.STOPPED)
        except MoveRefused as error:
            raise JobLost(f"The registry did not take the claim back: {error}") from error
    return attempt.to(Stage.RELEASED, at=parts.clock())


def _only_file(folder: Path) -> Path:
    files = list(folder.iterdir()) if folder.is_dir() else []
    if len(files) != 1:
        raise VerificationFailed(Code.NO_OUTPUT, "The proved frame is gone from this worker's disk.")
    # What is added becomes public: nothing else than the frame itself, wherever a link might lead.
    if not S_ISREG(files[0].lstat().st_mode):
        raise VerificationFailed(Code.TAMPER, "The proved frame is not a plain file.")
    return files[0]


async def _fetch_scene(attempt: Attempt, parts: Parts, on_progress: OnTransfer) -> None:
    await _bring_scene(attempt, parts, on_progress)


async def _bring_scene(attempt: Attempt, parts: Parts, on_progress: OnTransfer = unheard) -> Path:
    """Where the scene lies; fetched where it does not (yet, or any more)."""
    workspace = parts.workspace
    try:
        target = workspace.scene(attempt.asset_cid)
    except ValueError:
        raise JobRejected(Code.BAD_CID, "The job's asset is not a CID.") from None
    if not workspace.use(target):
        done = (Stage.SEEN, Stage.SUBMITTED)
        workspace.make_room([a.asset_cid for a in parts.journal.unfinished() if a.stage not in done])
        told = TransferLog(attempt.job_id, "scene")

        def hear(transfer: Transfer) -> None:
            told.hear(transfer)
            on_progress(transfer)

        await parts.store.fetch(attempt.asset_cid, target, parts.scene_limits.file_bytes, hear)
    return target


async def _claim(attempt: Attempt, job: Job, parts: Parts) -> None:
    registry = parts.registry
    try:
        await registry.claim(job.id)
    except MoveRefused as error:
        job, now = await _look(attempt, parts)
        if not job.is_open(now):
            raise JobLost("Another worker was faster.") from error
        if (await registry.funds(registry.account)).means_fri < job.terms.bond_fri:
            # Lost, and not refused: it may be tried again once there is money.
            raise JobLost("The account has no money for the bond now.") from error
        raise JobRejected(Code.LOST, f"The registry refuses the claim: {error}") from error


async def _look(attempt: Attempt, parts: Parts) -> tuple[Job, int]:
    """The job as the registry shows it, and the time to judge it by, in chain seconds."""
    look = await parts.registry.look(attempt.job_id, 1)
    for job in look.jobs:
        return job, look.head.time
    raise JobLost("The registry does not know the job any more.")


async def _lease_left(attempt: Attempt, parts: Parts) -> int:
    """The whole seconds that our lease still runs, at least one. Raises `JobLost` where it does not."""
    job, now = await _look(attempt, parts)
    if job.state is JobState.OPEN and job.is_open(now):
        job, now = await _claim_again(attempt, parts)
    if not _is_our_claim(job, now, parts):
        raise JobLost("The registry does not show our claim any more, or its lease is over.")
    return job.lease_end - now


async def _claim_again(attempt: Attempt, parts: Parts) -> tuple[Job, int]:
    """Only a reorganisation opens a job under our lease; or it looks so on a node that lags behind."""
    log.warning("claim_again", reason="the registry shows the job open, though it was claimed")
    try:
        await parts.registry.claim(attempt.job_id)
    except MoveRefused as error:
        raise JobLost(f"The registry took our claim back, and does not give it again: {error}") from error
    return await _look(attempt, parts)


def _no_longer_open() -> JobLost:
    return JobLost("The job is not open any more.")


def _is_our_claim(job: Job, now: int, parts: Parts) -> bool:
    ours = job.state is JobState.CLAIMED and job.worker == parts.registry.account
    return ours and not job.is_lapsed(now)


async def _is_handed_in(attempt: Attempt, parts: Parts) -> bool:
    """Whether the registry has our result already."""
    job, _ = await _look(attempt, parts)
    ours = job.worker == parts.registry.account and job.result_cid == attempt.result_cid
    return ours and job.state in (JobState.SUBMITTED, JobState.DISPUTED, JobState.PAID)


async def _limits_within_lease(attempt: Attempt, parts: Parts) -> RenderLimits:
    """The operator's limits, cut to what the lease leaves. Raises `RenderFailed` (LEASE) for nothing."""
    left = await _lease_left(attempt, parts) - parts.policy.submit_seconds
    limits = parts.policy.limits
    if left <= 0:
        raise RenderFailed(Code.LEASE, "The lease has no time left for a render.")
    wall = min(limits.wall_seconds(len(FRAMES)), left)
    loading = min(limits.loading_seconds, wall / 2)
    return replace(limits, loading_seconds=loading, frame_seconds=(wall - loading) / len(FRAMES))
