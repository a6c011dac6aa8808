"""Tests of every renderer."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.fakes.renderer import FakeRenderer
from tests.fakes.renderer import Script as FakeScript
from tests.integration import renderer_scenes

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.errors import Code, JobRejected, RenderFailed, ValidationFailed
from veriframe.model.rendering.frames import (
    Frame,
    Progress,
    Region,
    RenderTask,
    proof_file,
    tiles_file,
)
from veriframe.model.rendering.scene import SceneInspection
from veriframe.ports.renderer import Cut, CutKind, Kernel, Renderer


@dataclass
class Bench:
    """A renderer, a short and a long scene, and two empty folders."""

    renderer: Renderer
    scene: Path
    long_scene: Path
    out: Path
    clean: Path

    async def inspect(self) -> SceneInspection:
        """Inspects the scene."""
        async with self.renderer.open(self.scene) as session:
            return await session.inspect()

    async def render(self, *numbers: int, **more: Any) -> tuple[RenderTask, list[Frame], list[Progress]]:
        """Renders some frames of the scene."""
        reported: list[Progress] = []
        task = RenderTask(frames=numbers, **more)
        async with self.renderer.open(self.scene) as session:
            frames = session.frames(task, self.out, on_progress=reported.append)
            return task, [frame async for frame in frames], reported


@pytest.fixture(params=["fake", pytest.param("blender", marks=pytest.mark.slow)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Each kind."""
    for name in ("out", "clean"):
        (tmp_path / name).mkdir()
    files = [tmp_path / "scene.blend", tmp_path / "long.blend"]
    renderer: Renderer
    if request.param == "fake":
        renderer = fake = FakeRenderer()
        contents = [b"BLENDER-v405", b"BLENDER-long"]
        fake.scripts[contents[1]] = FakeScript(seconds=600)
    else:
        renderer = BlenderRenderer(runtimes.BpyWheel(), BubblewrapSandbox())
        contents = [
            renderer_scenes.make(),
            renderer_scenes.make("scene.cycles.samples = 10**6; scene.cycles.use_adaptive_sampling = False"),
        ]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    return Bench(renderer, files[0], files[1], tmp_path / "out", tmp_path / "clean")


async def test_it_returns_its_facts(bench: Bench) -> None:
    """The version decides which scenes are accepted; the level is shown to users."""
    facts = await bench.renderer.facts()
    assert facts.program == "bpy wheel"
    assert (facts.version.major, facts.version.minor) == (4, 5)
    assert facts.version_text.startswith("4.5")
    assert facts.sandbox_level == "STRICT"
    assert facts.build_hash
    assert facts.memory_held_by


async def test_an_inspection_describes_the_scene(bench: Bench) -> None:
    """Size, engine and camera, as the scene check needs them."""
    found = await bench.inspect()
    assert (found.engine, found.width, found.height, found.samples) == ("CYCLES", 64, 36, 4)
    assert (found.camera, found.objects, found.missing) == ("Camera", 3, ())


async def test_a_file_that_is_not_a_scene_is_refused(bench: Bench) -> None:
    """With the code that is reported to the creator."""
    bench.scene.write_text("no scene")
    with pytest.raises(JobRejected) as refused:
        await bench.inspect()
    assert refused.value.code == Code.CORRUPT


async def test_frames_are_in_the_requested_order(bench: Bench) -> None:
    """Each with its size and its own name, and nothing else in the folder."""
    _, frames, _ = await bench.render(3, 1)
    assert [frame.number for frame in frames] == [3, 1]
    assert [frame.file for frame in frames] == ["frame_0003.png", "frame_0001.png"]
    assert {(64, 36)} == {(frame.width, frame.height) for frame in frames}
    assert all(frame.seconds >= 0 and frame.peak_memory_bytes > 2**24 for frame in frames)
    assert {"frame_0001.png", "frame_0003.png"} == {file.name for file in bench.out.iterdir()}


