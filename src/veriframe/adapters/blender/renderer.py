"""The renderer: runs Blender in a sandbox. Its reports count only after its files have been checked."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

from veriframe.adapters.blender import (
    contact_sheets,
    cutting,
    machine_class,
    merging,
    outcome,
    outputs,
    scripts,
    validation,
)
from veriframe.adapters.blender.reports import About, Decoded, RunReport
from veriframe.adapters.blender.runtimes import Runtime, with_kernel
from veriframe.adapters.blender.sandbox.limits import host_errors
from veriframe.adapters.blender.sandbox.run import OUT, RunExit, Sandbox
from veriframe.adapters.blender.session import BlenderSession
from veriframe.adapters.blender.spares import SpareLimits, Spares
from veriframe.errors import HostUnavailable, JobError, RenderFailed
from veriframe.model.quantities import format_span
from veriframe.model.rendering.frames import Frame, RenderLimits, RenderTask, ValidatedFrame
from veriframe.model.rendering.scene import BlenderVersion
from veriframe.model.text import printable
from veriframe.ports.renderer import Cut, CutSamples, Kernel, Renderer, RendererFacts, Tile
from veriframe.threads import run_uninterrupted

_START_SECONDS = 120.0


class BlenderRenderer(Renderer):
    """Renders with one Blender in one kind of sandbox. Any number of sessions may be open."""

    def __init__(
        self,
        runtime: Runtime,
        sandbox: Sandbox,
        *,
        limits: RenderLimits | None = None,
        capacity: int = 1,
        spares: SpareLimits | None = None,
    ) -> None:
        """`limits` apply to each session, start and validation. `capacity` is what the worker is told.

        `spares`: the Blenders that are started ahead, by default none. Starts nothing.
        """
        self._runtime, self._sandbox, self._capacity = runtime, sandbox, capacity
        self._limits = limits or RenderLimits()
        ahead = spares or SpareLimits(most=0)
        self._wait_bytes, self._spares = ahead.memory_bytes, Spares(self._make_session, ahead)
        self._facts: RendererFacts | None = None
        self.own_class = machine_class.OwnClass()

    async def facts(self) -> RendererFacts:
        """What this renderer is. Asks Blender once.

        Raises `SettingsError` if Blender cannot start here, `HostUnavailable` if it cannot now.
        """
        if self._facts is None:
            self._facts = await self._ask_facts()
        return self._facts

    async def _ask_facts(self) -> RendererFacts:
        script = scripts.Script(name="about_blender.py", wall_seconds=_START_SECONDS, limits=self._limits)
        end, report = await self._run(script)
        about = next((event for event in report.events if isinstance(event, About)), None)
        if about is None:
            raise outcome.cannot_start(end, self._start_allowance, report.error)
        return RendererFacts(
            program=self._runtime.name,
            version=BlenderVersion(about.major, about.minor),
            version_text=printable(about.version_text),
            build_hash=printable(about.build_hash),
            sandbox_level=self._sandbox.level.name,
            memory_held_by=self._sandbox.memory_held_by,
            has_two_kernels=await run_uninterrupted(machine_class.has_two_kernels),
        )

    async def machine_class(self) -> str:
        """Measured, or as remembered. Raises `HostUnavailable`, `SettingsError`."""
        return await self.own_class.known(await self.facts(), self.measure_class)

    async def measure_class(self, kernel: Kernel = Kernel.BEST) -> str:
        """The part of the class that is measured, with any kernel. Raises `HostUnavailable`."""
        async with scripts.scratch() as folder:
            out, _ = _make_folders(folder)
            with machine_class.unfit():
                scene = await self._make_scene("make_reference_scene.py", folder)
                return await machine_class.measured(self, scene, out, kernel)

    @property
    def _start_allowance(self) -> outcome.Allowance:
        return outcome.Allowance(limits=self._limits, seconds=_START_SECONDS)

    @property
    def capacity(self) -> int:
        """As given."""
        return self._capacity

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox that it renders in."""
        return self._sandbox

    @contextlib.asynccontextmanager
    async def open(
        self, scene: Path, folder: Path | None = None, kernel: Kernel = Kernel.BEST
    ) -> AsyncIterator[BlenderSession]:
        """A session for one scene, of a Blender that was started ahead if there is one.

        One started ahead cannot be shown a bundle or use another kernel any more. Entering it raises
        `HostUnavailable`.
        """
        is_plain = folder is None and kernel is Kernel.BEST
        session = await self._spares.take(scene) if is_plain else None
        try:
            if session is None:
                session = self._make_session(kernel)
                await session.start(scene, folder)
            yield session
        finally:
            if session is not None:
                await session.close()

    async def merge(
        self, scene: Path, tiles: Sequence[Tile], task: RenderTask, out: Path, folder: Path | None = None
    ) -> Frame:
        """Merge the tiles of a split still and denoise them once, in the scene's own session.

        Raises `ValidationFailed` (NOT_IMAGE), `RenderFailed`, `HostUnavailable`.
        """
        merged = merging.merged(self._sandbox, tiles, task, self._limits)
        return await self._show(scene, folder, merged, task, out)

    async def denoise(
        self, scene: Path, folder: Path | None, proof: Path, task: RenderTask, out: Path
    ) -> Frame:
        """Denoise a published proof again, as one tile that is the whole picture.

        Raises `ValidationFailed` (NOT_IMAGE), `RenderFailed`, `HostUnavailable`.
        """
        task = replace(task, has_proof=False)
        merged = merging.of_proof(self._sandbox, proof, task, self._limits)
        return await self._show(scene, folder, merged, task, out)

    async def _show(
        self,
        scene: Path,
        folder: Path | None,
        picture: AbstractAsyncContextManager[Path],
        task: RenderTask,
        out: Path,
    ) -> Frame:
        """The frame of a scene that shows a picture in place of a render."""
        session = self._make_session()
        try:
            async with picture as merged:
                await session.start(scene, folder, merged)
                (frame,) = [frame async for frame in session.frames(task, out)]
        finally:
            await session.close()
        return frame

    async def cut(self, cuts: Sequence[Cut]) -> Sequence[CutSamples]:
        """Decode parts of pictures in one clean sandbox.

        Raises `ValidationFailed`, `RenderFailed`, `HostUnavailable`.
        """
        return await cutting.cut(self._sandbox, cuts, self._limits)

    def start_ahead(self) -> None:
        """Start Blender for the next scene, in the background."""
        self._spares.fill()

    async def close(self) -> None:
        """End what was started ahead."""
        await self._spares.close()

    def _make_session(self, kernel: Kernel = Kernel.BEST) -> BlenderSession:
        runtime = with_kernel(self._runtime, kernel)
        return BlenderSession(self._sandbox, runtime, self._limits, self._wait_bytes)

    async def validate(
        self,
        task: RenderTask,
        frames: Sequence[Frame],
        out: Path,
        clean: Path,
        *,
        lease_seconds: float = math.inf,
    ) -> Sequence[ValidatedFrame]:
        """Decode the frames in `out` in a clean sandbox and write them without metadata to `clean`.

        Only the task's own size is decoded, whatever was reported. Raises `ValidationFailed`: NOT_IMAGE,
        WRONG_SIZE, NOT_FINITE, TAMPER, TIMEOUT, LEASE.
        """
        if (size := task.frame_size) is not None:
            frames = [replace(frame, width=size[0], height=size[1]) for frame in frames]
        decoding = validation.Decoding(task, frames, out, clean)
        decoded = await validation.decode(self._sandbox, decoding, self._limits, lease_seconds)
        with host_errors.as_unavailable():
            return [_validated(frame, event, clean) for frame, event in zip(frames, decoded, strict=True)]

    async def contact_sheet(self, thumbnails: Sequence[Path], target: Path) -> None:
        """Draw thumbnails into one JPEG, in a clean sandbox. Raises `ValidationFailed`, `HostUnavailable`."""
        await contact_sheets.draw(self._sandbox, thumbnails, target, self._limits)

    async def render_test_scene(self) -> None:
        """Render a small built-in scene with Cycles. Raises `HostUnavailable` if that fails."""
        result = await self._check_engine("CYCLES")
        if not result.startswith("renders in "):
            raise HostUnavailable(f"The test scene {result}. Run: veriframe doctor.")

    async def check_engines(self, engines: Sequence[str] | None = None) -> Mapping[str, str]:
        """Render a tiny scene with each engine. Returns `renders in 1.2 s` or the reason for the failure.

        The default is the three engines that this Blender has.
        """
        wanted = engines or engines_of((await self.facts()).version)
        return {engine: await self._check_engine(engine) for engine in wanted}

    async def _check_engine(self, engine: str) -> str:
        started = time.monotonic()
        async with scripts.scratch() as folder:
            out, clean = _make_folders(folder)
            try:
                scene = await self._make_scene("make_test_scene.py", folder, engine)
                async with self.open(scene) as session:
                    frames = [frame async for frame in session.frames(RenderTask(), out)]
                seconds = time.monotonic() - started
                (validated,) = await self.validate(RenderTask(), frames, out, clean)
            except (JobError, HostUnavailable) as error:
                return str(error)
        return "renders black" if validated.is_black else f"renders in {format_span(seconds)}"

    async def _make_scene(self, name: str, folder: Path, *more: str) -> Path:
        script = scripts.Script(
            name=name,
            arguments=(OUT / "scene.blend", *more),
            out=folder,
            expected=("scene.blend",),
            wall_seconds=_START_SECONDS,
            limits=self._limits,
        )
        end, report = await self._run(script)
        allowed, free_bytes = self._start_allowance, outputs.free_bytes(folder)
        if failed := outcome.failure(
            end, allowed, finished=report.finished, error=report.error, free_bytes=free_bytes
        ):
            raise failed
        if end.fault:
            raise RenderFailed(end.fault.code, end.fault.sentence)
        return folder / "scene.blend"

    async def _run(self, script: scripts.Script) -> tuple[RunExit, RunReport]:
        return await scripts.run_script(self._sandbox, self._runtime, script)


def engines_of(version: BlenderVersion) -> tuple[str, ...]:
    """The identifiers of Blender's own engines; EEVEE had another one from 4.2 to 4.5."""
    is_next = (4, 2) <= (version.major, version.minor) < (5, 0)
    return ("CYCLES", "BLENDER_EEVEE_NEXT" if is_next else "BLENDER_EEVEE", "BLENDER_WORKBENCH")


def _validated(frame: Frame, event: Decoded, clean: Path) -> ValidatedFrame:
    return ValidatedFrame(
        number=frame.number,
        file=frame.file,
        width=event.width,
        height=event.height,
        channels=event.channels,
        bit_depth=event.bit_depth,
        pixel_digest=event.pixel_digest,
        channel_names=event.channel_names,
        proof_root=event.proof_root,
        size_bytes=(clean / frame.file).stat().st_size,
        is_black=event.black,
    )


def _make_folders(folder: Path) -> tuple[Path, Path]:
    out, clean = folder / "out", folder / "clean"
    with host_errors.as_unavailable():
        out.mkdir()
        clean.mkdir()
    return out, clean
