"""A delivered PNG has pixels and nothing else."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from veriframe.errors import ValidationFailed
from veriframe.verifier.delivery.png_chunks import require_pixels_only


def chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def plain() -> bytes:
    """A PNG with three kinds of chunks."""
    content = BytesIO()
    Image.new("RGB", (9, 9), "red").save(content, "PNG")
    return content.getvalue()


def test_pixels_are_allowed(tmp_path: Path) -> None:
    """As workers publish them."""
    file = tmp_path / "frame.png"
    file.write_bytes(plain())
    require_pixels_only(file)


@pytest.mark.parametrize("kind", [b"tRNS", b"gAMA", b"acTL", b"fdAT", b"tEXt", b"iCCP"])
def test_what_shows_another_picture_is_refused(kind: bytes, tmp_path: Path) -> None:
    """fault_309: transparency, colour spaces, animations and texts."""
    file, content = tmp_path / "frame.png", plain()
    file.write_bytes(content[:33] + chunk(kind, b"\0" * 8) + content[33:])
    with pytest.raises(ValidationFailed):
        require_pixels_only(file)


def test_what_follows_the_end_is_refused(tmp_path: Path) -> None:
    """Anything may be hidden there."""
    file = tmp_path / "frame.png"
    file.write_bytes(plain() + b"more")
    with pytest.raises(ValidationFailed):
        require_pixels_only(file)