async def test_a_session_inspects_and_renders(bench: Bench) -> None:
    """Any number of times, into a folder that may hold earlier frames. A second inspection is the first."""
    async with bench.renderer.open(bench.scene) as session:
        found = await session.inspect()
        assert await session.inspect() == found
        for number in (1, 2):
            task = RenderTask(frames=(number,), size=(found.width, found.height))
            assert [frame.number async for frame in session.frames(task, bench.out)] == [number]
    assert {"frame_0001.png", "frame_0002.png"} == {file.name for file in bench.out.iterdir()}


async def test_a_frame_lies_in_the_folder_when_it_is_yielded(bench: Bench) -> None:
    """Although the next one is being rendered."""
    async with bench.renderer.open(bench.scene) as session:
        async for frame in session.frames(RenderTask(frames=(1, 2)), bench.out):
            with Image.open(bench.out / frame.file) as image:
                assert image.size == (64, 36)


async def test_a_small_picture_and_a_region_have_their_sizes(bench: Bench) -> None:
    """A region is cropped, in pixels of the scaled picture."""
    region = Region(left=2, top=1, width=9, height=8)
    for more, size in (({}, (16, 9)), ({"region": region}, (9, 8))):
        _, (frame,), _ = await bench.render(1, size=(64, 36), percent=25, samples=2, **more)
        assert (frame.width, frame.height) == size


async def test_a_frame_of_another_size_is_refused(bench: Bench) -> None:
    """fault_86: than the inspection found."""
    with pytest.raises(RenderFailed) as failed:
        await bench.render(1, size=(64, 35))
    assert failed.value.code == Code.WRONG_SIZE
    assert list(bench.out.iterdir()) == []


async def test_a_renderer_can_be_closed(bench: Bench) -> None:
    """It still opens scenes."""
    await bench.renderer.close()
    assert bench.renderer.capacity >= 1
    assert (await bench.inspect()).camera == "Camera"


async def test_progress_counts_up_to_the_total(bench: Bench) -> None:
    """It never decreases."""
    _, _, reported = await bench.render(1, 2)
    assert {2} == {progress.total for progress in reported}
    done = [progress.done for progress in reported]
    assert sorted(done) == done
    assert done[-1] == 2
    shares = [progress.done + (progress.fraction or 0.0) for progress in reported]
    assert sorted(shares) == shares
    assert {progress.phase for progress in reported} <= {"preparing", "rendering", "writing"}


async def test_a_validated_frame_is_a_picture(bench: Bench) -> None:
    """It opens, and its size and file length are right."""
    task, frames, _ = await bench.render(1)
    (frame,) = await bench.renderer.validate(task, frames, bench.out, bench.clean)
    assert (frame.number, frame.file, frame.width, frame.height) == (1, "frame_0001.png", 64, 36)
    assert (frame.bit_depth, frame.is_black) == (8, False)
    assert frame.size_bytes == (bench.clean / frame.file).stat().st_size
    assert len(bytes.fromhex(frame.pixel_digest)) == hashlib.sha256().digest_size
    with Image.open(bench.clean / frame.file) as image:
        assert image.size == (64, 36)
        assert frame.channels == len(image.getbands())
    assert [frame.file] == [file.name for file in bench.clean.iterdir()]


async def test_a_damaged_output_is_not_an_image(bench: Bench) -> None:
    """fault_20, fault_41: whatever the render reported."""
    task, frames, _ = await bench.render(1)
    (bench.out / "frame_0001.png").write_bytes(b"no picture")
    with pytest.raises(ValidationFailed) as failed:
        await bench.renderer.validate(task, frames, bench.out, bench.clean)
    assert failed.value.code == Code.NOT_IMAGE
    assert list(bench.clean.iterdir()) == []


async def test_a_size_other_than_reported_is_found(bench: Bench) -> None:
    """fault_43: a frame that is smaller than requested."""
    task, frames, _ = await bench.render(1)
    claimed = [replace(frames[0], width=128, height=72)]
    with pytest.raises(ValidationFailed) as failed:
        await bench.renderer.validate(task, claimed, bench.out, bench.clean)
    assert failed.value.code == Code.WRONG_SIZE


async def test_a_missing_output_is_tampering(bench: Bench) -> None:
    """Between rendering and validation only the worker may change it."""
    task, frames, _ = await bench.render(1)
    (bench.out / "frame_0001.png").unlink()
    with pytest.raises(ValidationFailed) as failed:
        await bench.renderer.validate(task, frames, bench.out, bench.clean)
    assert failed.value.code == Code.TAMPER


