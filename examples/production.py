"""A production with files in many places: an open-air cinema at dusk, 24 light frames.

`production.py FOLDER` makes `FOLDER/shots/cinema/cinema.blend` and what it needs: linked props with looks
that they link themselves, a lawn of two UDIM tiles, a film as an image sequence, fog as a VDB, a font, and a
banner whose cloth is baked to the disk.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np

import cinema
import shapes
import studio
from cinema import FRAMES, link, save


def main() -> None:
    """Makes all files of the production."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder for the production; its old files are replaced")
    parser.add_argument("--scale", type=int, default=100, help="percent of the full size")
    parser.add_argument("--samples", type=int, default=4, help="samples for each pixel")
    given = parser.parse_args()
    root = given.folder.resolve()
    for name in ("shots", "library", "textures", "volumes", "fonts"):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir(parents=True)
    looks(root / "library" / "looks.blend")
    props(root / "library" / "props.blend")
    lawn_tiles(root / "textures")
    film(root / "shots" / "cinema" / "film")
    fog(root / "volumes" / "fog.vdb")
    font(root / "fonts" / "sign.woff2")
    cinema.shot(root, given.scale, given.samples)
    sys.stdout.flush()
    os._exit(0)  # bpy can hang in its shutdown


def looks(path: Path) -> None:
    """The materials of the props."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    for made in (
        studio.material("canvas", "#d9774e", 0.9),
        studio.material("stripes", "#f3ead8", 0.9),
        studio.material("wood", "#7a4f2e", 0.6),
        studio.material("leaves", "#2f5a3c", 0.9),
    ):
        made.use_fake_user = True
    save(path)


def props(path: Path) -> None:
    """A deckchair and a tree, as collections. Their materials are linked."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    link(path.with_name("looks.blend"), "materials", ["canvas", "stripes", "wood", "leaves"])
    canvas, stripes, wood, leaves = (
        bpy.data.materials[name] for name in ("canvas", "stripes", "wood", "leaves")
    )

    def chair() -> None:
        for stripe in range(5):
            x = 0.16 * (stripe - 2)
            points = [(x + side * 0.08, y, z) for y, z in CANVAS for side in (-1, 1)]
            faces = [(2 * k, 2 * k + 1, 2 * k + 3, 2 * k + 2) for k in range(len(CANVAS) - 1)]
            cloth = shapes.mesh("canvas", points, faces, smooth=True)
            shapes.thing("canvas", cloth, canvas if stripe % 2 else stripes)
        for x in (-0.44, 0.44):
            for y in (-0.45, 0.5):
                shapes.box("leg", (0.06, 0.06, 0.45), wood, (x, y, 0), bevel=0.01)

    def tree() -> None:
        shapes.lathe("trunk", [(0.22, 0), (0.16, 1.6), (0.08, 2.4)], wood, turns=12)
        for number, (at, size) in enumerate(CROWN):
            ball = shapes.ball(f"crown {number}", size, leaves, at)
            texture = bpy.data.textures.new(f"crown {number}", "CLOUDS")
            texture.noise_scale = 0.35
            push = ball.modifiers.new("leaves", "DISPLACE")
            push.texture, push.strength = texture, 0.5

    collected("deckchair", chair)
    collected("tree", tree)
    save(path)


CANVAS = [(-0.55, 0.42), (-0.3, 0.36), (0.0, 0.34), (0.25, 0.45), (0.5, 0.78), (0.72, 1.12)]
CROWN = [((0, 0, 3.0), 1.15), ((0.7, 0.2, 2.6), 0.8), ((-0.65, -0.2, 2.7), 0.85), ((0.1, 0.1, 3.9), 0.7)]


def collected(name: str, build: Callable[[], None]) -> None:
    """Puts what `build` adds to the scene into a collection of its own."""
    made, scene = bpy.data.collections.new(name), bpy.context.scene.collection
    build()
    scene.children.link(made)
    for item in list(scene.objects):
        made.objects.link(item)
        scene.objects.unlink(item)


