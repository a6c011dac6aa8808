"""A fake renderer: instant, with scripted behaviour for each scene."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.fakes import validation

from veriframe.errors import Code, HostUnavailable, JobRejected
from veriframe.model.rendering.frames import Frame, Progress, RenderTask, ValidatedFrame
from veriframe.model.rendering.scene import BlenderVersion, SceneInspection
from veriframe.ports.renderer import Cut, CutSamples, Kernel, Renderer, RendererFacts, RenderSession, Tile

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

CLASS = "4.5.15-5afeabba6097-CPU-0123456789abcdef"

_SIGNATURES = (b"BLENDER", b"\x28\xb5\x2f\xfd", b"\x1f\x8b")


@dataclass
class Script:
    """The behaviour for one scene. Each call of a method raises the next of its `…_failures`, if any."""

    inspection: SceneInspection = INSPECTION
    colour: tuple[int, int, int] = (200, 120, 40)
    small_colour: tuple[int, int, int] | None = None
    """The colour of pictures at less than 100 percent; None: the same."""
    seconds: float = 0.0
    """How long each frame takes."""
    inspect_failures: list[Exception] = field(default_factory=list)
    render_failures: list[Exception] = field(default_factory=list)
    frame_failures: dict[int, list[Exception]] = field(default_factory=dict)
    """Raised in place of a frame, by its number."""
    validation_failures: list[Exception] = field(default_factory=list)
    broken_output: bool = False
    """Whether to write text instead of a picture."""
    size: tuple[int, int] | None = None
    """The full picture's size; None: the size in the inspection."""


class FakeRenderer(Renderer):
    """Renders frames of one colour. `scripts` maps the first bytes of a scene to its behaviour.

    `opened` lists the scenes of all sessions, `folders` their bundles, `kernels` what they render with,
    `inspected` the scenes of all inspections, `cuts` what was cut, `tasks` and `leases` what was rendered,
    `validations` and `validation_leases` what was validated. `renders`, `sessions` (open now) and `cancelled`
    are counts; `rendering` is set while a render is in progress; `last_session` was opened last.
    """

    def __init__(self, facts: RendererFacts = FACTS, capacity: int = 1) -> None:
        self.known_facts = facts
        self.places, self.known_class = capacity, CLASS
        self.scripts: dict[bytes, Script] = {}
        self.fault: Exception | None = None
        self.opened: list[Path] = []
        self.folders: list[Path | None] = []
        self.kernels: list[Kernel] = []
        self.cuts: list[Sequence[Cut]] = []
        self.merged: list[Sequence[Tile]] = []
        self.merge_failures: list[Exception] = []
        self.inspected: list[Path] = []
        self.tasks: list[RenderTask] = []
        self.leases: list[float] = []
        self.validations: list[RenderTask] = []
        self.validation_leases: list[float] = []
        self.cancelled = self.sessions = 0
        self.self_tests, self.unfit = 0, False
        self.closed, self.waits = False, True
        self.rendering = asyncio.Event()
        self.last_session: FakeSession | None = None
        self.wrote: dict[Path, Script] = {}

    @property
    def capacity(self) -> int:
        """As given, or as `places` was set."""
        return self.places

    async def facts(self) -> RendererFacts:
        """The facts that the test set."""
        self.fail()
        return self.known_facts

    async def machine_class(self) -> str:
        """As `known_class` was set."""
        self.fail()
        return self.known_class

    async def render_test_scene(self) -> None:
        """Passes, unless `unfit` is set."""
        self.self_tests += 1
        if self.unfit:
            raise HostUnavailable("The test scene renders black.")

    @asynccontextmanager
    async def open(
        self, scene: Path, folder: Path | None = None, kernel: Kernel = Kernel.BEST
    ) -> AsyncIterator[FakeSession]:
        """Yields a session with the scene's script."""
        self.fail()
        self.kernels.append(kernel)
        self.opened.append(scene)
        self.folders.append(folder)
        self.sessions += 1
        try:
            self.last_session = self.session(scene)
            yield self.last_session
        finally:
            self.sessions -= 1

    def session(self, scene: Path) -> FakeSession:
        """Returns a new session; other fakes may return another kind."""
        return FakeSession(self, scene)

    async def validate(
        self,
        task: RenderTask,
        frames: Sequence[Frame],
        out: Path,
        clean: Path,
        *,
        lease_seconds: float = math.inf,
    ) -> Sequence[ValidatedFrame]:
        """Opens the pictures and copies them."""
        self.fail()
        self.validations.append(task)
        self.validation_leases.append(lease_seconds)
        _fail_by(self.wrote.get(out.parent, Script()).validation_failures)
        return [validation.validated(task, frame, out, clean) for frame in frames]

    async def merge(
        self, scene: Path, tiles: Sequence[Tile], task: RenderTask, out: Path, folder: Path | None = None
    ) -> Frame:
        """Draws the whole; notes the tiles in `merged`. Raises the next of `merge_failures`, if any."""
        _fail_by(self.merge_failures)
        self.merged.append(tiles)
        script = self.wrote[out.parent] = self.script(scene)
        return _draw(script, task, task.frames[0], out)

    async def denoise(
        self, scene: Path, folder: Path | None, proof: Path, task: RenderTask, out: Path
    ) -> Frame:
        """Draws the whole."""
        script = self.wrote[out.parent] = self.script(scene)
        return _draw(script, task, task.frames[0], out)

    async def cut(self, cuts: Sequence[Cut]) -> Sequence[CutSamples]:
        """Opens the pictures; notes the cuts in `cuts`."""
        self.fail()
        self.cuts.append(cuts)
        return [validation.cut(one) for one in cuts]

    async def contact_sheet(self, thumbnails: Sequence[Path], target: Path) -> None:
        """Draws the thumbnails in one row."""
        self.fail()
        validation.contact_sheet(thumbnails, target)

    async def close(self) -> None:
        """Notes it in `closed`."""
        self.closed = True

    async def before_inspection(self, scene: Path) -> None:
        """For subclasses: called before an inspection. May wait or raise."""

    async def before_frames(self, scene: Path, task: RenderTask, lease_seconds: float) -> None:
        """For subclasses: called before the first frame, within the render. May wait or raise."""

    def script(self, scene: Path) -> Script:
        """The behaviour for a scene."""
        content = scene.read_bytes()
        for start, script in self.scripts.items():
            if content.startswith(start):
                return script
        return Script()

    def fail(self) -> None:
        """Raises `fault`, if it is set."""
        if self.fault is not None:
            raise self.fault


