"""What verification renders and compares: crops in one session, early stops, kernels, tiles of proofs."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from tests import independent_digest
from tests.integration.renderer_studio import Studio, studio

from veriframe.adapters.blender import scripts
from veriframe.adapters.blender.reports import RunReport
from veriframe.adapters.blender.sandbox.run import Ending, RunExit
from veriframe.errors import Code, RenderFailed, ValidationFailed
from veriframe.model.rendering.frames import ImageFormat, Region, RenderTask, proof_file, tiles_file
from veriframe.model.rendering.overrides import Overrides
from veriframe.ports.renderer import Cut, CutKind, CutSamples, Kernel, RenderSession

__all__ = ["studio"]

pytestmark = pytest.mark.slow

SIZE = (140, 80)
SCENE = """
scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = True
scene.cycles.samples = 16
render.resolution_x, render.resolution_y = 140, 80
render.use_motion_blur = True
"""
CHECKABLE = RenderTask(has_proof=True, size=SIZE)
WHOLE = Region(left=0, top=0, width=140, height=80)
TILES = {
    0: Region(left=0, top=0, width=64, height=64),
    1: Region(left=64, top=0, width=64, height=64),
    5: Region(left=128, top=64, width=12, height=16),
}
"""Some tiles of the picture, by their place."""


def around(tile: Region) -> Region:
    """A tile with the border that adaptive sampling needs."""
    left, top = max(0, tile.left - 16), max(0, tile.top - 16)
    right, bottom = min(140, tile.left + tile.width + 16), min(80, tile.top + tile.height + 16)
    return Region(left=left, top=top, width=right - left, height=bottom - top)


def cut(file: Path, kind: CutKind, shown: Region = WHOLE, wanted: Region = WHOLE) -> Cut:
    """A part of the picture."""
    return Cut(file=file, kind=kind, shown=shown, wanted=wanted, size=SIZE)


async def crop(studio: Studio, session: RenderSession, task: RenderTask, tile: Region) -> CutSamples:
    """A tile of the noisy image, rendered by itself."""
    out, shown = studio.new_folder(), around(tile)
    (frame,) = [frame async for frame in session.frames(replace(task, region=shown), out)]
    raw = out / proof_file(frame.number)
    (found,) = await studio.renderer().cut([cut(raw, CutKind.RAW_PROOF, shown, tile)])
    return found


async def published(studio: Studio, scene: Path, task: RenderTask) -> Path:
    """The folder with a frame's clean files."""
    _, clean = await studio.validate(task, *await studio.render(scene, task))
    return clean


def leaf_of(folder: Path, place: int, number: int = 1) -> str:
    """The published hash of a tile."""
    return (folder / tiles_file(number)).read_bytes()[32 * place : 32 * place + 32].hex()


async def test_crops_in_one_session_are_the_whole_render(studio: Studio) -> None:
    """Bit for bit, of one frame or of several, denoised or not; so are the published proof's tiles."""
    scene = studio.scene(SCENE)
    folders = {
        number: await published(studio, scene, replace(CHECKABLE, frames=(number,))) for number in (1, 3)
    }
    async with studio.renderer().open(scene) as session:
        for number, place, denoise in ((1, 0, True), (1, 5, False), (3, 1, True), (1, 1, True)):
            task = replace(CHECKABLE, frames=(number,), overrides=Overrides(denoise=denoise))
            rendered = await crop(studio, session, task, TILES[place])
            assert rendered.leaf == leaf_of(folders[number], place, number)
            proof = cut(folders[number] / proof_file(number), CutKind.PROOF, wanted=TILES[place])
            (stored,) = await studio.renderer().cut([proof])
            assert stored == rendered


def noisy(samples: CutSamples) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The values."""
    return np.frombuffer(samples.values, "<f4").reshape(samples.height, samples.width, len(samples.channels))


async def test_a_render_can_stop_early(studio: Studio) -> None:
    """Fewer samples of the same sequence, which depends on their number.

    fault_243: Cycles goes on with an earlier render's sequence, unless that is freed.
    """
    scene = studio.scene(SCENE + "scene.cycles.use_adaptive_sampling = False")
    fewer, more = Overrides(samples=8), Overrides(samples=16)
    tasks = {
        "all": CHECKABLE,
        "same": replace(CHECKABLE, stop_early=(1, 1)),
        "early": replace(CHECKABLE, stop_early=(15, 16)),
        "half": replace(CHECKABLE, stop_early=(1, 2)),
        "set": replace(CHECKABLE, stop_early=(1, 2), overrides=more),
        "least": replace(CHECKABLE, stop_early=(1, 1000)),
        "fewer": replace(CHECKABLE, overrides=fewer),
        "again": CHECKABLE,
    }
    async with studio.renderer().open(scene) as session:
        found = {name: await crop(studio, session, task, TILES[0]) for name, task in tasks.items()}
    for name in ("fewer", "half"):
        async with studio.renderer().open(scene) as session:
            assert found[name] == await crop(studio, session, tasks[name], TILES[0])
    assert found["all"] == found["same"] == found["again"]
    assert found["half"] == found["set"]
    assert len({one.leaf for one in found.values()}) == 5
    distance = {name: np.abs(noisy(one) - noisy(found["all"])).mean() for name, one in found.items()}
    assert 0 < distance["early"] < distance["half"] < distance["least"]
    assert distance["half"] < distance["fewer"]


@pytest.mark.parametrize(
    "change",
    [
        "scene.view_layers[0].samples = 3",
        "scene.cycles.use_sample_subset = True",
        """
