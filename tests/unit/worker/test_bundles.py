"""Chunks of a bundle with fakes: from its folder to a result folder; what is refused before a claim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.bench import LEASE_SECONDS, ME, REWARD, SCENE, Bench, crash, result_pin, stages
from tests.fakes.bundles import BUNDLE, begun, files_of, post_bundle, post_files
from tests.fakes.renderer import INSPECTION
from tests.unit.worker.pipelines import EARNING_MOVES, run

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Stage
from veriframe.model.bundle.job_file import Bundle, Split, parse_job_file
from veriframe.model.bundle.manifest import Manifest, parse_manifest
from veriframe.model.registry.job import JobState
from veriframe.model.rendering.frames import ImageFormat, RenderLimits, RenderTask
from veriframe.model.rendering.overrides import Overrides
from veriframe.worker.intake.failures import NOT_THE_BYTES


def result(bench: Bench, job_id: int = 1) -> dict[str, bytes]:
    """The files that the registry names as the result of a job."""
    return bench.store.folders[bench.job(job_id).result_cid]


def manifest(bench: Bench, job_id: int = 1) -> Manifest:
    """The manifest of a result."""
    return parse_manifest(result(bench, job_id)["manifest.json"])


async def test_a_chunk_becomes_a_folder(bench: Bench) -> None:
    """Frames, proofs, a preview and a manifest: these and nothing else, pinned as one."""
    _, second = await post_bundle(bench, frames=(1, 2, 3, 4, 8), chunk=3)
    after = await run(bench, begun(bench, second))
    assert after.stage is Stage.SUBMITTED
    assert bench.shared.moves == EARNING_MOVES
    names = {
        f"{folder}_{n:04d}.{end}"
        for n in (4, 8)
        for folder, end in (("frames/frame", "png"), ("proof/frame", "tiles"), ("proof/frame", "exr"))
    }
    assert set(result(bench, 2)) == {"manifest.json", "preview.jpg", *names}
    assert bench.store.pinned[-1].name == result_pin(ME, 2)
    assert after.result_bytes == sum(map(len, result(bench, 2).values()))
    assert [task.frames for task in bench.renderer.tasks] == [(4, 8)]
    assert bench.renderer.folders == [bench.context.workspace.bundle(second.order.asset_cid)]


async def test_the_manifest_says_what_was_rendered_and_how(bench: Bench) -> None:
    """The job, the worker, the settings with the bundle's own, and each frame's files and digests."""
    bench.script.inspection = replace(INSPECTION, cameras=("Camera", "Close"), seed=7)
    overrides = Overrides(camera="Close", samples=16, resolution=(32, 18), denoise=True)
    (job,) = await post_bundle(bench, frames=(3, 4), overrides=overrides)
    bench.script.size = (32, 18)
    await run(bench, begun(bench, job))
    said = manifest(bench)
    assert (said.job, said.order, said.part, said.asset, said.worker) == (1, 1, 0, job.order.asset_cid, "0x1")
    assert (said.blender, said.build_hash) == ("4.5.15 LTS", "5afeabba6097")
    assert said.settings == {
        "engine": "CYCLES",
        "resolution": [32, 18],
        "samples": 16,
        "seed": 7,
        "denoise": True,
        "camera": "Close",
        "view_layers": ["ViewLayer"],
        "format": "PNG",
        "color_depth": 8,
        "passes": [],
        "region": None,
        "frames_per_second": 24.0,
    }
    assert [frame.number for frame in said.frames] == [3, 4]
    first = said.frames[0]
    assert first.size_bytes == len(result(bench)[first.file])
    assert first.proof is not None
    assert first.proof.root == first.digest == result(bench)[first.proof.tiles].hex()


async def test_without_a_check_there_is_no_proof(bench: Bench) -> None:
    """The creator decides."""
    (job,) = await post_bundle(bench, frames=(1,), proof_tiles=0)
    await run(bench, begun(bench, job))
    assert set(result(bench)) == {"manifest.json", "preview.jpg", "frames/frame_0001.png"}
    assert manifest(bench).frames[0].proof is None


async def test_a_bare_scene_is_served_as_ever(bench: Bench) -> None:
    """One PNG file."""
    (job,) = await bench.post()
    await run(bench, bench.begin(job))
    assert bench.store.files[bench.job().result_cid].startswith(b"\x89PNG")
    assert bench.renderer.folders == [None]
    assert bench.renderer.tasks == [RenderTask(size=(64, 36))]


async def test_an_asset_is_inspected_once(bench: Bench) -> None:
    """However many chunks it has; and it is fetched once."""
    for job in await post_bundle(bench, chunk=2):
        await run(bench, begun(bench, job))
    assert len(bench.renderer.inspected) == 1
    assert stages(bench) == [Stage.SUBMITTED] * 5


async def test_a_movie_output_of_the_scene_does_not_matter(bench: Bench) -> None:
    """The bundle names its output. A bare scene with a movie output is refused."""
    bench.script.inspection = replace(INSPECTION, output_is_movie=True)
    (job,) = await post_bundle(bench, frames=(1,))
    assert (await run(bench, begun(bench, job))).stage is Stage.SUBMITTED


async def test_a_tile_of_a_still_is_rendered_with_its_border(bench: Bench) -> None:
    """It cannot be decoded by the fake, which draws no EXR: only what is asked of the renderer counts."""
    _, second = await post_bundle(bench, frames=(1,), chunk=1, split=Split(columns=2, rows=1))
    await run(bench, begun(bench, second))
    (task,) = bench.renderer.tasks
    assert (task.format, task.is_denoised_later) == (ImageFormat.MULTILAYER, True)
    assert task.region is not None
    assert (task.region.left, task.region.width) == (16, 48)


def without(name: str) -> dict[str, bytes]:
    """A bundle that lacks a file."""
    return {key: content for key, content in files_of().items() if key != name}


def asking(**changes: Any) -> dict[str, bytes]:
    """A bundle that asks for something else."""
    return files_of(replace(BUNDLE, **changes))


HOSTILE = {
    "no job.json": (without("job.json"), Code.BAD_BUNDLE),
    "job.json is a folder": ({**without("job.json"), "job.json/x": b""}, Code.BAD_BUNDLE),
    "not JSON": ({**files_of(), "job.json": b"veriframe: 1"}, Code.BAD_BUNDLE),
    "deep JSON": ({**files_of(), "job.json": b"[" * 60_000}, Code.BAD_BUNDLE),
    "too long": ({**files_of(), "job.json": b" " * 2**20 + files_of()["job.json"]}, Code.BAD_BUNDLE),
    "no scene": (without(BUNDLE.scene), Code.BAD_BUNDLE),
    "the scene is a folder": ({**without(BUNDLE.scene), f"{BUNDLE.scene}/x": b""}, Code.BAD_BUNDLE),
    "scene outside": (
        {**files_of(), "job.json": files_of()["job.json"].replace(b"shots/", b"../../")},
        Code.CORRUPT,
    ),
    "scene at the root": (
        {**files_of(), "job.json": files_of()["job.json"].replace(b"shots/", b"/etc/")},
        Code.CORRUPT,
    ),
    "not a scene": ({**files_of(), BUNDLE.scene: b"text"}, Code.NOT_BLEND),
    "another Blender": (asking(blender="5.0"), Code.VERSION),
    "too much memory": (asking(memory_bytes=2**49), Code.OOM),
    "no such camera": (asking(overrides=Overrides(camera="Nobody's")), Code.OVERRIDE),
    "no such view layer": (asking(overrides=Overrides(view_layer="None")), Code.OVERRIDE),
    "engine that is not allowed": (asking(overrides=Overrides(engine="BLENDER_EEVEE")), Code.ENGINE),
    "too many pixels": (asking(overrides=Overrides(resolution=(65_536, 65_536))), Code.RESOLUTION),
    "too many samples": (asking(overrides=Overrides(samples=2**24)), Code.SAMPLES),
    "frames beyond Blender's": (
        {**files_of(), "job.json": files_of()["job.json"].replace(b'"1-10"', b'"1-1048575"')},
        Code.FRAME_RANGE,
    ),
    "too many files": ({**files_of(), **{f"textures/{n}.png": b"" for n in range(20_001)}}, Code.TOO_LARGE),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_bundles_are_refused_before_any_money_moves(bench: Bench, name: str) -> None:
    """fault_115: with a code and a sentence, and nothing is rendered."""
    files, code = HOSTILE[name]
    job, _ = await post_files(bench, files, 2)
    after = await run(bench, begun(bench, job))
    assert (after.stage, after.code) == (Stage.REFUSED, code)
    assert after.detail.endswith(".")
    assert bench.shared.moves == []
    assert bench.renderer.tasks == []
    assert bench.job().state is JobState.OPEN


@pytest.mark.parametrize("jobs", [1, 3])
async def test_an_order_that_is_not_of_its_bundle_is_refused(bench: Bench, jobs: int) -> None:
    """fault_116: more or fewer jobs than parts. The bundle itself may be right for another order."""
    job, *_ = await post_files(bench, files_of(), jobs)
    after = await run(bench, begun(bench, job))
    assert (after.stage, after.code) == (Stage.REFUSED, Code.PARTS)
    right, _ = await post_files(bench, files_of(), 2)
    assert (await run(bench, begun(bench, right))).stage is Stage.SUBMITTED


async def test_wrong_orders_do_not_block_a_bundle(bench: Bench) -> None:
    """fault_116: anyone can post them, before every start of the worker; its own order is served."""
    for jobs in (1, 3, 5):
        await post_files(bench, files_of(), jobs)
        assert await bench.service().run(once=True)
    right = await post_bundle(bench)
    assert await bench.service().run(once=True)
    assert [bench.attempt(job.id).stage for job in right] == [Stage.SUBMITTED] * 2
    assert len(bench.renderer.tasks) == 2


def link_job_file(bundle: Path) -> None:
    """What a fetch never makes."""
    (bundle / "job.json").rename(bundle / "other.json")
    (bundle / "job.json").symlink_to("other.json")


def link_scene(bundle: Path) -> None:
    """The same for the scene's folder."""
    (bundle / "shots").rename(bundle / "other")
    (bundle / "shots").symlink_to("other")


