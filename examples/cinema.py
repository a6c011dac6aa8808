"""The shot of `production.py`: what stands before the camera, and the files that it uses."""

from __future__ import annotations

import math
from pathlib import Path

import bpy

import shapes
import studio

FRAMES = 24
SHOT = "shots/cinema/cinema.blend"


def save(path: Path) -> None:
    """Saves the open scene, with paths relative to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)
    bpy.ops.file.make_paths_relative()
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)


def link(path: Path, kind: str, names: list[str]) -> None:
    """Links data-blocks of another scene."""
    with bpy.data.libraries.load(str(path), link=True) as (_, linked):
        setattr(linked, kind, names)


def shot(root: Path, scale: int, samples: int) -> None:
    """The scene. It is saved before its cloth is baked, since the cache lies beside it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    studio.cycles(320, 180, samples, bounces=2, exposure=0.9)
    scene = bpy.context.scene
    scene.cycles.denoising_quality = "FAST"
    scene.cycles.volume_step_rate, scene.cycles.volume_max_steps = 8.0, 32
    scene.frame_end, scene.render.resolution_percentage = FRAMES, scale
    studio.sky([(-1, "#1b2a3a"), (0.0, "#e08a5c"), (0.08, "#b0668a"), (0.3, "#3a4a86"), (1, "#141d45")], 0.55)
    studio.sun((0.6, -0.7, -0.25), 0.8, colour="#ffb070", softness=4)
    save(root / SHOT)
    ground(root / "textures" / "lawn.<UDIM>.png")
    screen(root / "shots" / "cinema" / "film" / "film_0001.png")
    sign(root / "fonts" / "sign.woff2")
    haze(root / "volumes" / "fog.vdb")
    audience(root / "library" / "props.blend")
    fly()
    studio.lamp((-5, -6, 6), (0, 0, 0.5), 300, size=4, colour="#ffb98a")
    studio.lamp((2, -4, 7), (5, 4, 3), 260, size=3, colour="#ffd9b0")
    banner()
    save(root / SHOT)


def ground(path: Path) -> None:
    """A lawn over two tiles of its texture."""
    look = studio.material("lawn", "#3f6b35", 0.95)
    image = bpy.data.images.load(str(path).replace("<UDIM>", "1001"))
    image.source = "TILED"
    image.filepath = str(path)
    if len(image.tiles) < 2:
        image.tiles.new(1002)
    texture = look.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    shader = look.node_tree.nodes["Principled BSDF"]
    look.node_tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    data = shapes.mesh(
        "lawn",
        [(-30, -20, 0), (0, -20, 0), (30, -20, 0), (-30, 40, 0), (0, 40, 0), (30, 40, 0)],
        [(0, 1, 4, 3), (1, 2, 5, 4)],
    )
    corners = data.uv_layers.new(name="UVMap").data
    for corner, (u, v) in zip(
        corners, [(0, 0), (1, 0), (1, 1), (0, 1), (1, 0), (2, 0), (2, 1), (1, 1)], strict=True
    ):
        corner.uv = (min(u, 1.999), min(v, 0.999))
    shapes.thing("lawn", data, look)


