"""Runs inside Blender: saves the reference scene, whose pixels tell machines apart that round otherwise.

Argument: the file to write. A render of it goes through as much of Cycles as a small picture can: surfaces,
glass, hair, a volume, motion blur, textures, and many bounces. A change of it changes every
machine's class.
"""

from __future__ import annotations

import math
import os
import sys
from typing import Any

import bpy

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  # Blender adds no script folder

from reporting import arguments, report, run  # type: ignore[import-not-found]

WIDTH, HEIGHT, SAMPLES = 96, 64, 12
STRANDS, STEPS = 300, 5


def settings(scene: bpy.types.Scene) -> None:
    """Cycles with all kinds of bounces, and motion blur."""
    render, cycles = scene.render, scene.cycles
    render.engine = "CYCLES"
    render.resolution_x, render.resolution_y, render.resolution_percentage = WIDTH, HEIGHT, 100
    render.use_motion_blur = True
    cycles.samples, cycles.use_denoising, cycles.use_adaptive_sampling = SAMPLES, False, False
    cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = 16
    cycles.transmission_bounces, cycles.volume_bounces, cycles.transparent_max_bounces = 16, 4, 16
    cycles.caustics_reflective = cycles.caustics_refractive = True


def material(name: str, kind: str = "ShaderNodeBsdfPrincipled") -> tuple[Any, Any, Any]:
    """A material with one shader. Returns it, its node tree and the shader."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    tree = made.node_tree
    tree.nodes.clear()
    shader, output = tree.nodes.new(kind), tree.nodes.new("ShaderNodeOutputMaterial")
    target = "Volume" if "Volume" in kind else "Surface"
    tree.links.new(shader.outputs[0], output.inputs[target])
    return made, tree, shader


def textured() -> Any:  # noqa: ANN401 - Blender's data have no static types
    """A rough surface of procedural textures and of a picture."""
    made, tree, shader = material("textured")
    noise, voronoi = tree.nodes.new("ShaderNodeTexNoise"), tree.nodes.new("ShaderNodeTexVoronoi")
    picture, bump = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeBump")
    picture.image = bpy.data.images.new("grid", 64, 64)
    picture.image.pixels = [
        ((x * (1 + c) + 7 * y) % 64) / 63 for y in range(64) for x in range(64) for c in range(4)
    ]
    picture.image.pack()
    noise.inputs["Scale"].default_value, voronoi.inputs["Scale"].default_value = 7.0, 11.0
    tree.links.new(picture.outputs["Color"], shader.inputs["Base Color"])
    tree.links.new(noise.outputs[0], shader.inputs["Roughness"])
    tree.links.new(voronoi.outputs["Distance"], bump.inputs["Height"])
    tree.links.new(bump.outputs["Normal"], shader.inputs["Normal"])
    return made


def thing(name: str, data: Any, look: Any, at: tuple[float, float, float]) -> Any:  # noqa: ANN401
    """An object with one material."""
    made = bpy.data.objects.new(name, data)
    made.location = at
    data.materials.append(look)
    bpy.context.scene.collection.objects.link(made)
    return made


def ball(name: str, radius: float, look: Any, at: tuple[float, float, float]) -> Any:  # noqa: ANN401
    """A smooth sphere."""
    rings, sides = 16, 32
    points = [(0.0, 0.0, radius), (0.0, 0.0, -radius)]
    for ring in range(1, rings):
        up, turn = math.pi * ring / rings, 2 * math.pi / sides
        out, height = radius * math.sin(up), radius * math.cos(up)
        points += [(out * math.cos(turn * s), out * math.sin(turn * s), height) for s in range(sides)]
    faces: list[tuple[int, ...]] = []
    for s in range(sides):
        following = (s + 1) % sides
        faces.append((0, 2 + s, 2 + following))
        last = 2 + (rings - 2) * sides
        faces.append((1, last + following, last + s))
        for ring in range(rings - 2):
            upper, lower = 2 + ring * sides, 2 + (ring + 1) * sides
            faces.append((upper + s, lower + s, lower + following, upper + following))
    return thing(name, meshed(name, points, faces, smooth=True), look, at)


def meshed(name: str, points: list[Any], faces: list[tuple[int, ...]], *, smooth: bool = False) -> Any:  # noqa: ANN401
    """A mesh, with texture coordinates from above."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([tuple(round(4096 * n) / 4096 for n in point) for point in points], [], faces)
    layer = mesh.uv_layers.new(name="UVMap")
    for loop in mesh.loops:
        x, y, _ = mesh.vertices[loop.vertex_index].co
        layer.data[loop.index].uv = (x / 4, y / 4)
    if smooth:
        mesh.shade_smooth()
    return mesh


