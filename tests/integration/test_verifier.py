"""The verifier with a real Blender, on results that a worker made, and on results that were changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.bench import Bench
from tests.integration.verifying import (
    BUNDLE,
    PLAIN,
    bench_of,
    posing_as,
    rendered,
    rewrite,
    verified,
    verifying,
    with_result,
)

from veriframe.model.rendering.overrides import Overrides
from veriframe.model.verification.findings import Conclusion, Request, Subject

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A worker with a real Blender; registry, store and journal are fakes."""
    return bench_of(tmp_path)


@pytest.mark.parametrize(
    ("overrides", "change"),
    [
        pytest.param(PLAIN, "", id="plain"),
        pytest.param(replace(PLAIN, denoise=True), "", id="denoised"),
        pytest.param(replace(PLAIN, color_depth=16), "", id="16 bits"),
        pytest.param(PLAIN, "scene.render.film_transparent = True", id="film transparent"),
        pytest.param(PLAIN, "scene.cycles.use_adaptive_sampling = False", id="not adaptive"),
    ],
)
async def test_an_honest_result_is_exact(bench: Bench, overrides: Overrides, change: str) -> None:
    """Every drawn tile has the same bits, and so has what was delivered."""
    job = await rendered(bench, replace(BUNDLE, overrides=overrides), change)
    found = (await verified(bench, job)).finding
    assert (found.conclusion, found.why) == (Conclusion.EXACT, "")
    assert [frame.number for frame in found.frames] == [1, 2]
    assert found.tiles == 8
    assert {tile.subject for frame in found.frames for tile in frame.tiles} == set(Subject)
    assert found.fetched_bytes > 0


async def test_a_thorough_check_denoises_the_whole_proof_again(bench: Bench) -> None:
    """And finds that every pixel agrees."""
    bundle = replace(BUNDLE, overrides=replace(BUNDLE.overrides, denoise=True))
    job = await rendered(bench, bundle)
    found = (await verified(bench, job, Request(thorough=True, tiles=1))).finding
    assert found.conclusion is Conclusion.EXACT
    assert [tile.tile for tile in found.frames[0].tiles if tile.tile < 0] == [-1]


async def test_the_compositor_needs_the_whole_frame(bench: Bench) -> None:
    """The tiles of the noisy image are compared, and the picture as a whole."""
    change = """
scene.use_nodes = True
tree = scene.node_tree
tree.nodes.clear()
layers, out = tree.nodes.new("CompositorNodeRLayers"), tree.nodes.new("CompositorNodeComposite")
blur = tree.nodes.new("CompositorNodeBlur")
blur.size_x = blur.size_y = 9
tree.links.new(layers.outputs[0], blur.inputs[0])
tree.links.new(blur.outputs[0], out.inputs[0])
"""
    found = (await verified(bench, await rendered(bench, change=change))).finding
    assert (found.conclusion, found.why) == (Conclusion.EXACT, "")
    assert found.frames[0].is_whole
    assert {tile.tile for tile in found.frames[0].tiles if tile.subject is Subject.DELIVERED} == {-1}


def swapped_frames(result: dict[str, bytes]) -> None:
    """Frame 2 with the files of frame 1, and a manifest that says so."""
    manifest = json.loads(result["manifest.json"])
    first, second = manifest["frames"]
    second |= {name: first[name] for name in ("digest", "size_bytes")}
    second["proof"]["root"] = first["proof"]["root"]
    for name in ("tiles", "exr"):
        result[second["proof"][name]] = result[first["proof"][name]]
    result[second["file"]] = result[first["file"]]
    rewrite(result, manifest)


def other_samples(result: dict[str, bytes]) -> None:
    """A manifest that tells of twice the samples."""
    manifest = json.loads(result["manifest.json"])
    manifest["settings"]["samples"] *= 2
    rewrite(result, manifest)


def no_tiles(result: dict[str, bytes]) -> None:
    """A result without its lists of tiles."""
    for name in [name for name in result if name.endswith(".tiles")]:
        del result[name]


def other_tiles(result: dict[str, bytes]) -> None:
    """Lists of tiles that do not make the roots."""
    for name in [name for name in result if name.endswith(".tiles")]:
        result[name] = result[name][32:] + result[name][:32]


@pytest.mark.parametrize(
    ("cheat", "why"),
    [
        (swapped_frames, "Frame 2"),
        (other_samples, "samples"),
        (no_tiles, "proof/frame_0001.tiles"),
        (other_tiles, "does not make the root"),
    ],
)
async def test_a_changed_result_is_wrong(
    bench: Bench, cheat: Callable[[dict[str, bytes]], None], why: str
) -> None:
    """And the report says what is wrong."""
    job = await rendered(bench)
    result = dict(bench.store.folders[job.result_cid])
    cheat(result)
    found = (await verified(bench, with_result(bench, job, result))).finding
    assert found.conclusion is Conclusion.WRONG
    assert why in found.why


async def test_half_the_samples_are_wrong(bench: Bench) -> None:
    """The pixels of a proof that commits to them, rendered with half the samples."""
    cheap = replace(BUNDLE, overrides=replace(BUNDLE.overrides, samples=8))
    cheated = bench.store.folders[(await rendered(bench, cheap)).result_cid]
    other = Bench(bench.folder / "other")
    other.context = replace(other.context, renderer=bench.context.renderer, policy=bench.context.policy)
    job = await rendered(other)
    verdict = await verified(other, posing_as(other, job, cheated))
    assert verdict.finding.conclusion is Conclusion.WRONG
    assert "honest processors" in verdict.finding.why
    assert verdict.pictures


async def test_nothing_of_a_result_stays_on_the_disk(bench: Bench) -> None:
    """fault_359: an order has many, and its scene stays open for all of them."""
    job = await rendered(bench)
    async with verifying(bench) as verifier:
        assert (await verifier.verify(job, Request())).finding.conclusion is Conclusion.EXACT
        kept = [place.name for place in verifier.folder.rglob("*")]
    assert "shot.blend" in kept
    assert not [name for name in kept if name.startswith("job-") or name.endswith((".png", ".tiles"))]
