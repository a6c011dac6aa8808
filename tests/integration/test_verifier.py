"""The verifier with a real Blender, on results that a worker made, and on results that were changed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.bench import Bench
from tests.fakes.bundles import begun, post_files
from tests.integration import renderer_scenes

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.errors import Code, JobRejected
from veriframe.model.attempt.attempt import Stage
from veriframe.model.bundle.job_file import Bundle, Split, write_job_file
from veriframe.model.registry.job import Job
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.rendering.overrides import Overrides
from veriframe.model.verification.findings import Conclusion, Request, Subject
from veriframe.verifier.evidence import Retries
from veriframe.verifier.verifier import Verified, Verifier
from veriframe.worker import pipeline

pytestmark = pytest.mark.slow

BUNDLE = Bundle(
    scene="shot.blend",
    blender="4.5",
    frames=(1, 2),
    chunk=2,
    overrides=Overrides(resolution=(160, 100), samples=16, seed=3, denoise=False),
)
"""Two frames of six tiles."""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A worker with a real Blender; registry, store and journal are fakes."""
    bench = Bench(tmp_path / "work")
    limits = RenderLimits(frame_seconds=60, loading_seconds=60)
    renderer = BlenderRenderer(runtimes.BpyWheel(), BubblewrapSandbox(), limits=limits)
    bench.context = replace(bench.context, renderer=renderer, policy=replace(bench.policy, limits=limits))
    return bench


async def rendered(bench: Bench, bundle: Bundle = BUNDLE, change: str = "") -> Job:
    """Has the worker render the only chunk of a bundle. Returns its job, submitted."""
    files = {"job.json": write_job_file(bundle), bundle.scene: renderer_scenes.make(change)}
    (job,) = await post_files(bench, files, 1)
    assert (await pipeline.run(begun(bench, job), bench.context)).stage is Stage.SUBMITTED
    await bench.context.kept.close()
    bench.shared.block += 1  # the one whose hash is drawn by
    return bench.job(job.id)


@asynccontextmanager
async def verifying(bench: Bench) -> AsyncIterator[Verifier]:
    """A verifier of the bench's registry and store."""
    verifier = Verifier(
        registry=bench.context.registry,
        store=bench.context.store,
        renderer=bench.context.renderer,
        limits=bench.context.scene_limits,
        memory_bytes=2**33,
        folder=bench.folder / "verify",
        retries=Retries(tries=2, pause_seconds=0.01),
    )
    async with verifier:
        yield verifier


async def verified(bench: Bench, job: Job, request: Request | None = None) -> Verified:
    """Verify one job."""
    async with verifying(bench) as verifier:
        return await verifier.verify(job, request or Request())


def with_result(bench: Bench, job: Job, files: Mapping[str, bytes]) -> Job:
    """The job as if its worker had submitted this folder."""
    return replace(job, result_cid=bench.store.keep_files(files))


PLAIN = BUNDLE.overrides


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


def rewrite(result: dict[str, bytes], manifest: dict[str, object]) -> None:
    """Write a manifest whose root is that of its frames."""
    from veriframe.model.bundle.manifest import _Manifest, root_of, write_manifest  # noqa: PLC0415

    value = _Manifest.model_validate_json(json.dumps(manifest)).value()
    result["manifest.json"] = write_manifest(replace(value, root=root_of(value.frames)))


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
    cheated = dict(bench.store.folders[(await rendered(bench, cheap)).result_cid])
    other = Bench(bench.folder / "other")
    other.context = replace(other.context, renderer=bench.context.renderer, policy=bench.context.policy)
    job = await rendered(other)
    manifest = json.loads(cheated["manifest.json"])
    right = json.loads(other.store.folders[job.result_cid]["manifest.json"])
    for name in ("settings", "job", "order", "part", "asset"):
        manifest[name] = right[name]
    rewrite(cheated, manifest)
    verdict = await verified(other, with_result(other, job, cheated))
    assert verdict.finding.conclusion is Conclusion.WRONG
    assert "honest processors" in verdict.finding.why
    assert verdict.pictures