@pytest.mark.parametrize("spoil", [link_job_file, link_scene])
async def test_links_are_not_followed(bench: Bench, spoil: Callable[[Path], None]) -> None:
    """fault_115: neither to job.json nor on the way to the scene."""
    first, second = await post_bundle(bench)
    await run(bench, begun(bench, first))
    spoil(bench.context.workspace.bundle(first.order.asset_cid))
    after = await run(bench, begun(bench, second))
    assert (after.stage, after.code) == (Stage.REFUSED, Code.BAD_BUNDLE)


async def test_a_chunk_that_does_not_fit_into_its_lease_is_left(bench: Bench) -> None:
    """fault_117: 300 s for each of 20 frames are more than the lease; 10 s each are not."""
    (long,) = await post_bundle(bench, frames=tuple(range(20)), chunk=20)
    after = await run(bench, begun(bench, long))
    assert (after.stage, after.code) == (Stage.REFUSED, Code.LEASE)
    assert "20 frames" in after.detail
    (short,) = await post_bundle(bench, frames=tuple(range(20)), chunk=20, frame_seconds=10.0)
    assert (await run(bench, begun(bench, short))).stage is Stage.SUBMITTED
    assert bench.renderer.tasks[-1].frame_seconds == 10


async def test_a_crash_goes_on_with_the_frames_that_are_missing(bench: Bench) -> None:
    """By a new Blender, once."""
    bench.script.frame_failures[3] = [crash()]
    first, _ = await post_bundle(bench)
    assert (await run(bench, begun(bench, first))).stage is Stage.SUBMITTED
    assert [task.frames for task in bench.renderer.tasks] == [(1, 2, 3, 4, 5), (3, 4, 5)]
    assert [frame.number for frame in manifest(bench).frames] == [1, 2, 3, 4, 5]


