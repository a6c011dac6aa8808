"""What the fake renderer finds in a picture: the size and the colours, as the real one does."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from PIL import Image

from veriframe.errors import Code, ValidationFailed
from veriframe.model.rendering.frames import Frame, ValidatedFrame


def validated(frame: Frame, out: Path, clean: Path) -> ValidatedFrame:
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
    return ValidatedFrame(
        number=frame.number,
        file=frame.file,
        width=frame.width,
        height=frame.height,
        channels=3,
        bit_depth=8,
        pixel_sha256=hashlib.sha256(pixels).hexdigest(),
        size_bytes=(clean / frame.file).stat().st_size,
        is_black=not any(pixels),
    )
