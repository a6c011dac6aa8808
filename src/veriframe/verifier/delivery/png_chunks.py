"""Whether a delivered PNG has pixels and nothing else, as docs/formats.md says.

Other chunks can make viewers show another picture than the one that was compared: transparency, colour
spaces, animations.
"""

from __future__ import annotations

import struct
from pathlib import Path

from veriframe.errors import Code, ValidationFailed

ALLOWED = (b"IHDR", b"IDAT", b"IEND")
SIGNATURE_BYTES = 8


def require_pixels_only(file: Path) -> None:
    """Raise `ValidationFailed` (TAMPER) for a chunk that is not allowed. Its pixels are decoded elsewhere."""
    with file.open("rb") as stream:
        stream.seek(SIGNATURE_BYTES)
        while len(head := stream.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind not in ALLOWED:
                raise ValidationFailed(Code.TAMPER, "its file has more in it than pixels")
            if kind == b"IEND":
                if stream.read(5)[4:]:
                    raise ValidationFailed(Code.TAMPER, "its file has more in it than pixels")
                return
            stream.seek(length + 4, 1)
