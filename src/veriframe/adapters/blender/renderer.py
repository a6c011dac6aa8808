"""The renderer: runs Blender in a sandbox. Its reports count only after its files have been checked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from veriframe.adapters.blender import outcome, outputs, scripts, validation
from veriframe.adapters.blender.reports import (
    About,
    Decoded,
    Event,
    Normalised,
    ProgressReport,
    RunReport,
)
from veriframe.adapters.blender.request import Request, file_name, reported_frames, with_size
from veriframe.adapters.blender.runtimes import Runtime
from veriframe.adapters.blender.sandbox.limits import host_errors
from veriframe.adapters.blender.sandbox.run import OUT, RunExit, Sandbox
from veriframe.errors import Code, HostUnavailable, JobError, RenderFailed, ValidationFailed
from veriframe.model.rendering.checks import parse_inspection
from veriframe.model.rendering.frames import (
    Frame,
    ImageFormat,
    Progress,
    Rendering,
    RenderLimits,
    RenderTask,
    ValidatedFrame,
)
from veriframe.model.rendering.scene import BlenderVersion, SceneInspection
from veriframe.model.text import printable, some_names
from veriframe.ports.renderer import Renderer, RendererFacts

log = structlog.get_logger()


_LIBRARY = re.compile(r"lib[\w.+-]+\.so[\w.]*(?=: cannot open shared object)")
_START_SECONDS = 120.0


class BlenderRenderer(Renderer):
    """Renders with one Blender in one kind of sandbox. Any number of renders may run at the same time."""

    def __init__(self, runtime: Runtime, sandbox: Sandbox, *, limits: RenderLimits | None = None) -> None:
        """`limits` apply to inspections and self-tests; a render uses those of its task. Starts nothing."""
        self._runtime, self._sandbox = runtime, sandbox
        self._limits = limits or RenderLimits()
        self._facts: RendererFacts | None = None

    async def facts(self) -> RendererFacts:
        """What this renderer is. Asks Blender once. Raises `HostUnavailable` if Blender cannot start."""
        if self._facts is None:
            self._facts = await self._ask_facts()
        return self._facts

    async def _ask_facts(self) -> RendererFacts:
        script = scripts.Script(name="about_blender.py", wall_seconds=_START_SECONDS, limits=self._limits)
        end, report = await self._run(script)
        about = next((event for event in report.events if isinstance(event, About)), None)
        if about is None:
            raise _cannot_start(end, report, self._start_allowance)
        return RendererFacts(
            program=self._runtime.name,
            version=BlenderVersion(about.major, about.minor),
            version_text=printable(about.version_text),
            build_hash=printable(about.build_hash),
            sandbox_level=self._sandbox.level.name,
            memory_held_by=self._sandbox.memory_held_by,
        )

    @property
    def _start_allowance(self) -> outcome.Allowance:
        return outcome.Allowance(limits=self._limits, seconds=_START_SECONDS)

    async def inspect(self, scene: Path) -> SceneInspection:
        """What Blender finds in a scene.

        Raises `JobRejected`: CORRUPT if Blender cannot open the scene, or the code of the limit that it hit.
        """
        allowed = outcome.for_inspection(self._limits)
        async with scripts.readable(scene) as shown:
            script = scripts.Script(
                name="inspect_scene.py",
                arguments=(scripts.SCENE,),
                shown={scripts.SCENE: shown},
                wall_seconds=allowed.wall_seconds,
                limits=allowed.limits,
            )
            end, report = await self._run(script)
        if report.inspection is None:
            raise outcome.rejection(end, allowed, error=report.error)
        return parse_inspection(report.inspection)

    async def render(
        self, scene: Path, task: RenderTask, out: Path, on_progress: Callable[[Progress], None]
    ) -> Rendering:
        """Render into `out`, a new and empty folder. Raises `RenderFailed` with the outcome's code.

        A frame whose reported size differs from the task's is WRONG_SIZE; its file is not read.
        """
        return await self._render(scene, Request(task), out, on_progress)

    async def _render(
        self, scene: Path, request: Request, out: Path, on_progress: Callable[[Progress], None]
    ) -> Rendering:
        task = request.task
        allowed = outcome.for_render(task)
        async with scripts.readable(scene) as shown:
            script = scripts.Script(
                name="render_frames.py",
                arguments=(scripts.SCENE, OUT, request.as_json()),
                shown={scripts.SCENE: shown},
                out=out,
                expected=[file_name(number, task.format) for number in task.frames],
                wall_seconds=allowed.wall_seconds,
                limits=allowed.limits,
            )
            end, report = await self._run(script, lambda event: _pass_on(event, task, on_progress))
        if failed := outcome.failure(
            end, allowed, finished=report.finished, error=report.error, free_bytes=outputs.free_bytes(out)
        ):
            raise failed
        frames = reported_frames(report, request)
        if end.fault:
            if end.fault.code is Code.TAMPER:
                log.error("output_tampered", reason=end.fault.sentence)
            raise RenderFailed(end.fault.code, end.fault.sentence)
        return Rendering(frames=frames, seconds=end.seconds, peak_memory_bytes=end.peak_memory_bytes)

    async def validate(
        self, scene: Path, task: RenderTask, rendering: Rendering, out: Path, clean: Path
    ) -> Sequence[ValidatedFrame]:
        """Decode the frames in `out` in a clean sandbox and write them without metadata to `clean`.

        A black frame is rendered once more, at a smaller size, in a new process; if it is black again, it is
        accepted. All of this ends within the task's `lease_seconds`. Raises `ValidationFailed`: NOT_IMAGE,
        WRONG_SIZE, NOT_FINITE, BLACK, TAMPER, TIMEOUT, LEASE; for a black frame also what `render` raises.
        """
        until = time.monotonic() + task.lease_seconds
        frames = [with_size(frame, task.size) for frame in rendering.frames]
        decoded = await validation.decode(self._sandbox, frames, out, clean, task)
        if black := tuple(event.number for event in decoded if event.black):
            await self._validate_black(scene, replace(task, frames=black), until)
        with host_errors.as_unavailable():
            return [_validated(frame, event, clean) for frame, event in zip(frames, decoded, strict=True)]

    async def _validate_black(self, scene: Path, task: RenderTask, until: float) -> None:
        """`until` is the latest end, by `time.monotonic`."""
        async with scripts.scratch() as folder:
            out, clean = _make_folders(folder)
            small = Request(_limited(task, until), percent=25, samples=16)
            rendering = await self._render(scene, small, out, lambda progress: None)
            again = await validation.decode(
                self._sandbox, rendering.frames, out, clean, _limited(task, until)
            )
        if bright := [str(event.number) for event in again if not event.black]:
            raise ValidationFailed(
                Code.BLACK,
                f"Black in the first render, but not when rendered again: frames {some_names(bright)}. "
                "Run: veriframe doctor.",
            )

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
        task = RenderTask(format=ImageFormat.PNG, limits=self._limits)
        async with scripts.scratch() as folder:
            out, clean = _make_folders(folder)
            try:
                scene = await self._make_test_scene(engine, folder)
                rendering = await self.render(scene, task, out, lambda progress: None)
                (decoded,) = await validation.decode(self._sandbox, rendering.frames, out, clean, task)
            except (JobError, HostUnavailable) as error:
                return str(error)
        return "renders black" if decoded.black else f"renders in {rendering.seconds:.1f} s"

    async def _make_test_scene(self, engine: str, folder: Path) -> Path:
        script = scripts.Script(
            name="make_test_scene.py",
            arguments=(OUT / "scene.blend", engine),
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

    async def _run(
        self, script: scripts.Script, on_event: Callable[[Event], None] = lambda event: None
    ) -> tuple[RunExit, RunReport]:
        return await scripts.run_script(self._sandbox, self._runtime, script, on_event)


def engines_of(version: BlenderVersion) -> tuple[str, ...]:
    """The identifiers of Blender's own engines; EEVEE had another one from 4.2 to 4.5."""
    is_next = (4, 2) <= (version.major, version.minor) < (5, 0)
    return ("CYCLES", "BLENDER_EEVEE_NEXT" if is_next else "BLENDER_EEVEE", "BLENDER_WORKBENCH")


