"""Bundles: Blender sees the folder that a scene lies in, and nothing beside it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.integration.renderer_studio import Studio
from tests.integration.sandbox_runs import reachable

from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.run import Level, Sandbox
from veriframe.model.rendering.frames import RenderTask, ValidatedFrame
from veriframe.model.rendering.scene import SceneInspection

pytestmark = pytest.mark.slow

BUILDERS: dict[str, Callable[[], Sandbox]] = {
    "strict": BubblewrapSandbox,
    "landlock": lambda: UnnamespacedSandbox(Level.LANDLOCK),
}

TEXTURED = """
image = bpy.data.images.new("planted", 8, 8)
image.filepath_raw, image.source = "//../textures/red.png", "FILE"
material = bpy.data.materials.new("Emits")
material.use_nodes = True
nodes = material.node_tree.nodes
nodes.clear()
texture, shader, end = (nodes.new("ShaderNode" + n) for n in ("TexImage", "Emission", "OutputMaterial"))
texture.image = image
material.node_tree.links.new(texture.outputs[0], shader.inputs[0])
material.node_tree.links.new(shader.outputs[0], end.inputs[0])
cube.data.materials.clear()
cube.data.materials.append(material)
"""


@pytest.fixture(params=BUILDERS)
def studio(request: pytest.FixtureRequest, tmp_path: Path) -> Studio:
    """A studio for each sandbox, with folders that every user may traverse."""
    studio = Studio(reachable(tmp_path))
    studio.sandbox = BUILDERS[request.param]()
    return studio


def bundle(studio: Studio) -> tuple[Path, Path]:
    """A scene in one folder of a bundle, whose texture lies in another one."""
    folder = studio.new_folder()
    for name in ("scenes", "textures"):
        (folder / name).mkdir(mode=0o700)
    shutil.move(studio.scene(TEXTURED), folder / "scenes" / "shot.blend")
    Image.new("RGB", (8, 8), (255, 0, 0)).save(folder / "textures" / "red.png")
    (folder / "textures" / "red.png").chmod(0o600)
    return folder / "scenes" / "shot.blend", folder


async def rendered(studio: Studio, scene: Path, folder: Path) -> tuple[SceneInspection, ValidatedFrame]:
    """The inspection, and frame 1."""
    out = studio.new_folder()
    async with studio.renderer().open(scene, folder) as session:
        found = await session.inspect()
        frames = [frame async for frame in session.frames(RenderTask(), out)]
    (frame,), _ = await studio.validate(RenderTask(), frames, out)
    return found, frame


async def test_files_in_other_folders_of_the_bundle_are_used(studio: Studio) -> None:
    """Although only their owner may read them. Without the texture, it is missing and the picture another."""
    scene, folder = bundle(studio)
    found, frame = await rendered(studio, scene, folder)
    assert found.missing == ()
    assert (folder / "textures" / "red.png").stat().st_mode & 0o007 == 0, "nobody else was let in"
    (folder / "textures" / "red.png").unlink()
    found, without = await rendered(studio, scene, folder)
    assert [missing.path for missing in found.missing] == ["//../textures/red.png"]
    assert without.pixel_digest != frame.pixel_digest


async def test_nothing_outside_the_bundle_is_visible(studio: Studio) -> None:
    """fault_112: neither by a path that leaves it nor by a link in it, nor the worker's files."""
    scene, folder = bundle(studio)
    beside = studio.new_folder()
    texture = folder / "textures" / "red.png"
    outside = beside / "red.png"
    shutil.move(texture, outside)
    outside.chmod(0o644)
    texture.symlink_to(outside)
    found, with_link = await rendered(studio, scene, folder)
    assert [missing.path for missing in found.missing] == ["//../textures/red.png"]
    texture.unlink()
    _, without = await rendered(studio, scene, folder)
    assert with_link.pixel_digest == without.pixel_digest
