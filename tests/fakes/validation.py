"""What the fake renderer reports, and finds in a picture: size and colours, as the real one does."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tests.decoding import script

from veriframe.errors import Code, RenderFailed, ValidationFailed
from veriframe.model.rendering.frames import (
    Frame,
    ImageFormat,
    Progress,
    RenderTask,
    ValidatedFrame,
    frame_file,
    proof_file,
    thumbnail_file,
    tiles_file,
)
from veriframe.ports.renderer import Cut, CutSamples


def draw(
    task: RenderTask, number: int, out: Path, full: tuple[int, int], colour: tuple[int, int, int] | None
) -> Frame:
    """Writes a frame of one colour, None for no picture, and its proof, a PNG, too. Raises `RenderFailed`.

    `full`: the size of the scene's picture.
    """
    name = frame_file(number, task.format)
    if task.size not in (None, full):
        raise RenderFailed(Code.WRONG_SIZE, f"Frame {number} does not have the inspected size.")
    width, height = (max(1, side * task.percent // 100) for side in full)
    if task.region is not None:
        width, height = task.region.width, task.region.height
    picture = Image.new("RGB", (width, height), colour or (0, 0, 0))
    if colour is None or task.format is not ImageFormat.PNG:
        (out / name).write_bytes(b"no picture")
    else:
        picture.save(out / name)
    if task.has_proof:
        picture.save(out / proof_file(number), "PNG")
    return Frame(number=number, file=name, width=width, height=height, seconds=0, peak_memory_bytes=2**28)


def validated(task: RenderTask, frame: Frame, out: Path, clean: Path) -> ValidatedFrame:
    """Opens the picture and copies it. Raises `ValidationFailed`."""
    if not (out / frame.file).is_file():
        raise ValidationFailed(Code.TAMPER, f"{frame.file} is gone.")
    try:
        with Image.open(out / frame.file) as image:
            size, pixels = image.size, np.asarray(image.convert("RGB"))
    except OSError:
        raise ValidationFailed(Code.NOT_IMAGE, f"{frame.file} is not a picture.") from None
    if size != (frame.width, frame.height):
        raise ValidationFailed(Code.WRONG_SIZE, f"{frame.file} has another size.")
    shutil.copyfile(out / frame.file, clean / frame.file)
    leaves = _leaves(pixels, (0, 0), size)
    digest = script("pixel_digest").root(leaves)
    if task.has_proof:
        shutil.copyfile(out / proof_file(frame.number), clean / proof_file(frame.number))
        (clean / tiles_file(frame.number)).write_bytes(b"".join(leaves))
    if task.has_thumbnail:
        with Image.open(out / frame.file) as image:
            image.convert("RGB").save(clean / thumbnail_file(frame.number), "JPEG")
    return ValidatedFrame(
        number=frame.number,
        file=frame.file,
        width=frame.width,
        height=frame.height,
        channels=3,
        bit_depth=task.overrides.color_depth or 8,
        pixel_digest=digest.hex(),
        channel_names="R,G,B",
        size_bytes=(clean / frame.file).stat().st_size,
        is_black=not pixels.any(),
        proof_root=digest.hex() if task.has_proof else "",
    )


def cut(one: Cut) -> CutSamples:
    """Takes a part of a picture, a PNG whatever its kind. Raises `ValidationFailed`."""
    try:
        with Image.open(one.file) as image:
            pixels = np.asarray(image.convert("RGB"))
    except OSError:
        raise ValidationFailed(Code.NOT_IMAGE, f"{one.file.name} is not a picture.") from None
    if pixels.shape[:2] != (one.shown.height, one.shown.width):
        raise ValidationFailed(Code.WRONG_SIZE, f"{one.file.name} has another size.")
    x, y = one.wanted.left - one.shown.left, one.wanted.top - one.shown.top
    part = pixels[y : y + one.wanted.height, x : x + one.wanted.width]
    leaves = _leaves(part, (one.wanted.left, one.wanted.top), one.size)
    return CutSamples(
        leaf=script("pixel_digest").root(leaves).hex(),
        channels=("R", "G", "B"),
        width=one.wanted.width,
        height=one.wanted.height,
        values=(part / np.float32(255)).astype("<f4").tobytes(),
    )


def _leaves(pixels: Any, corner: tuple[int, int], size: tuple[int, int]) -> list[bytes]:
    """The hashes of the tiles of an RGB picture, or of a part of one."""
    planes = {name: pixels[:, :, place] for place, name in enumerate("RGB")}
    found: list[bytes] = script("pixel_digest").leaves(planes, corner, size)
    return found


def contact_sheet(thumbnails: Sequence[Path], target: Path) -> None:
    """Draws the thumbnails in one row."""
    sheet = Image.new("RGB", (64 * len(thumbnails), 64))
    for place, file in enumerate(thumbnails):
        with Image.open(file) as image:
            sheet.paste(image, (64 * place, 0))
    sheet.save(target, "JPEG")


def progress(phase: str, frame: int, done: int, task: RenderTask) -> Progress:
    """A report on a frame."""
    return Progress(
        phase=phase,
        frame=frame,
        done=done,
        total=len(task.frames),
        fraction=None,
        seconds=0.0,
        memory_bytes=2**28,
    )
