"""The verifier on results of other kinds: bare scenes, split stills, what has no proof or is withheld."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from tests import decoding
from tests.fakes.bench import Bench
from tests.fakes.bundles import begun, post_files
from tests.integration import renderer_scenes
from tests.integration.verifying import (
    BUNDLE,
    PLAIN,
    bench_of,
    posing_as,
    rendered,
    rewrite,
    verified,
    with_result,
)

from veriframe.errors import Code, JobRejected, StoreUnavailable
from veriframe.model.attempt.attempt import Stage
from veriframe.model.bundle.chunks import TILE_BORDER_PIXELS
from veriframe.model.bundle.job_file import Split, write_job_file
from veriframe.model.registry.job import Job
from veriframe.model.rendering.frames import ImageFormat, Region
from veriframe.model.verification.findings import Conclusion, Request, Subject
from veriframe.verifier import comparing, frame_check
from veriframe.verifier.crops import Crop, Crops
from veriframe.verifier.frame_check import WIDE_BORDER_PIXELS
from veriframe.verifier.samples import Samples
from veriframe.worker import pipeline

pytestmark = pytest.mark.slow

exr_file = decoding.script("exr_file")

FLAT = """
scene.world.color = (0, 0, 0)
bpy.data.objects.remove(scene.objects["Light"])
flat = bpy.data.materials.new("flat")
flat.use_nodes = True
nodes = flat.node_tree.nodes
nodes.clear()
shown, end = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
flat.node_tree.links.new(shown.outputs[0], end.inputs[0])
for one in scene.objects:
    if one.type == "MESH":
        one.data.materials.clear()
        one.data.materials.append(flat)
"""
"""A scene of emission alone, as in toon shading and motion graphics."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A worker with a real Blender; registry, store and journal are fakes."""
    return bench_of(tmp_path)


async def rendered_bare(bench: Bench, change: str) -> Job:
    """Has the worker render a bare scene. Returns its job, submitted."""
    (job,) = await bench.post(scene=renderer_scenes.make(change))
    assert (await pipeline.run(bench.begin(job), bench.context)).stage is Stage.SUBMITTED
    bench.shared.block += 1
    return bench.job(job.id)


@pytest.mark.parametrize(
    ("change", "is_whole"),
    [
        pytest.param("render.resolution_x = 160", False, id="plain"),
        pytest.param("scene.cycles.use_denoising = True", True, id="denoised"),
    ],
)
async def test_a_bare_scene_has_only_its_picture(bench: Bench, change: str, is_whole: bool) -> None:
    """Its tiles are compared; denoised, only the whole picture can be."""
    found = (await verified(bench, await rendered_bare(bench, change))).finding
    assert (found.conclusion, found.why) == (Conclusion.EXACT, "")
    (frame,) = found.frames
    assert frame.is_whole == is_whole
    assert {tile.subject for tile in frame.tiles} == {Subject.DELIVERED}
    assert bool(found.notes) == is_whole


async def test_what_need_not_be_equal_is_left_to_the_eye(bench: Bench) -> None:
    """Workbench: equal bits are exact; others are shown, and nobody is accused."""
    job = await rendered_bare(bench, "render.engine = 'BLENDER_WORKBENCH'")
    found = await verified(bench, job)
    assert found.finding.conclusion is Conclusion.EXACT
    other = await rendered_bare(bench, "")
    found = await verified(bench, replace(job, result_cid=other.result_cid))
    assert found.finding.conclusion is Conclusion.UNDECIDED
    assert "BLENDER_WORKBENCH" in found.finding.why
    assert found.pictures


async def test_a_tile_of_a_split_still_is_its_own_proof(bench: Bench) -> None:
    """Without its border, which the merging cuts off."""
    bundle = replace(BUNDLE, frames=(1,), chunk=1, split=Split(columns=2, rows=1))
    files = {"job.json": write_job_file(bundle), bundle.scene: renderer_scenes.make()}
    jobs = await post_files(bench, files, 2)
    assert (await pipeline.run(begun(bench, jobs[1]), bench.context)).stage is Stage.SUBMITTED
    await bench.context.kept.close()
    bench.shared.block += 1
    found = await verified(bench, bench.job(jobs[1].id))
    assert (found.finding.conclusion, found.finding.why) == (Conclusion.EXACT, "")
    assert found.size == (80, 100)
    assert all(tile.region.left >= 80 for frame in found.finding.frames for tile in frame.tiles)