def screen(path: Path) -> None:
    """The screen shows a film and lights the lawn."""
    look = bpy.data.materials.new("film")
    look.use_nodes = True
    nodes, links = look.node_tree.nodes, look.node_tree.links
    nodes.clear()
    texture, light = nodes.new("ShaderNodeTexImage"), nodes.new("ShaderNodeEmission")
    image = bpy.data.images.load(str(path))
    image.source, texture.image = "SEQUENCE", image
    texture.image_user.frame_duration, texture.image_user.use_auto_refresh = FRAMES, True
    light.inputs["Strength"].default_value = 2.2
    links.new(texture.outputs["Color"], light.inputs["Color"])
    links.new(light.outputs[0], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    data = shapes.mesh("film", [(-4, 9, 1.6), (4, 9, 1.6), (4, 9, 6.1), (-4, 9, 6.1)], [(0, 1, 2, 3)])
    for corner, uv in zip(
        data.uv_layers.new(name="UVMap").data, [(0, 0), (1, 0), (1, 1), (0, 1)], strict=True
    ):
        corner.uv = uv
    shapes.thing("film", data, look)
    frame = studio.material("frame", "#20242c", 0.5)
    for size, at in (
        ((8.6, 0.3, 0.3), (0, 9.1, 1.3)),
        ((8.6, 0.3, 0.3), (0, 9.1, 6.1)),
        ((0.3, 0.3, 6.4), (-4.15, 9.1, 0)),
        ((0.3, 0.3, 6.4), (4.15, 9.1, 0)),
    ):
        shapes.box("frame", size, frame, at)


def sign(path: Path) -> None:
    """The title above the screen."""
    data = bpy.data.curves.new("sign", "FONT")
    data.body, data.font, data.size, data.extrude = "OPEN AIR", bpy.data.fonts.load(str(path)), 1.1, 0.08
    data.align_x = "CENTER"
    look = studio.material("sign", "#ffd27a", 0.4, emission_color="#ffb84d", emission_strength=1.6)
    letters = shapes.thing("sign", data, look, (0, 9.0, 6.65))
    letters.rotation_euler.x = math.pi / 2


def haze(path: Path) -> None:
    """Fog on the lawn."""
    data = bpy.data.volumes.new("fog")
    data.filepath = str(path)
    look = bpy.data.materials.new("fog")
    look.use_nodes = True
    nodes = look.node_tree.nodes
    nodes.clear()
    fill = nodes.new("ShaderNodeVolumePrincipled")
    fill.inputs["Density"].default_value = 0.3
    look.node_tree.links.new(fill.outputs[0], nodes.new("ShaderNodeOutputMaterial").inputs["Volume"])
    bank = shapes.thing("fog", data, look, (0, 6, 0.7))
    bank.scale = (11, 9, 0.8)


def audience(path: Path) -> None:
    """Deckchairs and trees, each an instance of a linked collection."""
    link(path, "collections", ["deckchair", "tree"])
    dice = studio.dice(5)
    for row in range(3):
        for column in range(-3, 4):
            place(
                "deckchair",
                (column * 1.35 + 0.3 * (row % 2), 2.6 - 1.9 * row, 0),
                math.pi + dice.uniform(-0.15, 0.15),
            )
    for x, y, size in (
        (-7.6, 8, 1.5),
        (7.8, 7, 1.4),
        (-9.5, 3, 1.2),
        (10.4, 12, 1.7),
        (-12.5, 13, 1.8),
        (3, 15, 1.6),
    ):
        place("tree", (x, y, 0), dice.uniform(0, 6), size)


def place(name: str, at: shapes.Point, turn: float, size: float = 1.0) -> None:
    """An instance of a linked collection."""
    made = shapes.thing(name, None, at=at)
    made.instance_type, made.instance_collection = "COLLECTION", bpy.data.collections[name]
    made.rotation_euler.z, made.scale = turn, (size,) * 3


def banner() -> None:
    """A cloth in the wind between two poles, baked to files beside the scene."""
    cloth = studio.material("banner", "#c8324a", 0.8)
    for x in (3.4, 6.2):
        shapes.box("pole", (0.1, 0.1, 4.4), studio.material("pole", "#5b4632", 0.6), (x, 4.0, 0))
    columns, rows = 24, 10
    points = [
        (3.45 + 2.7 * c / columns, 4.0, 4.3 - 1.5 * r / rows)
        for r in range(rows + 1)
        for c in range(columns + 1)
    ]
    wide = columns + 1
    faces = [
        (r * wide + c, r * wide + c + 1, (r + 1) * wide + c + 1, (r + 1) * wide + c)
        for r in range(rows)
        for c in range(columns)
    ]
    made = shapes.thing("banner", shapes.mesh("banner", points, faces, smooth=True), cloth)
    made.vertex_groups.new(name="pinned").add([*range(0, wide, 4), wide - 1], 1.0, "REPLACE")
    simulated = made.modifiers.new("cloth", "CLOTH")
    simulated.settings.vertex_group_mass, simulated.settings.mass = "pinned", 0.15
    bpy.ops.object.effector_add(type="WIND", location=(4.8, 1, 3.5), rotation=(-math.pi / 2, 0, 0.3))
    bpy.context.object.field.strength, bpy.context.object.field.noise = 90, 3
    cache = simulated.point_cache
    cache.frame_end, cache.use_disk_cache = FRAMES, True
    with bpy.context.temp_override(active_object=made, object=made, point_cache=cache):
        bpy.ops.ptcache.bake(bake=True)


def fly() -> None:
    """The camera glides over the audience towards the screen."""
    camera = studio.camera((-3.2, -9.0, 3.0), (0.2, 9, 3.0), 28)
    for frame, at in ((1, (-3.2, -9.0, 3.0)), (FRAMES, (1.2, -7.2, 2.5))):
        camera.location = at
        studio.aim(camera, (0.2, 9, 3.1))
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_euler", frame=frame)
