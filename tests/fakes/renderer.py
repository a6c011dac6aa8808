"""A fake renderer: instant, with scripted behaviour for each scene."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from veriframe.errors import Code, HostUnavailable, JobRejected, RenderFailed, ValidationFailed
from veriframe.model.rendering.frames import (
    Frame,
    ImageFormat,
    Progress,
    Rendering,
    RenderTask,
    ValidatedFrame,
)
from veriframe.model.rendering.scene import BlenderVersion, SceneInspection
from veriframe.ports.renderer import Renderer, RendererFacts

INSPECTION = SceneInspection(
    blender="4.5.15 LTS",
    scene="Scene",
    engine="CYCLES",
    width=64,
    height=36,
    samples=4,
    frame_start=1,
    frame_end=250,
    camera="Camera",
    view_layers=("ViewLayer",),
    missing=(),
    scripts=(),
    risky=(),
    outputs=("/tmp/",),
    unrepeatable=(),
    uses_sequencer=False,
    output_is_movie=False,
    objects=3,
    seconds=0.1,
)

FACTS = RendererFacts(
    program="bpy wheel",
    version=BlenderVersion(4, 5),
    version_text="4.5.15 LTS",
    build_hash="5afeabba6097",
    sandbox_level="STRICT",
    memory_held_by="cgroup v2",
)


@dataclass
class Script:
    """The behaviour for one scene. Each call of a method raises the next of its `…_failures`, if any."""

    inspection: SceneInspection = INSPECTION
    colour: tuple[int, int, int] = (200, 120, 40)
    seconds: float = 0.0
    """How long each frame takes."""
    inspect_failures: list[Exception] = field(default_factory=list)
    render_failures: list[Exception] = field(default_factory=list)
    validation_failures: list[Exception] = field(default_factory=list)
    broken_output: bool = False
    """Whether to write text instead of a picture."""
    size: tuple[int, int] | None = None
    """The frame's size; None: the size in the inspection."""


class FakeRenderer(Renderer):
    """Renders frames of one colour. `scripts` maps the first bytes of a scene to its behaviour.

    `renders` and `cancelled` are counts; `rendering` is set while a render is in progress.
    """

    def __init__(self, facts: RendererFacts = FACTS) -> None:
        self.known_facts = facts
        self.scripts: dict[bytes, Script] = {}
        self.fault: Exception | None = None
        self.inspected: list[Path] = []
        self.tasks: list[RenderTask] = []
        self.validations: list[RenderTask] = []
        self.cancelled = 0
        self.self_tests, self.unfit = 0, False
        self.rendering = asyncio.Event()

    @property
    def renders(self) -> int:
        """How many renders were started."""
        return len(self.tasks)

    async def facts(self) -> RendererFacts:
        """The facts that the test set."""
        self._fail()
        return self.known_facts

    async def render_test_scene(self) -> None:
        """Passes, unless `unfit` is set."""
        self.self_tests += 1
        if self.unfit:
            raise HostUnavailable("The test scene renders black.")

    async def inspect(self, scene: Path) -> SceneInspection:
        """Returns the inspection of its script."""
        self._fail()
        self.inspected.append(scene)
        script = self._script(scene)
        _fail_by(script.inspect_failures)
        if not _is_scene(scene):
            raise JobRejected(Code.CORRUPT, "Blender cannot open the file: it is not a scene.")
        return script.inspection

    async def render(
        self, scene: Path, task: RenderTask, out: Path, on_progress: Callable[[Progress], None]
    ) -> Rendering:
        """Writes one small picture for each frame."""
        self._fail()
        script = self._script(scene)
        self.tasks.append(task)
        self.rendering.set()
        try:
            _fail_by(script.render_failures)
            frames = [await self._frame(script, task, n, out, on_progress) for n in task.frames]
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.rendering.clear()
        return Rendering(frames=tuple(frames), seconds=script.seconds, peak_memory_bytes=2**28)

    async def _frame(
        self,
        script: Script,
        task: RenderTask,
        number: int,
        out: Path,
        on_progress: Callable[[Progress], None],
    ) -> Frame:
        done = task.frames.index(number)
        on_progress(_progress("rendering", number, done, task))
        await asyncio.sleep(script.seconds)
        name = f"frame_{number:04d}{task.format.suffix}"
        width, height = script.size or (script.inspection.width, script.inspection.height)
        if task.size not in (None, (width, height)):
            raise RenderFailed(Code.WRONG_SIZE, f"Frame {number} does not have the inspected size.")
        if script.broken_output or task.format is not ImageFormat.PNG:
            (out / name).write_bytes(b"no picture")
        else:
            Image.new("RGB", (width, height), script.colour).save(out / name)
        on_progress(_progress("writing", number, done + 1, task))
        return Frame(
            number=number,
            file=name,
            width=width,
            height=height,
            seconds=script.seconds,
            peak_memory_bytes=2**28,
        )

    async def validate(
        self, scene: Path, task: RenderTask, rendering: Rendering, out: Path, clean: Path
    ) -> Sequence[ValidatedFrame]:
        """Opens the pictures and copies them."""
        self._fail()
        self.validations.append(task)
        _fail_by(self._script(scene).validation_failures)
        return [_validate(frame, out, clean) for frame in rendering.frames]

    def _script(self, scene: Path) -> Script:
        content = scene.read_bytes()
        for start, script in self.scripts.items():
            if content.startswith(start):
                return script
        return Script()

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault


def _validate(frame: Frame, out: Path, clean: Path) -> ValidatedFrame:
    if not (out / frame.file).is_file():
        raise ValidationFailed(Code.TAMPER, f"{frame.file} is gone.")
    try:
        with Image.open(out / frame.file) as image:
            size, pixels = image.size, image.tobytes()
    except OSError:
        raise ValidationFailed(Code.NOT_IMAGE, f"{frame.file} is not a picture.") from None
    if size != (frame.width, frame.height):
        raise ValidationFailed(Code.WRONG_SIZE, f"{frame.file} has another size.")
    shutil.copyfile(out / frame.file, clean / frame.file)
    return ValidatedFrame(
        number=frame.number,
        file=frame.file,
        width=frame.width,
        height=frame.height,
        channels=3,
        bit_depth=8,
        pixel_sha256=hashlib.sha256(pixels).hexdigest(),
        size_bytes=(clean / frame.file).stat().st_size,
    )


def _progress(phase: str, frame: int, done: int, task: RenderTask) -> Progress:
    return Progress(
        phase=phase,
        frame=frame,
        done=done,
        total=len(task.frames),
        fraction=None,
        seconds=0.0,
        memory_bytes=2**28,
    )


def _is_scene(scene: Path) -> bool:
    # Tests use short placeholders for scenes; only files with another signature are refused.
    return scene.read_bytes().startswith((b"BLENDER", b"\x28\xb5\x2f\xfd", b"\x1f\x8b"))


def _fail_by(failures: list[Exception]) -> None:
    if failures:
        raise failures.pop(0)
