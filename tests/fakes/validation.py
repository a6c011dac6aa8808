"""What the fake renderer reports, and finds in a picture: size and colours, as the real one does."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from veriframe.errors import Code, ValidationFailed
from veriframe.model.rendering.frames import (
    Frame,
    Progress,
    RenderTask,
    ValidatedFrame,
    proof_file,
    thumbnail_file,
    tiles_file,
)


def validated(task: RenderTask, frame: Frame, out: Path, clean: Path) -> ValidatedFrame:
    """Opens the picture and copies it. Raises `ValidationFailed`."""
    if not (out / frame.file).is_file():
        raise ValidationFailed(Code.TAMPER, f"{frame.file} is gone.")
    try:
        with Image.open(out / frame.file) as image:
            size, pixels = image.size, image.tobytes()
    except OSError:
        raise ValidationFailed(Code.NOT_IMAGE, f"{frame.file} is not a picture.") from None
    if size != (frame.width, frame.height):
        raise ValidationFailed(Code.WRONG_SIZE, f"{frame.file} has another size.")
    shutil.copyfile(out / frame.file, clean / frame.file)
    digest = hashlib.sha256(pixels).digest()
    if task.has_proof:
        shutil.copyfile(out / proof_file(frame.number), clean / proof_file(frame.number))
        (clean / tiles_file(frame.number)).write_bytes(digest)
    if task.has_thumbnail:
        with Image.open(out / frame.file) as image:
            image.convert("RGB").save(clean / thumbnail_file(frame.number), "JPEG")
    return ValidatedFrame(
        number=frame.number,
        file=frame.file,
        width=frame.width,
        height=frame.height,
        channels=3,
        bit_depth=8,
        pixel_digest=digest.hex(),
        channel_names="R,G,B",
        size_bytes=(clean / frame.file).stat().st_size,
        is_black=not any(pixels),
        proof_root=digest.hex() if task.has_proof else "",
    )


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
