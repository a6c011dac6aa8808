"""Chunks of a bundle by a worker with a real Blender: one process, a restart in the middle, real results."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from structlog.testing import capture_logs
from tests.fakes.bench import Bench
from tests.fakes.bundles import begun, post_files
from tests.fakes.journal import FakeJournal
from tests.integration import renderer_scenes

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.session import BlenderSession
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.bundle.job_file import Bundle, write_job_file
from veriframe.model.bundle.manifest import parse_manifest
from veriframe.model.rendering.frames import RenderLimits, SpooledFrame
from veriframe.model.rendering.overrides import Overrides
from veriframe.ports.renderer import Kernel
from veriframe.worker import pipeline

pytestmark = pytest.mark.slow

BUNDLE = Bundle(
    scene="shots/shot.blend",
    blender="4.5",
    frames=tuple(range(1, 9)),
    chunk=4,
    overrides=Overrides(resolution=(64, 36), samples=1, seed=3),
)
TEXTURED = """
image = bpy.data.images.new("wood", 4, 4)
image.source, image.filepath = "FILE", "//../textures/wood.png"
material = cube.data.materials[0]
material.use_nodes = True
node = material.node_tree.nodes.new("ShaderNodeTexImage")
node.image = image
material.node_tree.links.new(node.outputs[0], material.node_tree.nodes["Principled BSDF"].inputs[0])
"""
"""A file beside the folder of the scene, but inside the bundle."""


class Counting(BlenderRenderer):
    """Counts its sessions."""

    opened = 0

    @asynccontextmanager
    async def open(
        self, scene: Path, folder: Path | None = None, kernel: Kernel = Kernel.BEST
    ) -> AsyncIterator[BlenderSession]:
        """Opens one more."""
        self.opened += 1
        async with super().open(scene, folder, kernel) as session:
            yield session


class Killed(Exception):
    """Not one of our errors, so that nothing handles it."""


def die_at(journal: FakeJournal, number: int) -> Callable[[], None]:
    """Has the worker die when a frame is noted. Returns what ends that."""
    note_frame = journal.note_frame

    async def die(attempt: Attempt, frame: SpooledFrame) -> None:
        if frame.number == number:
            raise Killed
        await note_frame(attempt, frame)

    journal.note_frame = die  # type: ignore[method-assign]

    def live() -> None:
        journal.note_frame = note_frame  # type: ignore[method-assign]

    return live


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A worker with a real Blender; registry, store and journal are fakes."""
    bench = Bench(tmp_path / "work")
    limits = RenderLimits(frame_seconds=60, loading_seconds=60)
    renderer = Counting(runtimes.BpyWheel(), BubblewrapSandbox(), limits=limits)
    bench.context = replace(
        bench.context,
        renderer=renderer,
        policy=replace(bench.policy, limits=limits),
    )
    return bench


def picture(colour: str) -> bytes:
    """A small texture."""
    content = BytesIO()
    Image.new("RGB", (4, 4), colour).save(content, "PNG")
    return content.getvalue()


async def test_two_chunks_by_one_blender_with_a_kill_between_their_frames(bench: Bench) -> None:
    """fault_119: killed in frame 3 of 4; then two sessions in all, and each frame was rendered once."""
    files = {
        "job.json": write_job_file(BUNDLE),
        BUNDLE.scene: renderer_scenes.make(TEXTURED),
        "textures/wood.png": picture("red"),
    }
    first, second = await post_files(bench, files, 2)
    live = die_at(bench.journal, 3)
    with pytest.raises(Killed):
        await pipeline.run(begun(bench, first), bench.context)
    live()
    assert bench.attempt().stage is Stage.CLAIMED
    assert [one.number for one in await bench.journal.frames(bench.attempt())] == [1, 2]
    renderer = bench.context.renderer
    assert isinstance(renderer, Counting)
    before = renderer.opened
    bench.remember(bench.attempt())
    for attempt in (bench.attempt(), begun(bench, second)):
        assert (await pipeline.run(attempt, bench.context)).stage is Stage.SUBMITTED
    assert renderer.opened == before + 1
    await bench.context.kept.close()
    digests = []
    for job_id, numbers in ((1, (1, 2, 3, 4)), (2, (5, 6, 7, 8))):
        result = bench.store.folders[bench.job(job_id).result_cid]
        manifest = parse_manifest(result["manifest.json"])
        assert tuple(frame.number for frame in manifest.frames) == numbers
        assert manifest.settings["seed"] == 3
        assert {"preview.jpg", "manifest.json"} <= set(result)
        for frame in manifest.frames:
            with Image.open(BytesIO(result[frame.file])) as image:
                assert image.size == (frame.width, frame.height) == (64, 36)
            assert frame.proof is not None
            assert len(result[frame.proof.tiles]) == 32
            assert result[frame.proof.exr].startswith(b"\x76\x2f\x31\x01")
            digests.append(frame.digest)
        assert not any(
            b"/work" in content or str(bench.folder).encode() in content for content in result.values()
        )
    assert len(set(digests)) >= 3, "the cube moves"


async def test_one_tile_is_rendered_again_by_another_blender(bench: Bench) -> None:
    """fault_244: denoised, with adaptive sampling, in motion: it is the same, and the job goes on."""
    bench.context.checks_tile = True
    change = (
        "scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = True; scene.cycles.samples = 16;"
        "render.resolution_x, render.resolution_y = 140, 80; render.use_motion_blur = True"
    )
    bundle = replace(BUNDLE, frames=(1, 3), chunk=2, overrides=Overrides())
    files = {"job.json": write_job_file(bundle), BUNDLE.scene: renderer_scenes.make(change)}
    (job,) = await post_files(bench, files, 1)
    with capture_logs() as logs:
        assert (await pipeline.run(begun(bench, job), bench.context)).stage is Stage.SUBMITTED
    await bench.context.kept.close()
    (told,) = [entry for entry in logs if entry["event"].startswith("tile_")]
    assert told["event"] == "tile_checked"
    manifest = parse_manifest(bench.store.folders[bench.job(1).result_cid]["manifest.json"])
    assert manifest.machine_class == await bench.context.renderer.machine_class()
