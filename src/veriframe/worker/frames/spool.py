"""The frames of one job, one by one: on the disk, and noted in the journal, so that a restart goes on.

A rendered frame lies in a folder of its own, as Blender wrote it, until it is validated.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from veriframe.assets import Asset
from veriframe.errors import Code, RenderFailed, ValidationFailed
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.lease import FRAMES_AT_ONCE
from veriframe.model.rendering.frames import Frame, RenderTask, SpooledFrame, ValidatedFrame
from veriframe.threads import run_uninterrupted
from veriframe.worker.context import WorkerContext
from veriframe.worker.shared.lanes import Lane

log = structlog.get_logger()

AGAIN_PERCENT, AGAIN_SAMPLES = 25, 16
"""How a black frame is rendered again: enough to see whether anything shows."""


@dataclass(frozen=True, slots=True)
class Spool:
    """The frames of an attempt whose task is known."""

    attempt: Attempt
    task: RenderTask
    context: WorkerContext

    @property
    def arriving(self) -> Path:
        """The folder that a session writes to."""
        return self._folder / "new"

    @property
    def _folder(self) -> Path:
        return self.context.workspace.rendered(self.attempt.job_id)

    async def prepare(self) -> tuple[int, ...]:
        """Empties what a session writes to; everything, if no frame is kept. Returns the missing frames.

        Raises `HostUnavailable`.
        """
        workspace, kept = self.context.workspace, await self._kept()
        for one in kept.values():
            self.context.speeds.note_frame(self.attempt.asset_cid, one.frame.seconds)
        if not kept:
            for folder in (self._folder, workspace.validated(self.attempt.job_id)):
                await run_uninterrupted(workspace.empty, folder)
        await run_uninterrupted(workspace.empty, self.arriving)
        return tuple(number for number in self.task.frames if number not in kept)

    async def keep(self, frame: Frame) -> None:
        """Takes a frame that has just arrived. Raises `HostUnavailable`."""
        arrived = [self.arriving / name for name in self._raw_files(frame.number)]
        await run_uninterrupted(self.context.workspace.move, arrived, self._alone(frame.number))
        await self.context.journal.note_frame(
            self.attempt, SpooledFrame(number=frame.number, frame=frame, validated=None)
        )
        log.info(
            "frame_rendered",
            frame=frame.number,
            seconds=round(frame.seconds, 3),
            peak_memory_bytes=frame.peak_memory_bytes,
            width=frame.width,
            height=frame.height,
        )

    async def validate(self, asset: Asset, until: float) -> None:
        """Validates all rendered frames that are not. `until` is the end by the monotonic clock.

        Raises `RenderFailed` (NO_OUTPUT) if one is missing, `ValidationFailed`, `HostUnavailable`.
        """
        kept = await self._kept()
        if gone := [number for number in self.task.frames if number not in kept]:
            raise RenderFailed(Code.NO_OUTPUT, f"Frame {gone[0]} is missing from this worker's disk.")
        waiting = [kept[number].frame for number in self.task.frames if kept[number].validated is None]
        while waiting:
            batch, waiting = waiting[:FRAMES_AT_ONCE], waiting[FRAMES_AT_ONCE:]
            await self.validate_frames(batch, asset, until)

    async def validate_frames(self, frames: Sequence[Frame], asset: Asset, until: float) -> None:
        """Validates frames and notes them; a black one is rendered again, small. Raises as `validate`."""
        async with self._turn(Lane.DECODE, until):
            await self._validate_frames(frames, asset, until)

    async def _validate_frames(self, frames: Sequence[Frame], asset: Asset, until: float) -> None:
        workspace = self.context.workspace
        raw, clean = self._alone(frames[0].number), self._folder / "clean"
        if len(frames) > 1:
            raw = self._together
            files = [self._alone(one.number) / name for one in frames for name in self._raw_files(one.number)]
            await run_uninterrupted(workspace.move, files, raw)
        await run_uninterrupted(workspace.empty, clean)
        validated = await self._decode(self.task, frames, raw, clean, until)
        for frame, found in zip(frames, validated, strict=True):
            if found.is_black:
                await self._look_again(frame, asset, until)
            clean_files = [clean / name for name in self.task.clean_files(frame.number)]
            await run_uninterrupted(workspace.publish, clean_files, workspace.validated(self.attempt.job_id))
            await self.context.journal.note_frame(
                self.attempt, SpooledFrame(number=frame.number, frame=frame, validated=found)
            )
            log.info(
                "frame_validated",
                frame=found.number,
                size_bytes=found.size_bytes,
                bit_depth=found.bit_depth,
                channels=found.channels,
                pixel_digest=found.pixel_digest,
            )

    async def _look_again(self, frame: Frame, asset: Asset, until: float) -> None:
        """A black picture may be right, or a fault of this machine: then a second one shows something."""
        workspace, renderer = self.context.workspace, self.context.renderer
        out, clean = (self._folder / f"{frame.number}-again{suffix}" for suffix in ("", "-clean"))
        small = replace(
            self.task,
            frames=(frame.number,),
            # A region is a part of the whole picture.
            percent=AGAIN_PERCENT if self.task.region is None else 100,
            samples=AGAIN_SAMPLES,
            has_proof=False,
            has_thumbnail=False,
        )
        for folder in (out, clean):
            await run_uninterrupted(workspace.empty, folder)
        opening = renderer.open(asset.scene, asset.folder)
        async with self._turn(Lane.AGAIN, until), opening as session:
            left = self.seconds_left(until, "rendering the black frame again")
            async for again in session.frames(small, out, lease_seconds=left):
                (found,) = await self._decode(small, [again], out, clean, until)
                if not found.is_black:
                    raise ValidationFailed(
                        Code.BLACK,
                        f"Frame {frame.number} was black in the first render, but not when it was rendered "
                        "again. Run: veriframe doctor.",
                    )

    @asynccontextmanager
    async def _turn(self, lane: Lane, until: float) -> AsyncIterator[None]:
        """Takes a place while the context lasts. Raises `RenderFailed` (LEASE)."""
        async with AsyncExitStack() as stack:
            try:
                left = self.seconds_left(until, lane.value)
                await stack.enter_async_context(self.context.lanes.within(lane, left))
            except TimeoutError:
                raise RenderFailed(
                    Code.LEASE, f"Other jobs took the places for {lane.value} as long as the lease left time."
                ) from None
            yield

    async def _decode(
        self, task: RenderTask, frames: Sequence[Frame], out: Path, clean: Path, until: float
    ) -> Sequence[ValidatedFrame]:
        left = self.seconds_left(until, "decoding")
        task = replace(task, frames=tuple(frame.number for frame in frames))
        return await self.context.renderer.validate(task, frames, out, clean, lease_seconds=left)

    def seconds_left(self, until: float, what: str) -> float:
        """Returns the time until `until`, by the monotonic clock. Raises `RenderFailed` (LEASE)."""
        left = until - self.context.monotonic()
        if left <= 0:
            raise RenderFailed(Code.LEASE, f"The lease left no time for {what}.")
        return left

    async def _kept(self) -> dict[int, SpooledFrame]:
        """The noted frames whose files are still there."""
        await run_uninterrupted(self._part)
        noted = await self.context.journal.frames(self.attempt)
        return {one.number: one for one in noted if await asyncio.to_thread(self._is_there, one)}

    def _part(self) -> None:
        """Moves frames back to folders of their own: a validation of several was interrupted."""
        for number in self.task.frames if self._together.is_dir() else ():
            files = [self._together / name for name in self._raw_files(number)]
            if all(file.is_file() for file in files):
                self.context.workspace.move(files, self._alone(number))

    def _is_there(self, one: SpooledFrame) -> bool:
        if one.validated is not None:
            folder = self.context.workspace.validated(self.attempt.job_id)
            return all((folder / name).is_file() for name in self.task.clean_files(one.number))
        return all((self._alone(one.number) / name).is_file() for name in self._raw_files(one.number))

    def _raw_files(self, number: int) -> Sequence[str]:
        return self.task.raw_files(number)

    @property
    def _together(self) -> Path:
        """Where several frames lie while they are validated in one sandbox."""
        return self._folder / "together"

    def _alone(self, number: int) -> Path:
        return self._folder / str(number)