def picture(path: Path, pixels: np.ndarray) -> None:
    """Writes an array of rows (from the bottom), columns and RGB, 0 … 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, _ = pixels.shape
    image = bpy.data.images.new("picture", width, height)
    full = np.concatenate([pixels, np.ones((height, width, 1))], axis=2)
    image.pixels.foreach_set(full.astype(np.float32).ravel())
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)


def lawn_tiles(folder: Path) -> None:
    """Two tiles of mown grass, side by side."""
    rng = np.random.default_rng(11)
    for tile in (1001, 1002):
        size = 256
        stripe = (np.arange(size) // 32 % 2)[None, :, None] * 0.05
        noise = rng.normal(0, 0.03, (size, size, 1))
        grass = np.array([0.20, 0.36, 0.17]) if tile == 1001 else np.array([0.24, 0.38, 0.16])
        picture(folder / f"lawn.{tile}.png", np.clip(grass + stripe + noise, 0, 1))


def film(folder: Path) -> None:
    """What is shown: a sun that rises out of waves, one picture a frame."""
    y, x = np.mgrid[0:90, 0:160] / np.array([90, 160]).reshape(2, 1, 1)
    for frame in range(1, FRAMES + 1):
        time = (frame - 1) / FRAMES
        sky = np.stack([0.95 - 0.5 * y, 0.55 - 0.2 * y, 0.35 + 0.35 * y], axis=2)
        sun = np.hypot((x - 0.5) * 16 / 9, y - 0.22 - 0.4 * time) < 0.2
        sky[sun] = (1.0, 0.9, 0.55)
        for wave in range(4):
            edge = 0.34 - 0.08 * wave + 0.02 * np.sin(2 * math.pi * ((2 + wave) * x + (1 + wave % 2) * time))
            sky[y < edge] = np.array([0.05, 0.2 + 0.08 * wave, 0.38 + 0.09 * wave])
        picture(folder / f"film_{frame:04d}.png", sky)


def fog(path: Path) -> None:
    """A bank of fog. Geometry nodes make it, and a bake writes it as a VDB."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    work = path.with_suffix(".blend")
    save(work)
    tree = bpy.data.node_groups.new("fog", "GeometryNodeTree")
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    cube, noise = tree.nodes.new("GeometryNodeVolumeCube"), tree.nodes.new("ShaderNodeTexNoise")
    bake, out = tree.nodes.new("GeometryNodeBake"), tree.nodes.new("NodeGroupOutput")
    scale = tree.nodes.new("ShaderNodeMapRange")
    scale.inputs["From Min"].default_value, scale.inputs["From Max"].default_value = 0.48, 0.75
    noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = 2.2, 3.0
    for axis, cells in (("X", 48), ("Y", 48), ("Z", 12)):
        cube.inputs[f"Resolution {axis}"].default_value = cells
    tree.links.new(noise.outputs[0], scale.inputs["Value"])
    tree.links.new(scale.outputs["Result"], cube.inputs["Density"])
    tree.links.new(cube.outputs[0], bake.inputs[0])
    tree.links.new(bake.outputs[0], out.inputs[0])
    holder = shapes.thing("fog", bpy.data.meshes.new("fog"))
    nodes = holder.modifiers.new("fog", "NODES")
    nodes.node_group = tree
    bpy.context.view_layer.update()
    nodes.bakes[0].bake_mode, nodes.bakes[0].bake_target = "STILL", "DISK"
    bpy.context.view_layer.objects.active = holder
    bpy.ops.object.geometry_node_bake_single(
        session_uid=holder.session_uid, modifier_name="fog", bake_id=nodes.bakes[0].bake_id
    )
    baked = path.parent / f"blendcache_{work.stem}"
    shutil.move(next(baked.rglob("*.vdb")), path)
    shutil.rmtree(baked)
    work.unlink()


def font(path: Path) -> None:
    """One of Blender's own fonts."""
    shutil.copyfile(Path(bpy.utils.system_resource("DATAFILES"), "fonts", "Inter.woff2"), path)


if __name__ == "__main__":
    main()
