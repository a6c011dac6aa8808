"""Kinds of files that no other scene of these tests has: USD, a movie clip, an OSL script.

Without a window, Blender never notes that an ocean is baked, so that no script makes a scene with its cache.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration import packing_scenes
from tests.integration.test_packing import packing

from veriframe.model.bundle.options import BundleOptions
from veriframe.model.bundle.travel import Kind

pytestmark = pytest.mark.slow

_USD = """
new()
square("plane", 0, 0)
moved = bpy.data.objects["plane"]
for frame in (1, 3):
    moved.data.vertices[0].co.z = 0
    moved.location.x = 0.2 * frame
    moved.keyframe_insert("location", frame=frame)
path = os.path.join(files, "plane.usdc")
bpy.ops.wm.usd_export(filepath=path, export_animation=True)
new()
camera()
bpy.ops.cachefile.open(filepath=named(path))
item = square("shown", -0.5, 0)
item.data.materials.append(emitting("shown")[0])
reader = item.constraints.new("TRANSFORM_CACHE")
reader.cache_file, reader.object_path = bpy.data.cache_files[0], "/root/plane"
"""
_CLIP = """
import av, numpy
path = os.path.join(files, "clip.mp4")
with av.open(path, "w") as out:
    stream = out.add_stream("libx264", rate=24)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    for number in range(4):
        shown = numpy.full((64, 64, 3), 60 * number + 40, numpy.uint8)
        for packet in stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")):
            out.mux(packet)
    for packet in stream.encode():
        out.mux(packet)
new()
camera()
scene = bpy.context.scene
scene.use_nodes = True
tree = scene.node_tree
tree.nodes.clear()
clip, end = tree.nodes.new("CompositorNodeMovieClip"), tree.nodes.new("CompositorNodeComposite")
clip.clip = bpy.data.movieclips.load(named(path))
tree.links.new(clip.outputs[0], end.inputs[0])
"""
_SCRIPT = """
new()
camera()
bpy.context.scene.cycles.shading_system = True
path = os.path.join(files, "red.osl")
with open(path, "w") as out:
    out.write("shader red(output color Look = color(1, 0, 0)) { Look = color(1, 0, 0); }")
look, tree, light = emitting("red")
node = tree.nodes.new("ShaderNodeScript")
node.mode, node.filepath = "EXTERNAL", named(path)
square("red", 0, 0).data.materials.append(look)
"""
_KINDS = [
    (_USD, Kind.CACHE, {"plane.usdc"}, "plane.usdc"),
    (_CLIP, Kind.MOVIE, {"clip.mp4"}, "clip.mp4"),
    (_SCRIPT, Kind.SHADER_SCRIPT, {"red.osl"}, None),
]


@pytest.mark.parametrize(("script", "kind", "names", "seen"), _KINDS, ids=["usd", "clip", "osl"])
async def test_a_rare_kind_of_file_travels(
    script: str, kind: Kind, names: set[str], seen: str | None, tmp_path: Path
) -> None:
    """fault_239: under its kind; the bundle renders the same with it and, if a picture shows it, only so."""
    (tmp_path / "shot").mkdir()
    scene = packing_scenes.make(f"{script}\nsave(scene_file)\ndone()\n", tmp_path / "shot", tmp_path / "maps")
    packer = packing()
    found = await packer.find(scene)
    assert {file.source.name for file in found.files if file.kind is kind} == names
    assert [left.what for left in found.left_out if left.is_used] == []
    packed = await packer.write(found, tmp_path / "bundle", BundleOptions(frames=(2,)))
    assert (await packer.compare(found, packed)).is_equal
    if seen is not None:
        (file,) = packed.folder.rglob(seen)
        file.unlink()
        assert not (await packer.compare(found, packed)).is_equal