def box(size: float) -> Any:  # noqa: ANN401
    """A cube."""
    points = [(x, y, z) for x in (-size, size) for y in (-size, size) for z in (-size, size)]
    return meshed(
        "box", points, [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    )


def hair() -> None:
    """Strands that lean all ways."""
    made, _, _ = material("hair", "ShaderNodeBsdfHairPrincipled")
    data = bpy.data.hair_curves.new("hair")
    data.add_curves([STEPS] * STRANDS)
    places, radii = [], []
    for strand in range(STRANDS):
        turn, out = strand * 2.399963, 0.55 * math.sqrt((strand + 0.5) / STRANDS)
        for step in range(STEPS):
            up = step / (STEPS - 1)
            lean = out * (1 + 0.6 * up * up)
            point = (lean * math.cos(turn + 0.5 * up), lean * math.sin(turn + 0.5 * up), 0.9 * up)
            places += [round(4096 * n) / 4096 for n in point]
            radii.append(0.012 * (1.25 - up))
    data.attributes["position"].data.foreach_set("vector", places)
    data.attributes.new("radius", "FLOAT", "POINT").data.foreach_set("value", radii)
    thing("hair", data, made, (1.3, -0.4, 0.0))


def things() -> None:
    """A floor, glass, hair, smoke, metal and a moving ball."""
    floor = [(-6.0, -6.0, 0.0), (6.0, -6.0, 0.0), (6.0, 6.0, 0.0), (-6.0, 6.0, 0.0)]
    thing("floor", meshed("floor", floor, [(0, 1, 2, 3)]), textured(), (0.0, 0.0, 0.0))
    glass, _, shader = material("glass")
    shader.inputs["Transmission Weight"].default_value, shader.inputs["Roughness"].default_value = 1.0, 0.02
    ball("glass", 0.6, glass, (-0.1, -0.9, 0.6))
    metal, _, shader = material("metal")
    shader.inputs["Metallic"].default_value, shader.inputs["Roughness"].default_value = 1.0, 0.15
    shader.inputs["Base Color"].default_value = (0.9, 0.6, 0.3, 1.0)
    moving = ball("metal", 0.45, metal, (-1.5, 0.2, 0.5))
    for frame, x in ((0, -1.9), (2, -1.1)):
        moving.location.x = x
        moving.keyframe_insert("location", frame=frame)
    skin, _, shader = material("skin")
    shader.inputs["Subsurface Weight"].default_value, shader.inputs["Coat Weight"].default_value = 0.7, 0.5
    ball("skin", 0.5, skin, (0.5, 1.0, 0.5))
    smoke, tree, shader = material("smoke", "ShaderNodeVolumePrincipled")
    noise = tree.nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = 3.0
    tree.links.new(noise.outputs[0], shader.inputs["Density"])
    thing("smoke", box(0.7), smoke, (-0.9, 1.2, 0.8))
    hair()


def light(scene: bpy.types.Scene) -> None:
    """A sky, a lamp, and a camera out of focus."""
    scene.world = bpy.data.worlds.new("sky")
    scene.world.use_nodes = True
    tree = scene.world.node_tree
    gradient = tree.nodes.new("ShaderNodeTexGradient")
    tree.links.new(gradient.outputs["Color"], tree.nodes["Background"].inputs["Color"])
    lamp = bpy.data.lights.new("lamp", "AREA")
    lamp.energy, lamp.size = 300.0, 1.5
    place = bpy.data.objects.new("lamp", lamp)
    place.location, place.rotation_euler = (2.0, -2.5, 4.0), (0.6, 0.3, 0.0)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.location, camera.rotation_euler = (0.0, -6.0, 2.6), (1.25, 0.0, 0.0)
    camera.data.dof.use_dof, camera.data.dof.focus_distance = True, 5.5
    camera.data.dof.aperture_fstop = 1.4
    for item in (place, camera):
        scene.collection.objects.link(item)
    scene.camera = camera


def main() -> None:
    """Create the scene, save it and report."""
    (path,) = arguments()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    settings(scene)
    things()
    light(scene)
    bpy.ops.wm.save_as_mainfile(filepath=path, compress=False)
    report("finished")


if __name__ == "__main__":
    run(main)
