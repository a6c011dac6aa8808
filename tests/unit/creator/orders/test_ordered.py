"""Results that are not what was ordered: told by their manifests, or by what is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.renderer import FakeRenderer, Script
from tests.unit.creator.orders.studio import BUNDLE, INSPECTED, Studio, digest_of, picture

from veriframe.creator.orders.checking import MOST_BAD
from veriframe.errors import Code, JobRejected, StoreUnavailable, ValidationFailed
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.bundle.manifest import Manifest
from veriframe.model.bundle.misfit import misfit
from veriframe.model.rendering.frames import Frame, RenderTask, ValidatedFrame
from veriframe.model.rendering.overrides import Overrides

ASKED = replace(
    BUNDLE,
    frames=(1, 2),
    chunk=2,
    overrides=Overrides(
        camera="Camera",
        view_layer="ViewLayer",
        engine="CYCLES",
        resolution=(16, 8),
        samples=64,
        seed=7,
        denoise=True,
        color_depth=8,
    ),
)


@pytest.fixture(autouse=True)
def _named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scene has the camera and the layer that are asked for."""
    from tests.unit.creator.orders import studio  # noqa: PLC0415

    inspected = replace(studio.INSPECTED, cameras=("Camera",), all_view_layers=("ViewLayer",))
    monkeypatch.setattr(studio, "INSPECTED", inspected)


async def _found(studio: Studio, bundle: Bundle, **changes: Any) -> str:
    """Why the manifest of the first chunk, with changes, does not fit."""
    number = (await studio.ordered(bundle)).number
    chunk = (await studio.status(number)).chunks[0]
    await studio.claim(chunk.job.id)
    chunk = (await studio.status(number)).chunks[0]
    manifest: Manifest = studio.manifest(chunk, [picture(n) for n in chunk.frames])
    settings = {**manifest.settings, **changes.pop("settings", {})}
    frames = tuple(replace(frame, **changes) for frame in manifest.frames)
    changed = replace(manifest, settings=settings, frames=frames)
    return misfit(changed, chunk.job, chunk.frames, bundle)


async def test_what_was_ordered(studio: Studio) -> None:
    """It fits, whatever the scene's own settings are where nothing was asked for."""
    assert await _found(studio, ASKED) == ""
    assert await _found(studio, BUNDLE, settings={"samples": 1, "engine": "BLENDER_WORKBENCH"}) == ""


@pytest.mark.parametrize(
    "settings",
    [
        {"engine": "BLENDER_WORKBENCH"},
        {"resolution": [8, 4]},
        {"samples": 1},
        {"samples": 64.0},
        {"seed": None},
        {"denoise": 1},
        {"camera": "Other"},
        {"view_layers": []},
        {"format": "OPEN_EXR"},
        {"color_depth": 16},
        {"passes": ["z"]},
    ],
)
async def test_other_settings(studio: Studio, settings: dict[str, object]) -> None:
    """fault_282: of each setting that the bundle asks for, the result's own word is compared."""
    (name,) = settings
    assert f"names {name}" in await _found(studio, ASKED, settings=settings)


async def test_other_frames(studio: Studio) -> None:
    """fault_282: less depth, endless channels, and no proof where one was asked for."""
    assert "16 bits a channel" in await _found(studio, ASKED, depth=16)
    assert "channels" in await _found(studio, ASKED, channels="R,G,B,A,Z")
    assert "proof" in await _found(studio, replace(ASKED, proof_tiles=4))


async def test_what_is_decoded_is_compared_with_the_manifest(studio: Studio) -> None:
    """fault_282: a manifest that names other channels or another depth than its pixels have."""
    number = (await studio.ordered()).number
    chunks = (await studio.status(number)).chunks
    for chunk, change in zip(chunks, ({"depth": 16}, {"channels": "Y"}, {}), strict=True):
        right = studio.manifest(chunk, [picture(n) for n in chunk.frames])
        changed = tuple(replace(frame, **change) for frame in right.frames)  # type: ignore[arg-type]
        await studio.deliver(chunk, frames=changed)
    found = await studio.fetch(number)
    assert found.written == [9, 10]
    assert [chunk.is_right for chunk in (await studio.status(number)).chunks] == [False, False, True]
    assert all("TAMPER" in one.why for one in found.missing if len(one.frames) == 1)


class _Slow(FakeRenderer):
    """Notes how many frames it decodes at a time, and takes none of them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    async def validate(
        self, task: RenderTask, frames: Sequence[Frame], out: Path, clean: Path, *, lease_seconds: float = 0
    ) -> Sequence[ValidatedFrame]:
        """Fails."""
        self.seen.append(len(frames))
        raise ValidationFailed(Code.TIMEOUT, "It takes too long.")


async def test_a_chunk_of_bombs_is_left_after_a_few(studio: Studio) -> None:
    """fault_283: the frames that were looked at are told, and the others as not looked at."""
    number = (await studio.ordered(replace(BUNDLE, frames=tuple(range(1, 31)), chunk=30))).number
    (chunk,) = (await studio.status(number)).chunks
    await studio.deliver(chunk)
    renderer = _Slow()
    found = await studio.fetch(number, renderer=renderer)
    assert renderer.seen == [8, *([1] * MOST_BAD)]
    assert [len(one.frames) for one in found.missing] == [*([1] * MOST_BAD), 30 - MOST_BAD]
    assert "not looked at" in found.missing[-1].why
    assert all(one.is_bad for one in found.missing)
    assert digest_of(picture(1)) not in found.missing[0].why


async def test_the_first_chunk_does_not_set_the_size(studio: Studio) -> None:
    """fault_290: without a noted size, the creator's own Blender looks into the scene, once."""
    number = (await studio.ordered(size=None)).number
    chunks = (await studio.status(number)).chunks
    tiny = [picture(n, (4, 4)) for n in chunks[0].frames]
    small = studio.manifest(chunks[0], [picture(n) for n in chunks[0].frames])
    frames = tuple(
        replace(frame, width=4, height=4, size_bytes=len(content), digest=digest_of(content))
        for frame, content in zip(small.frames, tiny, strict=True)
    )
    files = {frame.file: content for frame, content in zip(frames, tiny, strict=True)}
    await studio.deliver(chunks[0], files, frames=frames)
    for chunk in chunks[1:]:
        await studio.deliver(chunk)
    studio.renderer.scripts[b"BLENDER"] = Script(inspection=INSPECTED)
    found = await studio.fetch(number)
    assert found.written == list(range(5, 11))
    assert [(one.job_id, one.is_bad) for one in found.missing] == [(1, True)]
    assert len(studio.renderer.inspected) == 1


async def test_a_scene_that_cannot_be_inspected_is_no_workers_fault(studio: Studio) -> None:
    """fault_290: nothing is said of its results."""
    number = (await studio.ordered(size=None)).number
    await studio.deliver((await studio.status(number)).chunks[0])
    refused = JobRejected(Code.CORRUPT, "It is damaged.")
    studio.renderer.scripts[b"BLENDER"] = Script(inspect_failures=[refused])
    with pytest.raises(StoreUnavailable, match="own scene"):
        await studio.fetch(number)
    assert (await studio.status(number)).chunks[0].finding is None
