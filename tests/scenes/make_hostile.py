"""Makes one hostile or broken scene with the real Blender: `python make_hostile.py NAME OUT.blend [BAIT]`.

BAIT is the path that the scene goes for: the file that it wants to read, or the folder that it wants to write
into. Every scene is 64 × 36 pixels, one Cycles sample, a lit plate before the camera, unless its own point is
another one. `--list` prints the names. The process leaves without tearing Blender down, which may hang.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

SCENES: dict[str, Callable[[str], None]] = {}

WROTE = "written.txt"
"""What a scene's code leaves in the bait folder where it runs and may write."""

ATTACK = """
import socket
def attempt(work):
    try:
        work()
    except Exception:
        pass
def write():
    with open({bait!r} + "/" + {wrote!r}, "a") as target:
        target.write("scene code ran: " + open("/etc/passwd").read())
attempt(write)
attempt(lambda: socket.create_connection(("127.0.0.1", 9), timeout=1))
"""


def scene(make: Callable[[str], None]) -> Callable[[str], None]:
    """Make a scene known by its function's name."""
    SCENES[make.__name__] = make
    return make


def begin() -> bpy.types.Scene:
    """An empty file with a camera that looks down at a lit plate."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    made = bpy.context.scene
    made.render.engine = "CYCLES"
    made.cycles.samples, made.cycles.use_denoising, made.cycles.seed = 1, False, 7
    made.render.resolution_x, made.render.resolution_y, made.render.resolution_percentage = 64, 36, 100
    made.world = bpy.data.worlds.new("World")
    made.world.use_nodes = True
    made.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.5, 0.6, 0.8, 1)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location = (0, 0, 6)
    made.collection.objects.link(camera)
    made.camera = camera
    bpy.ops.mesh.primitive_plane_add(size=2)
    return made


def plate() -> bpy.types.Object:
    """The plate before the camera."""
    return bpy.data.objects["Plane"]


def material(name: str) -> bpy.types.Material:
    """A new material on the plate."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    plate().data.materials.append(made)
    return made


def code(bait: str) -> bpy.types.Text:
    """A text block that writes into the bait folder, reads the password file and connects."""
    text = bpy.data.texts.new("attack.py")
    text.write(ATTACK.format(bait=bait, wrote=WROTE))
    return text


@scene
def good(bait: str) -> None:
    """Nothing wrong: the measure of the others."""
    begin()


@scene
def missing_texture(bait: str) -> None:
    """The plate's picture is neither packed nor there; Blender would render it magenta."""
    begin()
    tree = material("wood").node_tree
    image = bpy.data.images.new("wood", 4, 4)
    image.source, image.filepath = "FILE", bait or "//gone/wood.png"
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    tree.links.new(node.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])


@scene
def unused_texture(bait: str) -> None:
    """A picture that is missing, and that only its fake user keeps."""
    begin()
    image = bpy.data.images.new("old", 4, 4)
    image.source, image.filepath, image.use_fake_user = "FILE", "//gone/old.png", True


@scene
def no_camera(bait: str) -> None:
    """The scene has a camera, but none is its active one."""
    begin().camera = None


@scene
def no_layer(bait: str) -> None:
    """The only view layer is not used for rendering."""
    begin().view_layers[0].use = False


@scene
def huge(bait: str) -> None:
    """65536 × 65536 pixels: 64 GiB for the picture alone."""
    render = begin().render
    render.resolution_x = render.resolution_y = 65_536


@scene
def many_samples(bait: str) -> None:
    """The most samples that Blender lets one ask for."""
    begin().cycles.samples = 2**24


@scene
def freestyle_script(bait: str) -> None:
    """A Freestyle style module: Python that Blender runs although scripts are disabled."""
    made = begin()
    made.render.use_freestyle = True
    settings = made.view_layers[0].freestyle_settings
    settings.mode = "SCRIPT"
    settings.modules.new().script = code(bait)


@scene
def text_module(bait: str) -> None:
    """A text block that asks to be run when the file is opened."""
    begin()
    code(bait).use_module = True


@scene
def driver_code(bait: str) -> None:
    """A driver whose expression is Python that writes into the bait folder."""
    begin()
    driver = plate().driver_add("location", 0).driver
    driver.type = "SCRIPTED"
    target = f"{bait}/{WROTE}"
    driver.expression = f"__import__('pathlib').Path({target!r}).write_text('x') * 0"


