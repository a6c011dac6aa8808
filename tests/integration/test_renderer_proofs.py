"""Proofs of real renders: what Cycles rendered before denoising."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from tests import independent_digest
from tests.integration.renderer_studio import Studio, studio

from veriframe.errors import Code, ValidationFailed
from veriframe.model.rendering.frames import ImageFormat, Region, RenderTask, proof_file, tiles_file
from veriframe.model.rendering.overrides import Overrides

__all__ = ["studio"]

pytestmark = pytest.mark.slow

SCENE = """
scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = True
scene.cycles.samples = 8
render.resolution_x, render.resolution_y = 140, 80
render.image_settings.color_mode = "RGBA"
"""
PLAIN = RenderTask(format=ImageFormat.EXR, size=(140, 80), overrides=Overrides(denoise=False, color_depth=32))
CHECKABLE = RenderTask(has_proof=True, has_thumbnail=True, size=(140, 80))


def channels(file: Path) -> dict[str, Any]:
    """All samples of an EXR, by channel."""
    found = OpenEXR.File(str(file), separate_channels=True).channels()
    return {name: channel.pixels for name, channel in found.items()}


def noisy(planes: dict[str, Any]) -> dict[str, Any]:
    """The noisy image of a proof, or of a picture that was not denoised, under the proof's names."""
    return {
        f"ViewLayer.Noisy Image.{name[-1]}": plane
        for name, plane in planes.items()
        if "Noisy" in name or len(name) == 1
    }


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether both have the same channels, bit for bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


FREESTYLE = "render.use_freestyle = True; render.line_thickness = 3"
COMPOSITOR = """
scene.use_nodes = True
tree = scene.node_tree
invert = tree.nodes.new("CompositorNodeInvert")
for node in tree.nodes:
    if node.type == "R_LAYERS": tree.links.new(node.outputs["Image"], invert.inputs["Color"])
for node in tree.nodes:
    if node.type == "COMPOSITE": tree.links.new(invert.outputs["Color"], node.inputs["Image"])
"""


@pytest.mark.parametrize("change", ["", FREESTYLE, COMPOSITOR])
async def test_the_noisy_image_is_a_render_without_denoising(studio: Studio, change: str) -> None:
    """Bit for bit, whatever a compositor or Freestyle draws afterwards; so is each crop of it."""
    (frame,), clean = await studio.validate(
        CHECKABLE, *await studio.render(studio.scene(SCENE + change), CHECKABLE)
    )
    assert {file.name for file in clean.iterdir()} == {*CHECKABLE.validated_files(1)}
    proof = channels(clean / proof_file(1))
    _, file = await studio.frame(studio.scene(SCENE), PLAIN)
    plain = noisy(channels(file))
    assert equal(noisy(proof), plain)
    assert {name.rsplit(".", 1)[0] for name in proof} == {
        *("ViewLayer.Noisy Image", "ViewLayer.Denoising Albedo", "ViewLayer.Denoising Normal")
    }
    contents = independent_digest.contents(plain)
    assert frame.proof_root == independent_digest.tree(contents).hex()
    leaves = [independent_digest.tree([content]) for content in contents]
    assert (clean / tiles_file(1)).read_bytes() == b"".join(leaves)
    region = Region(left=51, top=30, width=40, height=33)
    _, crop = await studio.frame(studio.scene(SCENE), replace(PLAIN, region=region))
    part = np.s_[30 + 16 : 63 - 16, 51 + 16 : 91 - 16]
    cut = {name: plane[16:-16, 16:-16] for name, plane in noisy(channels(crop)).items()}
    assert equal(cut, {name: plane[part] for name, plane in plain.items()})


async def test_each_frame_of_a_chunk_has_its_own_proof(studio: Studio) -> None:
    """It lies beside its frame when that is yielded; a frame of a chunk is that frame alone."""
    task = replace(CHECKABLE, frames=(1, 3), overrides=Overrides(denoise=False))
    scene, out = studio.scene(SCENE), studio.new_folder()
    frames, there = [], []
    async with studio.renderer().open(scene) as session:
        async for frame in session.frames(task, out):
            frames.append(frame)
            there.append((out / proof_file(frame.number)).is_file())
    assert there == [True, True]
    validated, _ = await studio.validate(task, frames, out)
    assert validated[0].proof_root != validated[1].proof_root
    alone = replace(task, frames=(3,))
    (again,), _ = await studio.validate(alone, *await studio.render(scene, alone))
    assert again == validated[1]


async def test_the_same_scene_without_a_proof_is_the_same_picture(studio: Studio) -> None:
    """Keeping passes changes no pixel."""
    scene = studio.scene(SCENE)
    (proved,), _ = await studio.validate(CHECKABLE, *await studio.render(scene, CHECKABLE))
    plain, _ = await studio.frame(scene, replace(CHECKABLE, has_proof=False))
    assert plain == replace(proved, proof_root="")


async def test_a_forged_proof_is_refused(studio: Studio) -> None:
    """fault_110: a file that holds no passes, or those of another size."""
    task = replace(CHECKABLE, overrides=Overrides(denoise=False))
    frames, out = await studio.render(studio.scene(SCENE), task)
    for size, code in (((80, 140), Code.NOT_IMAGE), ((80, 139), Code.WRONG_SIZE)):
        planes = {name: np.zeros(size, np.float32) for name in "RGBA"}
        OpenEXR.File({}, planes).write(str(out / proof_file(1)))
        with pytest.raises(ValidationFailed) as failed:
            await studio.validate(task, frames, out)
        assert failed.value.code == code
        assert "proof" in str(failed.value)


async def test_nothing_of_this_machine_is_published(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_111: neither its paths nor its user, host or programs, nor the date, in any file of a result."""
    monkeypatch.setenv("USER", "planted-user")
    scene = studio.scene(
        SCENE + "render.use_stamp = render.use_stamp_note = render.use_stamp_hostname = True;"
        "render.stamp_note_text = 'planted-note'; scene.name = 'planted-scene'; import os;"
        "os.environ['USER'] = 'planted-user'"
    )
    formats = [(ImageFormat.PNG, 16), (ImageFormat.EXR, 16), (ImageFormat.MULTILAYER, 32)]
    found, raw = b"", b""
    for image_format, depth in formats:
        task = replace(CHECKABLE, format=image_format, overrides=Overrides(color_depth=depth, samples=1))
        frames, out = await studio.render(scene, task)
        _, clean = await studio.validate(task, frames, out)
        found += b"".join(file.read_bytes() for file in clean.iterdir())
        raw += b"".join(file.read_bytes() for file in out.iterdir())
    told = re.compile(
        rb"planted|scene\.blend|/job|/tmp|/out|\d{4}[/:-]\d\d[/:-]\d\d|RenderTime|Camera", re.IGNORECASE
    )
    assert told.search(raw), "Blender writes these, or the test could not fail"
    assert not told.search(found)