def _pass_on(event: Event, task: RenderTask, on_progress: Callable[[Progress], None]) -> None:
    if isinstance(event, ProgressReport):
        if event.total == len(task.frames) and event.done <= event.total and event.frame in task.frames:
            on_progress(event.value())
    elif isinstance(event, Normalised) and event.changed:
        log.info("scene_normalised", changed=[printable(change) for change in event.changed[:20]])


def _limited(task: RenderTask, until: float) -> RenderTask:
    """The task with the time that is left until `until`. Raises `ValidationFailed` (LEASE) if none is."""
    left = until - time.monotonic()
    if left <= 0:
        raise ValidationFailed(
            Code.LEASE, "The frame is black, and the lease leaves no time to render it again."
        )
    return replace(task, lease_seconds=left)


def _validated(frame: Frame, event: Decoded, clean: Path) -> ValidatedFrame:
    return ValidatedFrame(
        number=frame.number,
        file=frame.file,
        width=event.width,
        height=event.height,
        channels=event.channels,
        bit_depth=event.bit_depth,
        pixel_sha256=event.pixel_sha256,
        size_bytes=(clean / frame.file).stat().st_size,
    )


def _make_folders(folder: Path) -> tuple[Path, Path]:
    out, clean = folder / "out", folder / "clean"
    with host_errors.as_unavailable():
        out.mkdir()
        clean.mkdir()
    return out, clean


def _cannot_start(end: RunExit, report: RunReport, allowed: outcome.Allowance) -> HostUnavailable:
    output = " ".join((report.error or "", *end.log_tail))
    if library := _LIBRARY.search(output):
        return HostUnavailable(
            f"Blender cannot start: the system's library {library[0]} is missing. Run: apt-get install "
            "libgl1 libegl1 libxkbcommon0 libsm6 libxi6 libxxf86vm1 libxfixes3 libxrender1."
        )
    failed = outcome.failure(
        end, allowed, finished=False, error=report.error, free_bytes=outcome.DISK_FULL_BYTES
    )
    return HostUnavailable(
        f"Blender cannot start in the sandbox. {failed} BLENDER_PATH must name the program "
        "itself, with its own folders beside it, and not a script that starts it."
    )