@scene
def file_output(bait: str) -> None:
    """A compositor node that writes the picture to an absolute path."""
    made = begin()
    made.use_nodes = True
    tree = made.node_tree
    node = tree.nodes.new("CompositorNodeOutputFile")
    node.base_path = bait
    layers = next(n for n in tree.nodes if n.bl_idname == "CompositorNodeRLayers")
    tree.links.new(layers.outputs["Image"], node.inputs[0])


@scene
def output_path(bait: str) -> None:
    """The scene's own output path is absolute and somebody's folder."""
    begin().render.filepath = f"{bait}/frame_"


@scene
def import_text(bait: str) -> None:
    """Geometry nodes that read a file and paint its words into the picture."""
    begin()
    group = bpy.data.node_groups.new("reader", "GeometryNodeTree")
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    nodes, links = group.nodes, group.links
    reader, words = nodes.new("GeometryNodeImportText"), nodes.new("GeometryNodeStringToCurves")
    fill, end = nodes.new("GeometryNodeFillCurve"), nodes.new("NodeGroupOutput")
    reader.inputs["Path"].default_value = bait
    words.inputs["Size"].default_value = 1.0
    words.align_x, words.align_y = "CENTER", "MIDDLE"
    realise = nodes.new("GeometryNodeRealizeInstances")
    links.new(reader.outputs["String"], words.inputs["String"])
    links.new(words.outputs["Curve Instances"], realise.inputs["Geometry"])
    links.new(realise.outputs["Geometry"], fill.inputs["Curve"])
    links.new(fill.outputs["Mesh"], end.inputs["Geometry"])
    modifier = plate().modifiers.new("reader", "NODES")
    # Only in renders: making the scene must not read the file, which happens without walls.
    modifier.show_viewport, modifier.node_group = False, group


@scene
def endless(bait: str) -> None:
    """As many samples as the gate allows, of a fog that light wanders through for ever."""
    made = begin()
    made.cycles.samples, made.cycles.use_adaptive_sampling = 65_536, False
    made.render.resolution_x = made.render.resolution_y = 2_000
    made.cycles.max_bounces = made.cycles.volume_bounces = 1_024
    tree = made.world.node_tree
    fog = tree.nodes.new("ShaderNodeVolumeScatter")
    fog.inputs["Density"].default_value = 0.3
    tree.links.new(fog.outputs["Volume"], tree.nodes["World Output"].inputs["Volume"])


@scene
def greedy(bait: str) -> None:
    """Subdivision upon subdivision: more memory than any machine has."""
    begin()
    for number in range(3):
        modifier = plate().modifiers.new(f"more {number}", "SUBSURF")
        modifier.subdivision_type, modifier.render_levels = "SIMPLE", 6
        modifier.levels = 0


@scene
def unbaked_cloth(bait: str) -> None:
    """A simulation that nobody baked: its frame depends on what was rendered before."""
    begin()
    plate().modifiers.new("Cloth", "CLOTH")


@scene
def time_limit(bait: str) -> None:
    """Cycles stops after some seconds, wherever it is: two machines never agree."""
    begin().cycles.time_limit = 3.0


@scene
def sequencer(bait: str) -> None:
    """The video sequencer's picture takes the place of the camera's."""
    made = begin()
    editor: Any = made.sequence_editor_create()
    strips = getattr(editor, "strips", None) or editor.sequences
    strips.new_effect(name="red", type="COLOR", channel=1, frame_start=1, frame_end=10)
    made.render.use_sequencer = True


@scene
def movie(bait: str) -> None:
    """The output is a movie."""
    begin().render.image_settings.file_format = "FFMPEG"


@scene
def black(bait: str) -> None:
    """No light at all: a black picture, and rightly so."""
    made = begin()
    made.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0


def main() -> None:
    """Make the scene that was asked for and leave at once."""
    if sys.argv[1:] == ["--list"]:
        sys.stdout.write("\n".join(SCENES) + "\n")
    else:
        name, out, *rest = sys.argv[1:]
        SCENES[name](rest[0] if rest else "")
        bpy.ops.wm.save_as_mainfile(filepath=str(Path(out).absolute()), compress=name != "good")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