async def test_a_denoised_frame_without_a_proof_is_rendered_as_a_whole(bench: Bench) -> None:
    """fault_294: the honest one is exact, and a black one is wrong."""
    overrides = replace(PLAIN, denoise=True)
    bundle = replace(BUNDLE, frames=(1,), chunk=1, proof_tiles=0, overrides=overrides)
    job = await rendered(bench, bundle)
    found = (await verified(bench, job)).finding
    assert (found.conclusion, found.why) == (Conclusion.EXACT, "")
    assert found.frames[0].is_whole
    unlit = "bpy.data.objects.remove(scene.objects['Light']); scene.world.color = (0.01, 0.01, 0.01)"
    black = bench.store.folders[(await rendered(bench, bundle, unlit)).result_cid]
    assert (await verified(bench, posing_as(bench, job, black))).finding.conclusion is Conclusion.WRONG


async def test_a_tile_that_looks_unlike_is_denoised_with_more_around_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole proof is fetched only if the tile still looks unlike."""
    job = await rendered(bench, replace(BUNDLE, overrides=replace(PLAIN, denoise=True)))
    real, borders, seen = comparing.looks, list[int](), list[comparing.Looks]()
    render = Crops.render

    async def note(self: Crops, frame: int, part: Region, *, border: int = TILE_BORDER_PIXELS) -> Crop:
        borders.append(border)
        return await render(self, frame, part, border=border)

    def looks(ours: Samples, theirs: Samples, *, is_radiance: bool = False) -> comparing.Looks:
        other = comparing.Looks(1, 1, 1, 1, 1)
        seen.append(other if len(seen) % 2 == 0 else real(ours, theirs, is_radiance=is_radiance))
        return seen[-1]

    monkeypatch.setattr(comparing, "looks", looks)
    monkeypatch.setattr(Crops, "render", note)
    found = (await verified(bench, job, Request(tiles=2))).finding
    assert (found.conclusion, found.why) == (Conclusion.EXACT, "")
    assert borders == [WIDE_BORDER_PIXELS] * 4
    assert not any(path.endswith(".exr") for _, path in bench.store.fetched), "no proof"


async def test_what_arrives_too_slowly_is_withheld(bench: Bench) -> None:
    """fault_295: each time, while our own store answers."""
    job = await rendered(bench)
    fetch: Any = bench.store.fetch

    async def stall(*place: Any, **more: Any) -> Any:
        if str(more.get("path")).endswith(".tiles"):
            raise StoreUnavailable("Nothing arrives.")
        return await fetch(*place, **more)

    bench.store.fetch = stall  # type: ignore[method-assign]
    assert (await verified(bench, job)).finding.conclusion is Conclusion.WITHHELD


async def test_what_nobody_provides_is_withheld_and_not_wrong(bench: Bench) -> None:
    """It is asked for more than once, and a result that comes meanwhile is right."""
    job, asked = await rendered(bench), list[str]()
    fetch: Any = bench.store.fetch

    async def withhold(cid: str, *rest: Any, path: str = "", **more: Any) -> Any:
        if path.endswith(".tiles"):
            asked.append(path)
            if len(asked) <= missing:
                raise JobRejected(Code.NOT_FOUND, "Nobody provides it.")
        return await fetch(cid, *rest, path=path, **more)

    bench.store.fetch = withhold  # type: ignore[method-assign]
    missing = 1
    assert (await verified(bench, job)).finding.conclusion is Conclusion.EXACT
    asked.clear()
    missing = 99
    found = (await verified(bench, job)).finding
    assert found.conclusion is Conclusion.WITHHELD
    assert "proof/frame_0001.tiles; it was asked for 2 times" in found.why


async def test_a_layer_that_does_not_denoise_is_not_denoised_again(bench: Bench) -> None:
    """fault_330: the scene denoises, and its only layer turns that off."""
    change = "scene.cycles.use_denoising = True; scene.view_layers[0].cycles.use_denoising = False"
    bundle = replace(BUNDLE, overrides=replace(PLAIN, denoise=None))
    job = await rendered(bench, bundle, change)
    found = (await verified(bench, job, Request(thorough=True))).finding
    assert (found.conclusion, found.why) == (Conclusion.EXACT, "")


@pytest.mark.parametrize("image_format", [ImageFormat.PNG, ImageFormat.EXR, ImageFormat.MULTILAYER])
async def test_denoised_results_are_exact_to_the_last_pass(bench: Bench, image_format: ImageFormat) -> None:
    """Thoroughly: the noisy image, what the denoiser got, what it made of it, and data."""
    overrides = replace(PLAIN, denoise=True)
    mattes = (
        "for name in ('z', 'cryptomatte_object'): setattr(scene.view_layers[0], f'use_pass_{name}', True)"
    )
    bundle = replace(BUNDLE, format=image_format, overrides=overrides, frames=(1,), chunk=1)
    job = await rendered(bench, bundle, mattes)
    for request in (Request(), Request(thorough=True)):
        found = (await verified(bench, job, request)).finding
        assert (found.conclusion, found.why) == (Conclusion.EXACT, "")


async def test_what_a_denoiser_gets_is_compared(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_339: the list of tiles commits to the noisy image alone."""

    async def believe(*args: Any) -> None:
        """The picture is what the proof makes, whatever that is."""

    job = await rendered(bench, replace(BUNDLE, overrides=replace(PLAIN, denoise=True)))
    monkeypatch.setattr(frame_check, "denoise_again", believe)
    forged = dict(bench.store.folders[job.result_cid])
    for name in [name for name in forged if name.startswith("proof/") and name.endswith(".exr")]:
        forged[name] = chequered(forged[name], bench.folder / "forged.exr")
    asked = with_result(bench, job, forged)
    assert (await verified(bench, asked)).finding.conclusion is Conclusion.EXACT
    found = (await verified(bench, asked, Request(thorough=True))).finding
    assert found.conclusion is Conclusion.WRONG


