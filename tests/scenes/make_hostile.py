"""Makes one hostile or broken scene with the real Blender: `python make_hostile.py NAME OUT.blend [DECOY]`.

DECOY is the path that the scene attacks: the file that it tries to read, or the folder that it tries to write
to. Every scene has 64 × 36 pixels, one Cycles sample and a lit plate in front of the camera, unless it tests
something else. `--list` prints the names. The process exits without Blender's shutdown, which may hang.
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
"""The file that a scene's code leaves in the decoy folder if it runs and can write."""

ATTACK = """
import socket
def attempt(work):
    try:
        work()
    except Exception:
        pass
def write():
    with open({decoy!r} + "/" + {wrote!r}, "a") as target:
        target.write("scene code ran: " + open("/etc/passwd").read())
attempt(write)
attempt(lambda: socket.create_connection(("127.0.0.1", 9), timeout=1))
"""


def scene(make: Callable[[str], None]) -> Callable[[str], None]:
    """Register a scene by its function's name."""
    SCENES[make.__name__] = make
    return make


def begin() -> bpy.types.Scene:
    """Create an empty file with a camera that looks down at a lit plate."""
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
    """The plate in front of the camera."""
    return bpy.data.objects["Plane"]


def material(name: str) -> bpy.types.Material:
    """A new material on the plate."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    plate().data.materials.append(made)
    return made


def code(decoy: str) -> bpy.types.Text:
    """A text block that writes to the decoy folder, reads the password file and opens a connection."""
    text = bpy.data.texts.new("attack.py")
    text.write(ATTACK.format(decoy=decoy, wrote=WROTE))
    return text


@scene
def good(decoy: str) -> None:
    """A valid scene, for comparison."""
    begin()


@scene
def missing_texture(decoy: str) -> None:
    """The plate's texture is neither packed nor present; Blender would render it magenta."""
    begin()
    tree = material("wood").node_tree
    image = bpy.data.images.new("wood", 4, 4)
    image.source, image.filepath = "FILE", decoy or "//gone/wood.png"
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    tree.links.new(node.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])


@scene
def unused_texture(decoy: str) -> None:
    """A missing picture that only a fake user keeps."""
    begin()
    image = bpy.data.images.new("old", 4, 4)
    image.source, image.filepath, image.use_fake_user = "FILE", "//gone/old.png", True


@scene
def no_camera(decoy: str) -> None:
    """The scene has a camera, but no active one."""
    begin().camera = None


@scene
def no_layer(decoy: str) -> None:
    """The only view layer is not used for rendering."""
    begin().view_layers[0].use = False


@scene
def huge(decoy: str) -> None:
    """65536 × 65536 pixels: 64 GiB for the picture alone."""
    render = begin().render
    render.resolution_x = render.resolution_y = 65_536


@scene
def many_samples(decoy: str) -> None:
    """The most samples that Blender allows."""
    begin().cycles.samples = 2**24


@scene
def freestyle_script(decoy: str) -> None:
    """A Freestyle style module: Python that Blender runs although scripts are disabled."""
    made = begin()
    made.render.use_freestyle = True
    settings = made.view_layers[0].freestyle_settings
    settings.mode = "SCRIPT"
    settings.modules.new().script = code(decoy)


@scene
def text_module(decoy: str) -> None:
    """A text block that is registered to run when the file is opened."""
    begin()
    code(decoy).use_module = True


@scene
def driver_code(decoy: str) -> None:
    """A driver whose expression is Python code that writes to the decoy folder."""
    begin()
    driver = plate().driver_add("location", 0).driver
    driver.type = "SCRIPTED"
    target = f"{decoy}/{WROTE}"
    driver.expression = f"__import__('pathlib').Path({target!r}).write_text('x') * 0"


@scene
def file_output(decoy: str) -> None:
    """A compositor node that writes the picture to an absolute path."""
    made = begin()
    made.use_nodes = True
    tree = made.node_tree
    node = tree.nodes.new("CompositorNodeOutputFile")
    node.base_path = decoy
    layers = next(n for n in tree.nodes if n.bl_idname == "CompositorNodeRLayers")
    tree.links.new(layers.outputs["Image"], node.inputs[0])


@scene
def output_path(decoy: str) -> None:
    """The scene's own output path is absolute, in the decoy folder."""
    begin().render.filepath = f"{decoy}/frame_"


@scene
def import_text(decoy: str) -> None:
    """Geometry nodes that read a file and render its text into the picture."""
    begin()
    group = bpy.data.node_groups.new("reader", "GeometryNodeTree")
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    nodes, links = group.nodes, group.links
    reader, words = nodes.new("GeometryNodeImportText"), nodes.new("GeometryNodeStringToCurves")
    fill, end = nodes.new("GeometryNodeFillCurve"), nodes.new("NodeGroupOutput")
    reader.inputs["Path"].default_value = decoy
    words.inputs["Size"].default_value = 1.0
    words.align_x, words.align_y = "CENTER", "MIDDLE"
    realise = nodes.new("GeometryNodeRealizeInstances")
    links.new(reader.outputs["String"], words.inputs["String"])
    links.new(words.outputs["Curve Instances"], realise.inputs["Geometry"])
    links.new(realise.outputs["Geometry"], fill.inputs["Curve"])
    links.new(fill.outputs["Mesh"], end.inputs["Geometry"])
    modifier = plate().modifiers.new("reader", "NODES")
    # Only in renders: making the scene, which is not sandboxed, must not read the file.
    modifier.show_viewport, modifier.node_group = False, group


@scene
def endless(decoy: str) -> None:
    """As many samples as the scene check allows, of a fog with practically endless light paths."""
    made = begin()
    made.cycles.samples, made.cycles.use_adaptive_sampling = 65_536, False
    made.render.resolution_x = made.render.resolution_y = 2_000
    made.cycles.max_bounces = made.cycles.volume_bounces = 1_024
    tree = made.world.node_tree
    fog = tree.nodes.new("ShaderNodeVolumeScatter")
    fog.inputs["Density"].default_value = 0.3
    tree.links.new(fog.outputs["Volume"], tree.nodes["World Output"].inputs["Volume"])


@scene
def greedy(decoy: str) -> None:
    """Repeated subdivision: more memory than any machine has."""
    begin()
    for number in range(3):
        modifier = plate().modifiers.new(f"more {number}", "SUBSURF")
        modifier.subdivision_type, modifier.render_levels = "SIMPLE", 6
        modifier.levels = 0


@scene
def unbaked_cloth(decoy: str) -> None:
    """An unbaked simulation: its frame depends on the frames before."""
    begin()
    plate().modifiers.new("Cloth", "CLOTH")


@scene
def time_limit(decoy: str) -> None:
    """Cycles stops after some seconds, so the result depends on the machine."""
    begin().cycles.time_limit = 3.0


@scene
def sequencer(decoy: str) -> None:
    """The video sequencer's picture replaces the camera's."""
    made = begin()
    editor: Any = made.sequence_editor_create()
    strips = getattr(editor, "strips", None) or editor.sequences
    strips.new_effect(name="red", type="COLOR", channel=1, frame_start=1, frame_end=10)
    made.render.use_sequencer = True


@scene
def movie(decoy: str) -> None:
    """The output is a movie."""
    begin().render.image_settings.file_format = "FFMPEG"


@scene
def black(decoy: str) -> None:
    """No light at all: the picture is black on purpose."""
    made = begin()
    made.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0


def main() -> None:
    """Make the requested scene and exit at once."""
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
