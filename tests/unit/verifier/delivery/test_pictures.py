"""Delivered pictures: small ones are decoded together, and what is wrong with one harms no other."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tests.fakes.renderer import FakeRenderer
from tests.fakes.store import FakeStore

from veriframe.errors import Code, ValidationFailed
from veriframe.model.bundle.chunks import whole_region
from veriframe.model.bundle.manifest import ManifestFrame
from veriframe.model.rendering.frames import ImageFormat
from veriframe.ports.renderer import Cut, CutSamples
from veriframe.verifier.delivery import pictures
from veriframe.verifier.delivery.evidence import Evidence, Retries
from veriframe.verifier.delivery.pictures import Pictures

SIZE = 8, 4


def png(number: int) -> bytes:
    """A picture of its own for each frame, as the worker makes it: pixels and nothing else."""
    stream = io.BytesIO()
    Image.new("RGB", SIZE, (number, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def told(number: int, size: tuple[int, int] = SIZE) -> ManifestFrame:
    """What a manifest says of a frame."""
    return ManifestFrame(
        number=number,
        file=f"frames/frame_{number:04d}.png",
        width=size[0],
        height=size[1],
        channels="R,G,B",
        depth=8,
        size_bytes=10_000,
        digest="0" * 64,
        proof=None,
        seconds=1.0,
        peak_memory_bytes=1,
    )


class Decoder(FakeRenderer):
    """Refuses what is no PNG, with all that it was given together."""

    async def cut(self, cuts: Sequence[Cut]) -> Sequence[CutSamples]:
        """Decode them."""
        for one in cuts:
            if not one.file.read_bytes().startswith(b"\x89PNG"):
                self.cuts.append(cuts)
                raise ValidationFailed(Code.NOT_IMAGE, f"{one.file.name} is not the picture.")
        return await super().cut(cuts)


def stage(
    folder: Path, files: dict[int, bytes], image_format: ImageFormat = ImageFormat.PNG
) -> tuple[Pictures, Decoder]:
    """The pictures of frames 1 to 4, of which the store has `files`."""
    store, renderer, here = FakeStore(), Decoder(), whole_region(SIZE)
    cid = store.keep_files({told(number).file: content for number, content in files.items()})
    retries = Retries(tries=1)
    evidence = Evidence(store=store, result_cid=cid, folder=folder, retries=retries)
    found = Pictures(
        evidence=evidence, renderer=renderer, format=image_format, size=SIZE, shown=here, kept=here
    )
    found.wanted = [told(number) for number in range(1, 5)]
    return found, renderer


async def red(found: Pictures, number: int) -> int:
    """The red of a frame's picture, 0 … 255: its number."""
    (cut,) = await found.of(told(number))
    return round(memoryview(cut.values).cast("f")[0] * 255)


async def test_small_pictures_are_decoded_together(tmp_path: Path) -> None:
    """Once, in the order in which they are asked for; each has its own pixels."""
    found, renderer = stage(tmp_path, {number: png(number) for number in range(1, 5)})
    assert [await red(found, number) for number in range(1, 5)] == [1, 2, 3, 4]
    assert [len(cuts) for cuts in renderer.cuts] == [4]


async def test_only_as_many_as_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a larger one, or one with layers, is decoded alone."""
    monkeypatch.setattr(pictures, "TOGETHER_BYTES", 3 * 16 * SIZE[0] * SIZE[1])
    found, renderer = stage(tmp_path, {number: png(number) for number in range(1, 5)})
    assert [await red(found, number) for number in range(1, 5)] == [1, 2, 3, 4]
    assert [len(cuts) for cuts in renderer.cuts] == [3, 1]
    monkeypatch.setattr(pictures, "TOGETHER_BYTES", 1)
    assert [await red(found, number) for number in (3, 4)] == [3, 4]
    assert [len(cuts) for cuts in renderer.cuts] == [3, 1, 1, 1]


async def test_layers_are_decoded_alone(tmp_path: Path) -> None:
    """They have many channels."""
    found, renderer = stage(tmp_path, {number: png(number) for number in (1, 2)}, ImageFormat.MULTILAYER)
    await found.of(told(1))
    assert [len(cuts) for cuts in renderer.cuts] == [1]


async def test_a_frame_of_another_size_is_no_neighbour(tmp_path: Path) -> None:
    """Its own check refuses it before it is decoded."""
    found, renderer = stage(tmp_path, {number: png(number) for number in range(1, 5)})
    found.wanted = [told(1), told(2), told(3, (80_000, 80_000)), told(4)]
    assert await red(found, 1) == 1
    assert [len(cuts) for cuts in renderer.cuts] == [2]


async def test_a_bad_picture_harms_no_other(tmp_path: Path) -> None:
    """fault_344: it is refused in its turn, whether it is decoded with others or not."""
    found, _ = stage(tmp_path, {1: png(1), 2: png(2), 3: b"no picture", 4: png(4)})
    assert [await red(found, number) for number in (1, 2)] == [1, 2]
    with pytest.raises(ValidationFailed) as refused:
        await found.of(told(3))
    assert refused.value.code is Code.NOT_IMAGE
    assert await red(found, 4) == 4


async def test_a_missing_picture_is_missed_in_its_turn(tmp_path: Path) -> None:
    """fault_344: the ones before it are decoded together, and it is asked for once."""
    found, renderer = stage(tmp_path, {1: png(1), 2: png(2), 4: png(4)})
    assert [await red(found, number) for number in (1, 2)] == [1, 2]
    with pytest.raises(ValidationFailed, match=r"has no frames/frame_0003\.png"):
        await found.of(told(3))
    assert await red(found, 4) == 4
    assert [len(cuts) for cuts in renderer.cuts if cuts] == [2, 1]


async def test_more_than_pixels_is_refused_in_its_turn(tmp_path: Path) -> None:
    """fault_344: a PNG with a text, which is read here and not in the sandbox."""
    stream = io.BytesIO()
    Image.new("RGB", SIZE).save(stream, "PNG", pnginfo=_text())
    found, _ = stage(tmp_path, {1: png(1), 2: stream.getvalue(), 3: png(3)})
    assert await red(found, 1) == 1
    with pytest.raises(ValidationFailed) as refused:
        await found.of(told(2))
    assert refused.value.code is Code.TAMPER


def _text() -> PngInfo:
    info = PngInfo()
    info.add_text("Comment", "more")
    return info