for scene.cycles.samples in (1, 3):
    scene.cycles.keyframe_insert("samples", frame=scene.cycles.samples)
""",
        "render.engine = 'BLENDER_WORKBENCH'",
    ],
)
async def test_what_cannot_stop_early_is_refused(studio: Studio, change: str) -> None:
    """Samples of a layer's own or that change, a subset of them, and other engines."""
    task = RenderTask(frames=(1, 3), size=SIZE, stop_early=(15, 16))
    failed = await studio.failure(studio.scene(SCENE + change), task)
    assert failed.code == Code.BLENDER_ERROR
    assert "early" in str(failed) or "samples" in str(failed)


async def test_the_old_kernel_rounds_otherwise(studio: Studio) -> None:
    """The difference is what honest rounding does: some, and far less than a sample."""
    scene = studio.scene(SCENE)
    found = []
    for kernel in (Kernel.BEST, Kernel.SSE, Kernel.SSE):
        async with studio.renderer().open(scene, kernel=kernel) as session:
            found.append(await crop(studio, session, CHECKABLE, TILES[1]))
    assert found[0].leaf != found[1].leaf
    assert found[1] == found[2]
    one, other = (noisy(each) for each in found[:2])
    relative = 2 * np.abs(one - other) / (np.abs(one) + np.abs(other) + 1e-3)
    assert np.median(relative.max(axis=2)) < 1e-4


@pytest.mark.parametrize(
    ("image_format", "kind", "depth"),
    [
        (ImageFormat.PNG, CutKind.PNG, 16),
        (ImageFormat.EXR, CutKind.EXR, 16),
        (ImageFormat.MULTILAYER, CutKind.MULTILAYER, 32),
    ],
)
async def test_a_cut_is_what_the_digest_digests(
    studio: Studio, image_format: ImageFormat, kind: CutKind, depth: int
) -> None:
    """For each format: the digest of the whole, the hash of each tile, and the samples themselves."""
    task = RenderTask(format=image_format, size=SIZE, overrides=Overrides(color_depth=depth, samples=1))
    frame, file = await studio.frame(studio.scene(SCENE), task)
    whole, *tiles = await studio.renderer().cut(
        [cut(file, kind), *(cut(file, kind, wanted=tile) for tile in TILES.values())]
    )
    assert (whole.leaf, ",".join(whole.channels)) == (frame.pixel_digest, frame.channel_names)
    contents = independent_digest.tiles_of(file)
    assert [tile.leaf for tile in tiles] == [independent_digest.tree([contents[k]]).hex() for k in TILES]
    left, top = TILES[5].left, TILES[5].top
    assert np.array_equal(noisy(tiles[2]), noisy(whole)[top:, left:])


async def test_of_a_sparse_proof_only_the_wanted_tiles_are_read(studio: Studio) -> None:
    """fault_241: everything else may be zero bytes; a tile that is not there, or is another's, is refused."""
    folder = await published(studio, studio.scene(SCENE), CHECKABLE)
    full = (folder / proof_file(1)).read_bytes()
    table = full.index(b"tiledimage\0") + len(b"tiledimage\0")
    offsets = struct.unpack("<6Q", full[table : table + 48])
    chunks = [full[at : at + 20 + struct.unpack("<i", full[at + 16 : at + 20])[0]] for at in offsets]
    sparse = bytearray(len(full))
    sparse[: table + 48] = full[: table + 48]
    for place in TILES:
        sparse[offsets[place] : offsets[place] + len(chunks[place])] = chunks[place]
    file = studio.new_folder() / "sparse.exr"
    file.write_bytes(sparse)
    found = await studio.renderer().cut([cut(file, CutKind.PROOF, wanted=tile) for tile in TILES.values()])
    assert [one.leaf for one in found] == [leaf_of(folder, place) for place in TILES]
    assert found[0].channels == tuple(f"ViewLayer.Noisy%20Image.{name}" for name in "ABGR")
    across = replace(TILES[0], width=128)
    (both,) = await studio.renderer().cut([cut(file, CutKind.PROOF, wanted=across)])
    assert np.array_equal(noisy(both), np.concatenate((noisy(found[0]), noisy(found[1])), axis=1))
    other = replace(TILES[0], left=0, top=64, height=16)
    swapped = bytearray(sparse)
    swapped[table : table + 8] = full[table + 8 : table + 16]
    damaged = bytearray(sparse)
    damaged[offsets[0] + 30 : offsets[0] + 90] = b"\xff" * 60
    for content, wanted, code in (
        (sparse, other, Code.NOT_IMAGE),
        (swapped, TILES[0], Code.NOT_IMAGE),
        (damaged, TILES[0], Code.NOT_IMAGE),
        (sparse[: offsets[0] + 100], TILES[0], Code.NOT_IMAGE),
        (sparse[:100], TILES[0], Code.NOT_IMAGE),
        (b"\0" * 5000, TILES[0], Code.NOT_IMAGE),
    ):
        file.write_bytes(content)
        with pytest.raises(ValidationFailed) as failed:
            await studio.renderer().cut([cut(file, CutKind.PROOF, wanted=wanted)])
        assert failed.value.code == code
    file.write_bytes(full)
    wider = replace(WHOLE, width=141)
    larger = Cut(file=file, kind=CutKind.PROOF, shown=wider, wanted=TILES[0], size=(141, 80))
    with pytest.raises(ValidationFailed) as failed:
        await studio.renderer().cut([larger])
    assert failed.value.code == Code.WRONG_SIZE


