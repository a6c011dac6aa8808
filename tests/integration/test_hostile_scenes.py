"""Hostile and broken scenes, made by the real Blender, in the scene check and in the sandbox.

Each attack is first shown to work in a bare Blender, on decoys that every user may read and write. So if it
fails later, the sandbox has held it, or the renderer has turned it off.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest
from PIL import Image, ImageChops

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox import selection
from veriframe.adapters.blender.sandbox.run import OUT, Ending, Level, RunLimits, Sandbox, SandboxedRun
from veriframe.errors import Code, JobRejected, RenderFailed
from veriframe.model.rendering.checks import check_version, judge, read_header
from veriframe.model.rendering.frames import RenderLimits, RenderTask, ValidatedFrame
from veriframe.model.rendering.scene import SceneLimits, SceneVerdict

pytestmark = pytest.mark.slow

SCENES = Path(__file__).parents[1] / "scenes"
SECRET = "SECRET"
RUNTIME = runtimes.BpyWheel()

MakeScene = Callable[..., Path]


@dataclass(frozen=True)
class Decoys:
    """A folder outside every scene's own, open to every user, with one file to read."""

    folder: Path

    @property
    def secret(self) -> Path:
        """The file to read."""
        return self.folder / "secret.txt"

    def touched(self) -> list[str]:
        """Returns what was created or changed in the folder."""
        found = [name for name in _names(self.folder) if name != self.secret.name]
        return found + ([] if self.secret.read_text() == SECRET else ["secret.txt"])


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def decoys() -> Iterator[Decoys]:
    """Outside pytest's folders, which only their owner may enter, and outside /tmp, which is new inside."""
    folder = Path(tempfile.mkdtemp(prefix="veriframe-decoys-", dir="/var/tmp"))
    folder.chmod(0o777)
    (folder / "secret.txt").write_text(SECRET)
    (folder / "secret.txt").chmod(0o666)
    yield Decoys(folder)
    shutil.rmtree(folder)


