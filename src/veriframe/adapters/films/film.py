"""Writes frames as an H.264 film that every player shows: MP4, 8 bits, 4:2:0, even sides.

The frames are files that were decoded and written anew in the sandbox: FFmpeg reads nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream

from veriframe.errors import Code, SettingsError, ValidationFailed

CODEC = "libx264"
QUALITY = {"crf": "16", "preset": "medium"}
"""Constant quality, below what an eye tells from the frames."""

_LINEAR = {"apply_trc": "iec61966_2_1"}
"""EXR frames are scene-linear: they are shown by the curve of sRGB."""


def write_film(
    frames: Sequence[Path], target: Path, frames_per_second: float, on_frame: Callable[[int], None]
) -> tuple[int, int]:
    """Write frames, in this order, to `target`, which is replaced. Returns the film's width and height.

    `on_frame` hears how many are written. Blocks. Raises `SettingsError` if the target cannot be written,
    `ValidationFailed` (NOT_IMAGE, WRONG_SIZE) if a frame cannot be read or has another size than the first.
    """
    new = target.with_name(f".{target.name}.new")
    try:
        try:
            size = _encode(frames, new, Fraction(frames_per_second).limit_denominator(1001), on_frame)
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{target} cannot be written: {os.strerror(error.errno) if error.errno else error}. "
            "Pass a file in a folder that you can write."
        ) from error
    return size


def _encode(
    frames: Sequence[Path], new: Path, rate: Fraction, on_frame: Callable[[int], None]
) -> tuple[int, int]:
    first = _read(frames[0])
    width, height = _even(first.width), _even(first.height)
    with av.open(str(new), "w", format="mp4", options={"movflags": "+faststart"}) as film:
        stream = film.add_stream(CODEC, rate=rate, options=QUALITY)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        for number, path in enumerate(frames):
            frame = first if number == 0 else _read(path)
            if (frame.width, frame.height) != (first.width, first.height):
                raise ValidationFailed(
                    Code.WRONG_SIZE,
                    f"{path.name} has {frame.width}×{frame.height} pixels, the first frame "
                    f"{first.width}×{first.height}.",
                )
            film.mux(stream.encode(_converted(frame, (width, height), number, rate)))
            on_frame(number + 1)
        film.mux(stream.encode(None))
    return width, height


def _converted(frame: VideoFrame, size: tuple[int, int], number: int, rate: Fraction) -> VideoFrame:
    """The frame as the film has it; an odd side loses its last row or column by a scale of one pixel."""
    converted = frame.reformat(*size, "yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range="MPEG")
    converted.pts, converted.time_base, converted.duration = number, 1 / rate, 1
    return converted


def _read(path: Path) -> VideoFrame:
    try:
        with av.open(str(path)) as image:
            if path.suffix == ".exr":
                image.streams.video[0].codec_context.options = _LINEAR
            return next(image.decode(video=0))
    except (av.error.FFmpegError, StopIteration) as error:
        raise ValidationFailed(Code.NOT_IMAGE, f"{path.name} cannot be read as a picture.") from error


def _even(pixels: int) -> int:
    return max(2, pixels - pixels % 2)