async def test_a_render_can_be_cancelled(bench: Bench) -> None:
    """It ends at once, and as a cancellation, not as a failure."""
    started = asyncio.Event()

    async def render() -> None:
        async with bench.renderer.open(bench.long_scene) as session:
            async for _ in session.frames(RenderTask(), bench.out, on_progress=lambda _: started.set()):
                pass

    task = asyncio.create_task(render())
    await asyncio.wait_for(started.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)


async def test_parts_of_a_frame_are_cut(bench: Bench) -> None:
    """In the order asked, by the whole picture's coordinates: a crop's part is that of the whole."""
    region = Region(left=10, top=4, width=40, height=20)
    task, (whole,), _ = await bench.render(1, size=(64, 36), has_proof=True)
    (bench.out / whole.file).rename(bench.clean / "whole.png")
    (bench.out / proof_file(1)).rename(bench.clean / "whole.exr")
    await bench.render(1, size=(64, 36), region=region, has_proof=True)
    shown = Region(left=0, top=0, width=64, height=36)
    wanted = Region(left=12, top=6, width=3, height=5)
    files = {
        CutKind.PNG: (bench.clean / "whole.png", bench.out / "frame_0001.png"),
        CutKind.RAW_PROOF: (bench.clean / "whole.exr", bench.out / proof_file(1)),
    }
    cuts = [
        Cut(file=file, kind=kind, shown=part, wanted=wanted, size=(64, 36))
        for kind, pair in files.items()
        for file, part in zip(pair, (shown, region), strict=True)
    ]
    all_of_it = replace(cuts[0], wanted=shown)
    *found, full = await bench.renderer.cut([*cuts, all_of_it])
    assert found[2] == found[3]
    one, other = (np.frombuffer(cut.values, "<f4") for cut in found[:2])
    assert np.abs(one - other).max() <= 1.01 / 255, "but for dithering"
    assert [(cut.width, cut.height, len(cut.values)) for cut in found] == [
        (3, 5, 3 * 5 * len(cut.channels) * 4) for cut in found
    ]
    (bench.clean / "whole.png").rename(bench.out / whole.file)
    (bench.clean / "whole.exr").rename(bench.out / proof_file(1))
    (validated,) = await bench.renderer.validate(task, [whole], bench.out, bench.clean)
    assert (full.leaf, ",".join(full.channels)) == (validated.pixel_digest, validated.channel_names)
    assert full.leaf != found[0].leaf
    (proof,) = await bench.renderer.cut(
        [Cut(file=bench.clean / proof_file(1), kind=CutKind.PROOF, shown=shown, wanted=shown, size=(64, 36))]
    )
    assert proof.leaf == validated.proof_root == (bench.clean / tiles_file(1)).read_bytes().hex()


async def test_a_cut_of_no_picture_is_refused(bench: Bench) -> None:
    """fault_240: other bytes, and another size; a part outside the picture is the caller's mistake."""
    _, (frame,), _ = await bench.render(1)
    shown = Region(left=0, top=0, width=64, height=36)
    good = Cut(file=bench.out / frame.file, kind=CutKind.PNG, shown=shown, wanted=shown, size=(64, 36))
    bad = bench.clean / "bad.png"
    bad.write_bytes(b"no picture")
    small = replace(shown, width=63)
    for cut, code in (
        (replace(good, file=bad), Code.NOT_IMAGE),
        (replace(good, shown=small, wanted=small), Code.WRONG_SIZE),
    ):
        with pytest.raises(ValidationFailed) as failed:
            await bench.renderer.cut([good, cut])
        assert failed.value.code == code
    with pytest.raises(ValueError, match="outside"):
        await bench.renderer.cut([replace(good, size=(63, 36))])


async def test_another_kernel_renders_the_same_scene(bench: Bench) -> None:
    """Both have frames of the scene's size."""
    for kernel in Kernel:
        async with bench.renderer.open(bench.scene, kernel=kernel) as session:
            (frame,) = [frame async for frame in session.frames(RenderTask(), bench.out)]
        assert (frame.width, frame.height) == (64, 36)
