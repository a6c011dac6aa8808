"""Scenes with a file of every kind that travels, for the tests of packing; made by Blender in a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_START = """
import os, sys, math
import bpy
home, files, where = sys.argv[1:4]
os.makedirs(files, exist_ok=True)
scene_file = os.path.join(home, "shot.blend")

def new():
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.filepaths.save_version = 0

def save(path, *, compress=False):
    bpy.ops.wm.save_as_mainfile(filepath=path, compress=compress)

def named(path):
    # As an artist's scene has it: relative to the scene, or absolute.
    return path if where == "absolute" else bpy.path.relpath(path)

def picture(name, colour, folder=files):
    image = bpy.data.images.new("x", 8, 8)
    image.pixels = [*colour, 1.0] * 64
    image.filepath_raw, image.file_format = os.path.join(folder, name), "PNG"
    image.save()
    bpy.data.images.remove(image)

def put(name, data, x, y):
    item = bpy.data.objects.new(name, data)
    item.location = x, y, 0
    bpy.context.scene.collection.objects.link(item)
    return item

def square(name, x, y, size=0.45):
    data = bpy.data.meshes.new(name)
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    data.from_pydata([(size * a, size * b, 0) for a, b in corners], [], [(0, 1, 2, 3)])
    for corner, uv in zip(data.uv_layers.new().data, [(0, 0), (1, 0), (1, 1), (0, 1)]):
        corner.uv = uv
    return put(name, data, x, y)

def emitting(name):
    look = bpy.data.materials.new(name)
    look.use_nodes = True
    tree = look.node_tree
    tree.nodes.clear()
    light, out = tree.nodes.new("ShaderNodeEmission"), tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(light.outputs[0], out.inputs[0])
    return look, tree, light

def showing(name, x, y, image):
    item = square(name, x, y)
    look, tree, light = emitting(name)
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    tree.links.new(texture.outputs[0], light.inputs["Color"])
    item.data.materials.append(look)
    return item, texture

def camera():
    scene = bpy.context.scene
    data = bpy.data.cameras.new("camera")
    data.type, data.ortho_scale = "ORTHO", 6
    item = put("camera", data, 0, 0)
    item.location.z = 10
    scene.camera = item
    scene.world = bpy.data.worlds.new("world")
    scene.world.color = 0.3, 0.3, 0.3
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 2, False
    scene.render.resolution_x, scene.render.resolution_y = 96, 64
    scene.frame_end = 3
    scene.render.filepath = os.path.join(home, "out")

def done():
    sys.stdout.flush()
    os._exit(0)
"""

_EVERY_KIND = """
# A library that links another one, and uses a picture.
new()
picture("deep.png", (0.9, 0.3, 0.1))
item, _ = showing("Deep", 0, 0, bpy.data.images.load(os.path.join(files, "deep.png")))
save(os.path.join(files, "deep.blend"), compress=True)
new()
with bpy.data.libraries.load(os.path.join(files, "deep.blend"), link=True) as (_, linked):
    linked.meshes = ["Deep"]
props = bpy.data.collections.new("Props")
props.objects.link(bpy.data.objects.new("Prop", bpy.data.meshes["Deep"]))
bpy.context.scene.collection.children.link(props)
save(os.path.join(files, "props.blend"))

# What geometry nodes bake to the disk: also a VDB.
new()
os.makedirs(home, exist_ok=True)
save(scene_file)
def baked(name, source):
    tree = bpy.data.node_groups.new(name, "GeometryNodeTree")
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    made, bake, out = (tree.nodes.new(kind) for kind in (source, "GeometryNodeBake", "NodeGroupOutput"))
    tree.links.new(made.outputs[0], bake.inputs[0])
    tree.links.new(bake.outputs[0], out.inputs[0])
    item = put(name, bpy.data.meshes.new(name), 0, 0)
    nodes = item.modifiers.new("nodes", "NODES")
    nodes.node_group = tree
    bpy.context.view_layer.update()
    nodes.bakes[0].bake_mode, nodes.bakes[0].bake_target = "STILL", "DISK"
    nodes.bake_directory = named(os.path.join(files, "baked_" + name))
    bpy.context.view_layer.objects.active = item
    bpy.ops.object.geometry_node_bake_single(
        session_uid=item.session_uid, modifier_name="nodes", bake_id=nodes.bakes[0].bake_id)
    return item, tree