def chequered(proof: bytes, file: Path) -> bytes:
    """The proof with an albedo of black and white fields."""
    file.write_bytes(proof)
    found = OpenEXR.File(str(file), separate_channels=True).channels()
    planes = {name: one.pixels for name, one in found.items()}
    for name, plane in planes.items():
        if "Albedo" in name:
            plane[:] = np.indices(plane.shape).sum(axis=0) // 8 % 2
    exr_file.write(file, planes, tiled=True)
    return file.read_bytes()


async def test_fewer_samples_of_flat_colours_are_wrong(bench: Bench) -> None:
    """fault_335: both kernels render the same bits, and only the edges show how many samples there were."""
    bundle = replace(BUNDLE, format=ImageFormat.EXR, overrides=replace(PLAIN, samples=64))
    job = await rendered(bench, bundle, FLAT)
    cheat = await rendered(bench, replace(bundle, overrides=replace(PLAIN, samples=1)), FLAT)
    assert (await verified(bench, job)).finding.conclusion is Conclusion.EXACT
    forged = posing_as(bench, job, bench.store.folders[cheat.result_cid])
    found = (await verified(bench, forged)).finding
    assert found.conclusion is Conclusion.WRONG


async def test_a_pass_that_one_frame_claims_makes_no_other_frame_whole(bench: Bench) -> None:
    """fault_349: a worker would make each verification as dear as the render."""
    overrides = replace(PLAIN, denoise=True)
    job = await rendered(bench, replace(BUNDLE, format=ImageFormat.MULTILAYER, overrides=overrides))
    forged = dict(bench.store.folders[job.result_cid])
    manifest = json.loads(forged["manifest.json"])
    manifest["frames"][1]["channels"] += ",ViewLayer.Shadow%20Catcher.R"
    rewrite(forged, manifest)
    claimed = with_result(bench, job, forged)
    found = (await verified(bench, claimed, Request(frames=(1,)))).finding
    assert (found.conclusion, found.frames[0].is_whole, found.notes) == (Conclusion.EXACT, False, ())
    found = (await verified(bench, claimed, Request(every=True))).finding
    assert found.conclusion is Conclusion.WRONG


async def test_layers_that_a_worker_adds_are_refused_before_they_are_decoded(bench: Bench) -> None:
    """fault_331: decoding 128 channels of a large picture takes more memory than a verifier has."""
    bundle = replace(BUNDLE, format=ImageFormat.MULTILAYER)
    job = await rendered(bench, bundle)
    assert (await verified(bench, job)).finding.conclusion is Conclusion.EXACT
    forged = dict(bench.store.folders[job.result_cid])
    manifest = json.loads(forged["manifest.json"])
    for frame in manifest["frames"]:
        frame["channels"] += "".join(f",ViewLayer.Z{number}.Z" for number in range(100))
        del forged[frame["file"]]
    rewrite(forged, manifest)
    found = (await verified(bench, with_result(bench, job, forged))).finding
    assert (found.conclusion, "channels" in found.why) == (Conclusion.WRONG, True)