class FakeSession(RenderSession):
    """One scene, as its script says."""

    def __init__(self, renderer: FakeRenderer, scene: Path) -> None:
        self._renderer, self._scene = renderer, scene
        self._inspection: SceneInspection | None = None
        self.over = False
        self.paused: list[bool] = []
        """True for each `pause`, False for each `resume`."""

    async def may_wait(self) -> bool:
        """As the renderer's `waits` says."""
        return self._renderer.waits

    has_cycle = False

    @property
    def is_over(self) -> bool:
        """As `over` was set."""
        return self.over

    async def pause(self) -> None:
        """Notes it in `paused`."""
        self.paused.append(True)

    async def resume(self) -> None:
        """Notes it in `paused`."""
        self.paused.append(False)

    async def inspect(self) -> SceneInspection:
        """Returns the inspection of its script."""
        self._renderer.fail()
        if self._inspection is None:
            self._renderer.inspected.append(self._scene)
            await self._renderer.before_inspection(self._scene)
            script = self._renderer.script(self._scene)
            _fail_by(script.inspect_failures)
            if not self._scene.read_bytes().startswith(_SIGNATURES):
                raise JobRejected(Code.CORRUPT, "Blender cannot open the file: it is not a scene.")
            self._inspection = script.inspection
        return self._inspection

    async def frames(
        self,
        task: RenderTask,
        out: Path,
        *,
        lease_seconds: float = math.inf,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> AsyncIterator[Frame]:
        """Writes one small picture for each frame."""
        renderer = self._renderer
        renderer.fail()
        script = renderer.wrote[out.parent] = renderer.script(self._scene)
        renderer.tasks.append(task)
        renderer.leases.append(lease_seconds)
        renderer.rendering.set()
        try:
            await renderer.before_frames(self._scene, task, lease_seconds)
            _fail_by(script.render_failures)
            for done, number in enumerate(task.frames):
                on_progress(validation.progress("rendering", number, done, task))
                await asyncio.sleep(script.seconds)
                _fail_by(script.frame_failures.get(number, []))
                frame = _draw(script, task, number, out)
                on_progress(validation.progress("writing", number, done + 1, task))
                yield frame
        except asyncio.CancelledError:
            renderer.cancelled += 1
            raise
        finally:
            renderer.rendering.clear()


def _draw(script: Script, task: RenderTask, number: int, out: Path) -> Frame:
    full = script.size or (script.inspection.width, script.inspection.height)
    colour = script.colour if task.percent == 100 else script.small_colour or script.colour
    frame = validation.draw(task, number, out, full, None if script.broken_output else colour)
    return replace(frame, seconds=script.seconds)


def _fail_by(failures: list[Exception]) -> None:
    if failures:
        raise failures.pop(0)