item, tree = baked("fog", "GeometryNodeVolumeCube")
for folder, _, names in os.walk(os.path.join(files, "baked_fog")):
    for name in names:
        if name.endswith(".vdb"):
            os.replace(os.path.join(folder, name), os.path.join(files, "fog.vdb"))
bpy.data.objects.remove(item)
import shutil
shutil.rmtree(os.path.join(files, "baked_fog"))

item, tree = baked("cone", "GeometryNodeMeshCone")
item.location, item.scale = (-2, -1.2, 0), (0.3, 0.3, 0.3)
# Only the bake has the cone any more.
bake = next(node for node in tree.nodes if node.bl_idname == "GeometryNodeBake")
tree.links.remove(bake.inputs[0].links[0])

camera()
picture("one.png", (1, 0, 0))
showing("image", -2.4, 1.4, bpy.data.images.load(named(os.path.join(files, "one.png"))))
picture("unused.png", (1, 1, 1))
bpy.data.images.load(named(os.path.join(files, "unused.png"))).use_fake_user = True
for number, colour in ((1001, (0, 1, 0)), (1002, (0, 0.5, 1))):
    picture(f"tile.{number}.png", colour)
image = bpy.data.images.load(os.path.join(files, "tile.1001.png"))
image.source = "TILED"
image.filepath = named(os.path.join(files, "tile.<UDIM>.png"))
if len(image.tiles) < 2:
    image.tiles.new(1002)
item, _ = showing("tiles", -1.3, 1.4, image)
for corner in item.data.uv_layers[0].data:
    corner.uv.x *= 1.99
for frame in (1, 2, 3):
    picture(f"frame_{frame:03d}.png", (frame / 3, 0, 1))
image = bpy.data.images.load(named(os.path.join(files, "frame_001.png")))
image.source = "SEQUENCE"
_, texture = showing("sequence", -0.2, 1.4, image)
texture.image_user.frame_duration, texture.image_user.use_auto_refresh = 3, True

fonts = os.path.join(bpy.utils.system_resource("DATAFILES"), "fonts")
shutil.copyfile(os.path.join(fonts, "DejaVuSansMono.woff2"), os.path.join(files, "mono.woff2"))
letters = bpy.data.curves.new("letters", "FONT")
letters.body, letters.font = "Ag", bpy.data.fonts.load(named(os.path.join(files, "mono.woff2")))
item = put("letters", letters, 0.5, 1.1)
letters.materials.append(emitting("letters")[0])

volume = bpy.data.volumes.new("fog")
volume.filepath = named(os.path.join(files, "fog.vdb"))
look, tree, light = emitting("fog")
tree.nodes.remove(light)
fill = tree.nodes.new("ShaderNodeVolumePrincipled")
fill.inputs["Density"].default_value = 9
tree.links.new(fill.outputs[0], tree.nodes["Material Output"].inputs["Volume"])
volume.materials.append(look)
item = put("fog", volume, 2.2, 1.3)
item.scale = 0.4, 0.4, 0.4

# Caches of geometry, and a cache of one mesh's points.
item = square("cached", 0, 0, 0.2)
item.data.materials.append(emitting("cached")[0])
item.keyframe_insert("rotation_euler", frame=1)
item.rotation_euler.z = 1
item.keyframe_insert("rotation_euler", frame=3)
for other in bpy.context.scene.objects:
    other.select_set(other == item)
bpy.ops.wm.alembic_export(filepath=os.path.join(files, "a.abc"), start=1, end=3, selected=True)
bpy.data.objects.remove(item)
cache = bpy.data.cache_files
bpy.ops.cachefile.open(filepath=os.path.join(files, "a.abc"))
cache = bpy.data.cache_files[-1]
cache.filepath = named(os.path.join(files, "a.abc"))
item = square("alembic", -2.4, 0.2)
item.data.materials.append(emitting("alembic")[0])
reader = item.modifiers.new("cache", "MESH_SEQUENCE_CACHE")
reader.cache_file, reader.object_path = cache, "/cached/cached"
import struct
points = [(-0.2, -0.4, 0), (0.4, -0.2, 0), (0.2, 0.4, 0), (-0.4, 0.2, 0)]
with open(os.path.join(files, "points.pc2"), "wb") as out:
    out.write(struct.pack("<12siiffi", b"POINTCACHE2", 1, 4, 0, 1, 3))
    for frame in range(3):
        for point in points:
            out.write(struct.pack("<3f", *point))