KILLED = RunExit(ending=Ending.CRASHED, code=-9, signal=9, seconds=1.0, peak_memory_bytes=0, log_tail=())


@pytest.mark.parametrize("ending", [Ending.CRASHED, Ending.STOPPED])
async def test_a_decoder_that_is_killed_is_started_again(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, ending: Ending
) -> None:
    """fault_358: this machine may be short of memory for a moment. Twice, the file is at fault."""
    file, ends = studio.new_folder() / "raw.exr", [replace(KILLED, ending=ending)]
    planes = {f"A.Combined.{name}": np.ones((80, 140), np.float32) for name in "RGBA"}
    OpenEXR.File({}, dict(planes)).write(str(file))
    run = scripts.run_script

    async def often_killed(*given: Any) -> Any:
        return (ends.pop(), RunReport()) if ends else await run(*given)

    monkeypatch.setattr(scripts, "run_script", often_killed)
    (found,) = await studio.renderer().cut([cut(file, CutKind.RAW_PROOF)])
    assert (noisy(found) == 1).all()
    ends += [replace(KILLED, ending=ending)] * 2
    with pytest.raises(ValidationFailed):
        await studio.renderer().cut([cut(file, CutKind.RAW_PROOF)])
    assert not ends


async def test_samples_that_are_no_numbers_are_compared(studio: Studio) -> None:
    """NaN and infinity are values like others, in their one form."""
    planes = {f"A.Combined.{name}": np.ones((80, 140), np.float32) for name in "RGBA"}
    planes["A.Combined.R"][:2, 0] = np.nan, -np.inf
    file = studio.new_folder() / "raw.exr"
    OpenEXR.File({}, dict(planes)).write(str(file))
    raw, layers = await studio.renderer().cut([cut(file, CutKind.RAW_PROOF), cut(file, CutKind.MULTILAYER)])
    red = noisy(raw)[:, :, 3]
    assert np.isnan(red[0, 0])
    assert red[1, 0] == -np.inf
    assert layers.leaf == independent_digest.tree(independent_digest.contents(planes)).hex()


async def test_a_proof_is_denoised_again(studio: Studio) -> None:
    """It is the delivered picture to 1e-5, and in 8 bits to one step."""
    scene = studio.scene(SCENE + "scene.view_settings.exposure = 0.5")
    for image_format, kind, most in (
        (ImageFormat.EXR, CutKind.EXR, 1e-5),
        (ImageFormat.PNG, CutKind.PNG, 1.01 / 255),
    ):
        task = replace(CHECKABLE, format=image_format)
        folder, out = await published(studio, scene, task), studio.new_folder()
        frame = await studio.renderer().denoise(scene, None, folder / proof_file(1), task, out)
        assert sorted(file.name for file in out.iterdir()) == [frame.file]
        one, other = await studio.renderer().cut([cut(where / frame.file, kind) for where in (folder, out)])
        assert np.abs(noisy(one) - noisy(other)).max() <= most
        assert noisy(one).std() > 0.01, "it shows something"


async def test_what_cannot_be_denoised_again_is_refused(studio: Studio) -> None:
    """fault_242: a proof without a denoiser's guides, and a scene that changes its picture afterwards."""
    plain = replace(CHECKABLE, overrides=Overrides(denoise=False))
    scene = studio.scene(SCENE)
    folder = await published(studio, scene, plain)
    with pytest.raises(ValidationFailed) as unfit:
        await studio.renderer().denoise(scene, None, folder / proof_file(1), CHECKABLE, studio.new_folder())
    assert unfit.value.code == Code.NOT_IMAGE
    lined = studio.scene(SCENE + "render.use_freestyle = True")
    folder = await published(studio, lined, CHECKABLE)
    with pytest.raises(RenderFailed) as failed:
        await studio.renderer().denoise(lined, None, folder / proof_file(1), CHECKABLE, studio.new_folder())
    assert failed.value.code == Code.BLENDER_ERROR