async def test_a_chunk_that_may_take_long_is_left_until_its_creator_has_paid(bench: Bench) -> None:
    """fault_127: before the claim, by the limits of its frames."""
    bench.context.policy = replace(bench.policy, new_creator_chunk_seconds=100.0)
    (job,) = await post_bundle(bench, frames=(1, 2, 3), chunk=3, frame_seconds=20.0)
    after = await run(bench, begun(bench, job))
    assert (after.stage, bench.shared.moves) == (Stage.LOST, [])
    assert "new_creator_chunk_seconds" in after.detail
    bench.context.is_backed = lambda attempt: attempt.job_id == job.id
    assert (await run(bench, begun(bench, job))).stage is Stage.SUBMITTED


async def test_little_pay_for_a_frame_is_left(bench: Bench) -> None:
    """minimum_frame_reward_strk counts the frames of a chunk, minimum_reward_strk the job."""
    bench.context.policy = replace(bench.policy, minimum_frame_reward_fri=REWARD // 5 + 1)
    first, _ = await post_bundle(bench)
    after = await run(bench, begun(bench, first))
    assert after.stage is Stage.LOST
    assert "minimum_frame_reward_strk" in after.detail
    bench.context.policy = replace(bench.policy, minimum_frame_reward_fri=REWARD // 5)
    assert (await run(bench, begun(bench, first))).stage is Stage.SUBMITTED


def test_bundles_of_these_tests_are_bundles() -> None:
    """What is written is read."""
    assert parse_job_file(files_of()["job.json"]) == BUNDLE
    assert SCENE.startswith(b"BLENDER")
    assert RenderLimits().wall_seconds(20) > LEASE_SECONDS
    assert isinstance(BUNDLE, Bundle)


async def test_a_bundle_for_other_classes_is_left(bench: Bench) -> None:
    """fault_245: before a claim, with the class of this machine; it counts against nobody."""
    other, mine = "4.5.15-5afeabba6097-CPU-ffffffffffffffff", bench.renderer.known_class
    for job in await post_bundle(bench, classes=(other,)):
        after = await run(bench, begun(bench, job))
        assert (after.stage, after.code) == (Stage.REFUSED, Code.CLASS)
        assert mine in after.detail
    assert bench.shared.moves == []
    assert after.code in NOT_THE_BYTES
    assert bench.renderer.opened == []
    job, _ = await post_bundle(bench, classes=(other, mine))
    assert (await run(bench, begun(bench, job))).stage is Stage.SUBMITTED
    assert manifest(bench, job.id).machine_class == mine