item = square("points", -1.3, 0.2)
item.data.materials.append(emitting("points")[0])
reader = item.modifiers.new("points", "MESH_CACHE")
reader.cache_format, reader.filepath = "PC2", named(os.path.join(files, "points.pc2"))

# A light profile, and a sound that a speaker plays.
with open(os.path.join(files, "lamp.ies"), "w") as out:
    out.write("IESNA:LM-63-2002\\nTILT=NONE\\n1 1000 1 3 1 1 2 0 0 0\\n1 1 10\\n0 45 90\\n0\\n900 100 0\\n")
lamp = bpy.data.lights.new("lamp", "POINT")
lamp.use_nodes, lamp.energy = True, 300
profile = lamp.node_tree.nodes.new("ShaderNodeTexIES")
profile.mode, profile.filepath = "EXTERNAL", named(os.path.join(files, "lamp.ies"))
light = next(node for node in lamp.node_tree.nodes if node.bl_idname == "ShaderNodeEmission")
lamp.node_tree.links.new(profile.outputs[0], light.inputs["Strength"])
put("lamp", lamp, 0.4, 0).location.z = 0.6
square("lit", 0.4, 0, 0.8)
import wave
with wave.open(os.path.join(files, "bell.wav"), "wb") as out:
    out.setnchannels(1); out.setsampwidth(1); out.setframerate(8000); out.writeframes(bytes(80))
speaker = bpy.data.speakers.new("speaker")
speaker.sound = bpy.data.sounds.load(named(os.path.join(files, "bell.wav")))
put("speaker", speaker, 0, 0)

props, relative = os.path.join(files, "props.blend"), where != "absolute"
with bpy.data.libraries.load(props, link=True, relative=relative) as (_, linked):
    linked.collections = ["Props"]
item = put("props", None, 2.2, 0)
item.instance_type, item.instance_collection = "COLLECTION", bpy.data.collections["Props"]
save(scene_file)

# Cloth, whose cache lies beside the scene under the scene's name.
grid = bpy.data.meshes.new("cloth")
corners = [5 * y + x for y in range(4) for x in range(4)]
grid.from_pydata([(x / 4, y / 4, 0) for y in range(5) for x in range(5)], [],
                 [(at, at + 1, at + 6, at + 5) for at in corners])
grid.materials.append(emitting("cloth")[0])
item = put("cloth", grid, -0.8, -1.6)
item.rotation_euler.x = 0.9
cloth = item.modifiers.new("cloth", "CLOTH")
cloth.settings.time_scale = 8
cloth.point_cache.frame_end, cloth.point_cache.use_disk_cache = 3, True
with bpy.context.temp_override(active_object=item, object=item, point_cache=cloth.point_cache):
    bpy.ops.ptcache.bake(bake=True)
save(scene_file, compress=True)
done()
"""

TAKEN = {
    *("deep.blend", "props.blend", "deep.png", "one.png", "tile.1001.png", "tile.1002.png"),
    *("frame_001.png", "frame_002.png", "frame_003.png", "mono.woff2", "fog.vdb", "a.abc", "points.pc2"),
    *("lamp.ies", "bell.wav"),
}
"""The files that the scene of every kind needs, but for its caches. `unused.png` is not among them."""


def every_kind(home: Path, files: Path, where: str) -> Path:
    """Makes a scene in `home` with files in `files`, named as absolute paths or relative ones."""
    return make(_EVERY_KIND, home, files, where)


def make(script: str, home: Path, files: Path, where: str = "absolute") -> Path:
    """Runs a script that saves `shot.blend` in `home`."""
    made = subprocess.run(
        [sys.executable, "-I", "-B", "-c", _START + script, str(home), str(files), where],
        capture_output=True,
        timeout=120,
        check=False,
        text=True,
    )
    file = home / "shot.blend"
    if made.returncode or not file.exists():
        raise RuntimeError(f"no scene was made: {made.stdout[-2000:]}{made.stderr[-2000:]}")
    return file