def _run(script: str, *arguments: str) -> None:
    command = [sys.executable, str(SCENES / script), *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def make_scene(tmp_path_factory: pytest.TempPathFactory) -> MakeScene:
    """Makes a scene by name, once for each target."""

    def make(name: str, target: Path | str = "") -> Path:
        path = folder / f"{name}-{abs(hash(str(target)))}.blend"
        if not path.exists():
            _run("make_hostile.py", name, str(path), str(target))
        return path

    folder = tmp_path_factory.mktemp("hostile")
    return make


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """The strongest sandbox, which has just passed its self-test."""
    needed = sorted(set(RUNTIME.visible().values()))
    return asyncio.run(selection.build(Level.STRICT, needed=needed))


@pytest.fixture(scope="module")
def renderer(sandbox: Sandbox) -> BlenderRenderer:
    """The `bpy` wheel in the sandbox."""
    limits = RenderLimits(frame_seconds=60, loading_seconds=60, memory_bytes=2 * 2**30)
    return BlenderRenderer(RUNTIME, sandbox, limits=limits)


async def _examine(renderer: BlenderRenderer, scene: Path) -> SceneVerdict:
    """Runs the whole scene check, as the worker does before a claim."""
    limits = SceneLimits()
    with scene.open("rb") as stream:
        header = read_header(stream, limits)
    check_version(header.version, (await renderer.facts()).version)
    async with renderer.open(scene) as session:
        return judge(header, await session.inspect(), limits)


async def _picture(renderer: BlenderRenderer, scene: Path, folder: Path) -> ValidatedFrame:
    """Renders in the sandbox and validates, as the worker does after a claim."""
    out, clean = folder / "out", folder / "clean"
    for made in (out, clean):
        made.mkdir(parents=True)
    async with renderer.open(scene) as session:
        frames = [frame async for frame in session.frames(RenderTask(), out)]
    (validated,) = await renderer.validate(RenderTask(), frames, out, clean)
    return validated


async def _failure(sandbox: Sandbox, scene: Path, folder: Path, limits: RenderLimits) -> Code:
    """Renders with other limits, which must fail."""
    async with BlenderRenderer(RUNTIME, sandbox, limits=limits).open(scene) as session:
        with pytest.raises(RenderFailed) as raised:
            async for _ in session.frames(RenderTask(), folder):
                pass
    return raised.value.code


REFUSED = {
    "missing_texture": (Code.MISSING_FILES, "//gone/wood.png"),
    "no_camera": (Code.NO_CAMERA, "no active camera"),
    "no_layer": (Code.NO_RENDER_LAYER, "No view layer"),
    "huge": (Code.RESOLUTION, "65536 × 65536"),
    "many_samples": (Code.SAMPLES, "16777216 samples"),
    "unbaked_cloth": (Code.UNREPEATABLE, "Cloth of Plane"),
    "time_limit": (Code.UNREPEATABLE, "time limit of 3 s"),
    "sequencer": (Code.NOT_STILL, "sequencer"),
    "movie": (Code.NOT_STILL, "movie"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_scene_that_cannot_be_rendered_is_refused(
    name: str, renderer: BlenderRenderer, make_scene: MakeScene
) -> None:
    """fault_21, fault_22, fault_30, fault_33: by Blender's inspection, each with its own code."""
    code, words = REFUSED[name]
    with pytest.raises(JobRejected) as raised:
        await _examine(renderer, make_scene(name))
    assert raised.value.code == code
    assert words in str(raised.value)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/proc/self/environ", "//../../wood.png", "/dev/zero", "decoy"]
)
async def test_a_texture_from_elsewhere_is_missing(
    path: str, renderer: BlenderRenderer, make_scene: MakeScene, decoys: Decoys
) -> None:
    """fault_23: files of the machine count as missing, whether they exist or not."""
    target = str(decoys.secret) if path == "decoy" else path
    with pytest.raises(JobRejected) as raised:
        await _examine(renderer, make_scene("missing_texture", target))
    assert raised.value.code == Code.MISSING_FILES
    assert target in str(raised.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("good", []),
        ("black", ["the picture will be black"]),
        ("unused_texture", ["no picture needs them", "//gone/old.png"]),
        ("freestyle_script", ["will not run", "Freestyle style modules"]),
        ("text_module", ["will not run", "attack.py"]),
        ("driver_code", ["will not run", "driver of Plane"]),
        ("import_text", ["Import Text"]),
        ("file_output", ["File Output", "own output paths"]),
        ("output_path", ["own output paths"]),
    ],
)
async def test_what_the_sandbox_holds_passes_with_a_warning(
    name: str, words: list[str], renderer: BlenderRenderer, make_scene: MakeScene, decoys: Decoys
) -> None:
    """fault_25, fault_26: the creator gets a warning; opening and inspecting the scene runs no code."""
    verdict = await _examine(renderer, make_scene(name, decoys.folder))
    warnings = " ".join(verdict.warnings)
    assert [word for word in words if word not in warnings] == []
    assert bool(words) == bool(warnings)
    assert decoys.touched() == []


@pytest.mark.parametrize(
    ("name", "leave", "left"),
    [
        ("freestyle_script", ["scripts"], "written.txt"),
        ("text_module", ["scripts"], "written.txt"),
        ("driver_code", ["scripts"], "written.txt"),
        ("file_output", [], "Image0001.png"),
    ],
)
def test_the_attacks_work_without_a_sandbox(
    name: str, leave: list[str], left: str, make_scene: MakeScene, decoys: Decoys
) -> None:
    """Otherwise the tests below would be meaningless. Only the last attack works with scripts disabled."""
    scene = make_scene(name, decoys.folder)
    _run("render_bare.py", str(scene), str(scene.with_suffix(".png")), *leave)
    assert decoys.touched() == [left]


@pytest.mark.parametrize("name", ["freestyle_script", "text_module", "driver_code", "file_output"])
async def test_the_sandbox_alone_holds_a_scenes_code(
    name: str, sandbox: Sandbox, make_scene: MakeScene, decoys: Decoys, tmp_path: Path
) -> None:
    """fault_25, fault_26: the same bare render, with scripts, in the sandbox: it leaves only its picture."""
    scene, script = PurePosixPath("/job/scene.blend"), PurePosixPath("/job/render_bare.py")
    shown = {scene: make_scene(name, decoys.folder), script: SCENES / "render_bare.py"}
    end = await sandbox.run(
        SandboxedRun(
            argv=(*RUNTIME.argv("", ())[:-1], script, scene, OUT / "a.png", "scripts"),
            limits=RunLimits(wall_seconds=60, memory_bytes=2**31, pids=64),
            visible={**RUNTIME.visible(), **shown},
            out=tmp_path,
            expected=("a.png",),
        )
    )
    assert (end.ending, end.code) == (Ending.EXITED, 0)
    assert _names(tmp_path) == ["a.png"]
    assert decoys.touched() == []


@pytest.mark.parametrize(
    "name", ["freestyle_script", "text_module", "driver_code", "file_output", "output_path"]
)
async def test_nothing_is_written_outside(
    name: str, renderer: BlenderRenderer, make_scene: MakeScene, decoys: Decoys, tmp_path: Path
) -> None:
    """fault_25, fault_26: the picture is rendered, writing nodes are off, and the decoys are unchanged."""
    validated = await _picture(renderer, make_scene(name, decoys.folder), tmp_path)
    assert (validated.width, validated.height) == (64, 36)
    assert decoys.touched() == []


def test_geometry_nodes_read_any_file_without_a_sandbox(
    make_scene: MakeScene, decoys: Decoys, tmp_path: Path
) -> None:
    """fault_24, the control: without scripts, a secret is rendered into the picture."""
    for name, target in (("with", decoys.secret), ("without", decoys.folder / "nowhere.txt")):
        _run("render_bare.py", str(make_scene("import_text", target)), str(tmp_path / f"{name}.png"))
    pictures = [Image.open(tmp_path / f"{name}.png").convert("RGB") for name in ("with", "without")]
    assert ImageChops.difference(*pictures).getbbox() is not None


@pytest.mark.parametrize("what", ["secret", "/etc/passwd", "/proc/1/environ"])
async def test_no_file_is_rendered_into_the_picture(
    what: str, renderer: BlenderRenderer, make_scene: MakeScene, decoys: Decoys, tmp_path: Path
) -> None:
    """fault_24: the picture is identical to that for a path that does not exist."""
    target = decoys.secret if what == "secret" else Path(what)
    shown = await _picture(renderer, make_scene("import_text", target), tmp_path / "with")
    nothing = await _picture(
        renderer, make_scene("import_text", decoys.folder / "no.txt"), tmp_path / "without"
    )
    assert nothing.pixel_digest == shown.pixel_digest


async def test_an_endless_render_is_ended(
    renderer: BlenderRenderer, sandbox: Sandbox, make_scene: MakeScene, tmp_path: Path
) -> None:
    """fault_29: within the limits of the scene check, but practically endless."""
    scene = make_scene("endless")
    await _examine(renderer, scene)
    assert await _failure(sandbox, scene, tmp_path, RenderLimits(frame_seconds=3)) == Code.TIMEOUT


async def test_a_render_beyond_the_memory_limit_is_ended(
    renderer: BlenderRenderer, sandbox: Sandbox, make_scene: MakeScene, tmp_path: Path
) -> None:
    """fault_31: 4¹⁸ faces with a limit of 1 GiB; the machine is not affected."""
    scene = make_scene("greedy")
    await _examine(renderer, scene)
    assert await _failure(sandbox, scene, tmp_path, RenderLimits(memory_bytes=2**30)) == Code.OOM


async def test_a_scene_that_is_black_on_purpose_is_delivered(
    renderer: BlenderRenderer, make_scene: MakeScene, tmp_path: Path
) -> None:
    """fault_43: it is only reported as black, unlike the lit scene."""
    black = await _picture(renderer, make_scene("black"), tmp_path / "black")
    lit = await _picture(renderer, make_scene("good"), tmp_path / "lit")
    assert (black.width, black.height) == (lit.width, lit.height) == (64, 36)
    assert (black.is_black, lit.is_black) == (True, False)
