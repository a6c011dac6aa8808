"""Measures the decoding and rewriting of pictures: the figures in `veriframe.model.attempt.lease`.

Run `python benchmarks/decoding.py`. Each line has size, samples, filter, content, and seconds of one core.
"""

from __future__ import annotations

import io
import struct
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np

SCRIPTS = Path(__file__).parents[1] / "src/veriframe/adapters/blender/in_blender/decoding"
sys.path.insert(0, str(SCRIPTS))

import decode_frames  # type: ignore[import-not-found]  # noqa: E402
import pixel_digest  # type: ignore[import-not-found]  # noqa: E402
import png_file  # type: ignore[import-not-found]  # noqa: E402

COLOURS = {"grey": (0, 1), "RGB": (2, 3), "RGBA": (6, 4)}
PAETH = 4
CASES = (
    *((1920, 1080, colour, depth) for colour in COLOURS for depth in (8, 16)),
    *((width, height, "RGBA", 16) for width, height in ((1, 65536), (65536, 1), (65536, 30), (30, 65536))),
    (7680, 4320, "RGBA", 16),
)


def picture(  # noqa: PLR0913 - the properties of a picture
    width: int, height: int, colour: str, depth: int, *, noise: bool, kind: int
) -> bytes:
    """A PNG whose rows all have the filter `kind`."""
    code, channels = COLOURS[colour]
    row_bytes, made = width * channels * depth // 8, io.BytesIO()
    packer, random = zlib.compressobj(6), np.random.default_rng(1)
    data = bytearray()
    for start in range(0, height, 64):
        count = min(64, height - start)
        rows = random.integers(0, 256 if noise else 1, (count, row_bytes), dtype=np.uint8)
        data += packer.compress(np.concatenate((np.full((count, 1), kind, np.uint8), rows), axis=1).tobytes())
    data += packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, code, 0, 0, 0)
    made.write(png_file.SIGNATURE)
    for name, body in ((b"IHDR", header), (b"IDAT", bytes(data)), (b"IEND", b"")):
        made.write(struct.pack(">I4s", len(body), name) + body + zlib.crc32(name + body).to_bytes(4, "big"))
    return made.getvalue()


def measure(source: Path, target: Path, width: int, height: int) -> float:
    """Seconds of one core for all steps of decoding a frame."""
    started = time.process_time()
    planes, pixels = decode_frames.decode(source, target, "PNG", width, height)
    pixel_digest.digest(planes)
    decode_frames.is_black(pixels)
    np.isfinite(pixels).all()
    return time.process_time() - started


def main() -> None:
    """Measure all cases, from plain to worst."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "a.png"), Path(folder, "b.png")
        for width, height, colour, depth in CASES:
            for noise, kind in ((False, 0), (True, 0), (True, PAETH)):
                source.write_bytes(picture(width, height, colour, depth, noise=noise, kind=kind))
                target.unlink(missing_ok=True)
                seconds = measure(source, target, width, height)
                filled = "noise" if noise else "plain"
                each = seconds / (width * height) * 1e6
                print(
                    f"{width}x{height} {colour} {depth} bits, filter {kind}, {filled}: "
                    f"{seconds:.2f} s, {each:.3f} µs a pixel, {target.stat().st_size / 1e6:.1f} MB"
                )


if __name__ == "__main__":
    main()
