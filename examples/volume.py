"""A small cloud over a plinth, lit from two sides: a heterogeneous volume."""

from __future__ import annotations

import bpy

import shapes
import studio


def build() -> None:
    """480×270, Cycles, volume scattering."""
    studio.cycles(480, 270, 64, bounces=8, exposure=0.2)
    scene = bpy.context.scene
    scene.cycles.volume_bounces = 4
    scene.cycles.volume_step_rate = 1.5
    studio.sky([(-1, "#3b3a55"), (1, "#6d7fae")], 0.3)
    studio.lamp((3.6, -1.2, 3.4), (0, 0, 1.7), 560, size=1.0, colour="#ff9a5c")
    studio.lamp((-3.6, 0.6, 2.6), (0, 0, 1.7), 420, size=2.4, colour="#5f7fff")
    studio.lamp((0.5, -4.5, 5.0), (0, 0, 0.6), 45, size=3.0, colour="#ffe8d8")
    studio.camera((0, -7.4, 1.7), (0, 0, 1.16), 48, f_stop=2.8)
    room = studio.grain(studio.material("paper", "#5e5f86", 0.9), 1.5, 0.01)
    shapes.backdrop("backdrop", room, depth=3.0)
    marble = studio.grain(studio.material("marble", "#efe6dc", 0.3), 0.25, 0.0, tint="#cfc3bd")
    shapes.lathe("plinth", [(0, 0), (0.82, 0), (0.82, 0.5), (0.80, 0.52), (0, 0.52)], marble)
    shapes.lathe("low plinth", [(0, 0), (1.3, 0), (1.3, 0.16), (1.28, 0.18), (0, 0.18)], marble)
    brass = studio.material("brass", "#e0a84e", 0.18, metallic=1.0)
    shapes.ball("sun", 0.24, brass, (1.55, -0.75, 0.24))
    shapes.ball("drop", 0.13, studio.material("drop", "#8fd0e0", 0.05, coat_weight=1.0), (-1.5, -0.85, 0.13))
    shapes.ball("drop", 0.08, studio.material("drop", "#8fd0e0", 0.05, coat_weight=1.0), (-1.2, -1.15, 0.08))
    cloud()


def cloud() -> None:
    """A box with fog inside a few overlapping balls that are distorted by noise."""
    made = bpy.data.materials.new("cloud")
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    nodes.clear()
    place = nodes.new("ShaderNodeTexCoord").outputs["Object"]
    noise = nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = 2.6, 5.0
    links.new(place, noise.inputs["Vector"])
    depth = None
    puffs = ((0, 0, 0, 0.62), (-0.62, 0.05, -0.12, 0.46), (0.6, -0.05, -0.14, 0.48), (0.22, -0.1, 0.34, 0.42))
    for x, y, z, radius in (
        *puffs,
        (-0.34, 0.1, 0.24, 0.36),
        (1.02, 0.0, -0.26, 0.28),
        (-1.02, 0.0, -0.24, 0.26),
    ):
        inside = nodes.new("ShaderNodeVectorMath")
        inside.operation = "DISTANCE"
        inside.inputs[1].default_value = (x, y, z)
        links.new(place, inside.inputs[0])
        puff = sums(made, "SUBTRACT", radius, inside.outputs["Value"])
        depth = puff if depth is None else sums(made, "SMOOTH_MAX", depth, puff, 0.12)
    torn = sums(made, "ADD", depth, sums(made, "MULTIPLY_ADD", noise.outputs["Fac"], 0.62, -0.36))
    density = nodes.new("ShaderNodeMapRange")
    density.inputs["From Max"].default_value, density.inputs["To Max"].default_value = 0.16, 26.0
    links.new(torn, density.inputs["Value"])
    fog = nodes.new("ShaderNodeVolumePrincipled")
    fog.inputs["Color"].default_value = (0.97, 0.96, 0.97, 1)
    fog.inputs["Anisotropy"].default_value = 0.25
    links.new(density.outputs["Result"], fog.inputs["Density"])
    links.new(fog.outputs["Volume"], nodes.new("ShaderNodeOutputMaterial").inputs["Volume"])
    x, y, z = 1.5, 0.85, 0.85
    points = [(sx * x, sy * y, sz * z) for sz in (-1, 1) for sx, sy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    faces = [(3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    shapes.thing("cloud", shapes.mesh("cloud", points, faces), made, (0, 0, 1.62))


def sums(made: bpy.types.Material, operation: str, *values: object) -> bpy.types.NodeSocket:
    """A math node with numbers or other nodes' outputs as inputs."""
    node = made.node_tree.nodes.new("ShaderNodeMath")
    node.operation = operation
    for socket, value in zip(node.inputs, values, strict=False):
        if isinstance(value, bpy.types.NodeSocket):
            made.node_tree.links.new(value, socket)
        else:
            socket.default_value = value
    return node.outputs[0]


if __name__ == "__main__":
    studio.make(build)
