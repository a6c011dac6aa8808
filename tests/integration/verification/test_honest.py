"""Honest results are never wrong: whatever the scene uses, and however its worker's Blender is set up."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from tests.integration.verification.lab import Lab, Scene, ours
from tests.integration.verification.stage import FRAMES, LOOK, SMOOTH, STILL

from veriframe.adapters.blender import runtimes
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.rendering.frames import ImageFormat, Region
from veriframe.model.rendering.overrides import Overrides
from veriframe.model.verification.findings import Conclusion, Request
from veriframe.ports.renderer import Kernel
from veriframe.verifier.crops import Crops

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

EXAMPLES = Path(__file__).parents[3] / "examples"
FEW = replace(STILL.bundle.overrides, samples=8)

SCENES = {
    "adaptive sampling": "scene.cycles.use_adaptive_sampling = True",
    "motion blur": "render.use_motion_blur = True",
    "film transparent": 'render.film_transparent = True; render.image_settings.color_mode = "RGBA"',
    "several view layers": 'scene.view_layers.new("second").samples = 2',
    "a compositor": """
scene.use_nodes = True
tree = scene.node_tree
invert = tree.nodes.new("CompositorNodeInvert")
for node in tree.nodes:
    if node.type == "R_LAYERS": tree.links.new(node.outputs["Image"], invert.inputs["Color"])
for node in tree.nodes:
    if node.type == "COMPOSITE": tree.links.new(invert.outputs["Color"], node.inputs["Image"])
""",
    "Freestyle": "render.use_freestyle = True; render.line_thickness = 3",
}
IN_EVERY_RUN = ("adaptive sampling", "a compositor", "one thread")

SETUPS = {
    "one thread": (
        'render.threads_mode = "AUTO"',
        'render.threads_mode, render.threads = "FIXED", 1',
    ),
    "small tiles": (
        "scene.cycles.use_auto_tile = False",
        "scene.cycles.use_auto_tile, scene.cycles.tile_size = True, 32",
    ),
    "nothing kept in memory": (
        "render.use_persistent_data = True, True, True",
        "render.use_persistent_data = True, True, False",
    ),
}
"""How a worker's own program may set Blender up, as a change of render_frames.py."""


def marked(name: str) -> tuple[pytest.MarkDecorator, ...]:
    """Most cases are further ones."""
    return () if name in IN_EVERY_RUN else (pytest.mark.thorough,)


class OtherProgram(runtimes.BpyWheel):
    """Blender under another worker's program, whose scripts lie in `scripts`."""

    def __init__(self, scripts: Path) -> None:
        self.scripts = scripts

    def visible(self) -> Mapping[PurePosixPath, Path]:
        """These scripts in place of ours."""
        own = runtimes.SCRIPTS
        return {
            inside: self.scripts if there == own else there for inside, there in super().visible().items()
        }


async def conclusion(lab: Lab, scene: Scene, kernel: Kernel = Kernel.BEST, tiles: int = 2) -> Conclusion:
    """What a verifier says of an honest result."""
    job = await lab.submit(await lab.claimed(scene), await lab.honest(scene, kernel))
    return (await lab.verify(job, Request(tiles=tiles))).finding.conclusion


@pytest.mark.parametrize("name", [pytest.param(name, marks=marked(name)) for name in SCENES])
async def test_what_a_scene_uses_changes_no_bit(lab: Lab, name: str) -> None:
    """A tile rendered alone is that tile of the whole."""
    bundle = replace(STILL.bundle, overrides=FEW)
    assert await conclusion(lab, Scene(bundle, f"{LOOK}\n{SCENES[name]}")) is Conclusion.EXACT


@pytest.mark.parametrize("name", [pytest.param(name, marks=marked(name)) for name in SETUPS])
async def test_how_blender_is_set_up_changes_no_bit(lab: Lab, tmp_path: Path, name: str) -> None:
    """Threads, tiles, and what is kept between frames."""
    scripts = shutil.copytree(runtimes.SCRIPTS, tmp_path / "scripts")
    old, new = SETUPS[name]
    file = scripts / "render_frames.py"
    source = file.read_text("utf-8")
    assert source.count(old) == 1
    file.write_text(source.replace(old, new), "utf-8")
    scene = Scene(replace(FRAMES.bundle, overrides=FEW), LOOK)
    work = await lab.render(scene, renderer=ours(OtherProgram(scripts)))
    job = await lab.submit(await lab.claimed(scene), work)
    assert (await lab.verify(job)).finding.conclusion is Conclusion.EXACT


async def test_a_denoised_picture_is_exact(lab: Lab) -> None:
    """Its proof bit by bit, the picture to the eye, or denoised again as a whole."""
    assert await conclusion(lab, SMOOTH) is Conclusion.EXACT


@pytest.mark.thorough
async def test_another_kernel_s_denoised_picture_is_equal(lab: Lab) -> None:
    """By the rule."""
    assert await conclusion(lab, SMOOTH, Kernel.SSE, tiles=1) is Conclusion.EQUAL


async def test_crops_at_all_corners_and_edges_are_the_whole_s(lab: Lab) -> None:
    """A hundredth of the picture each, with the border that there is."""
    scene = Scene(replace(STILL.bundle, overrides=FEW), LOOK)
    work = await lab.honest(scene)
    (width, height), folder = work.opened.size, lab.new_folder()
    crops = Crops(sessions=work.opened.sessions, task=work.task, size=work.opened.size, folder=folder)
    whole = Region(left=0, top=0, width=width, height=height)
    full = await crops.render(1, whole)
    assert full.noisy is not None
    across, down = width // 10, height // 10
    for left in (0, width // 2, width - across):
        for top in (0, height // 2, height - down):
            part = Region(left=left, top=top, width=across, height=down)
            crop = await crops.render(1, part)
            assert crop.noisy is not None
            assert (crop.noisy == full.noisy[top : top + down, left : left + across]).all()
            assert (crop.picture == full.picture[top : top + down, left : left + across]).all()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the scenes of examples/."""
    return tmp_path_factory.mktemp("scenes")


@pytest.mark.thorough
@pytest.mark.parametrize("kernel", list(Kernel))
@pytest.mark.parametrize(
    "name",
    ["still", "textures", "volume", "hair", "motion_blur", "animation", "caustics", "fur", "fog"],
)
async def test_every_example_s_result_is_exact_or_equal(
    lab: Lab, made: Path, name: str, kernel: Kernel
) -> None:
    """In the same class bit by bit; rendered by the other kernel, by the rule."""
    file = made / f"{name}.blend"
    if not file.exists():
        _make(name, file)
    overrides = Overrides(resolution=(160, 90), samples=16, denoise=False, color_depth=32)
    bundle = Bundle(scene="scene.blend", blender="4.5", format=ImageFormat.EXR, overrides=overrides)
    expected = Conclusion.EXACT if kernel is Kernel.BEST else Conclusion.EQUAL
    assert await conclusion(lab, Scene(bundle, file=file), kernel) is expected


def _make(name: str, file: Path) -> None:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), str(file)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
