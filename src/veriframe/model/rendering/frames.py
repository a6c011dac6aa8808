"""Render tasks, their limits, and the progress and frames that a renderer reports."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction

from veriframe.errors import Code, JobRejected
from veriframe.model.rendering.overrides import Overrides
from veriframe.model.text import printable

FIRST_FRAME = 0
LAST_FRAME = 1_048_574
"""Blender's own range. Blender silently clamps numbers outside it."""

MAX_FRAMES = 10_000
"""Most frames in one list, so that a short text cannot ask for a million. Bounds no number of files."""
SHORTEST_STEPPED = 4
"""The fewest frames that are written as a range with steps."""


class ImageFormat(StrEnum):
    """The file formats of frames, by Blender's names."""

    PNG = "PNG"
    EXR = "OPEN_EXR"
    MULTILAYER = "OPEN_EXR_MULTILAYER"

    @property
    def suffix(self) -> str:
        """The file name's ending, with its dot."""
        return ".png" if self is ImageFormat.PNG else ".exr"


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderLimits:
    """The limits of one render. Seconds are wall-clock; the total is `loading + frames x frame`."""

    frame_seconds: float = 300.0
    loading_seconds: float = 60.0
    memory_bytes: int = 8 * 2**30
    pids: int = 256
    output_bytes: int = 2 * 2**30
    log_bytes: int = 16 * 2**20

    def of(self, task: RenderTask) -> RenderLimits:
        """The limits of one task: it may allow its frames less time."""
        if task.frame_seconds is None:
            return self
        return replace(self, frame_seconds=min(self.frame_seconds, task.frame_seconds))

    def wall_seconds(self, frames: int) -> float:
        """The limit for one process that renders `frames` frames."""
        return self.loading_seconds + frames * self.frame_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of a picture, in pixels; the top row is row 0."""

    left: int
    top: int
    width: int
    height: int

    def holds(self, part: Region) -> bool:
        """Whether the part has pixels, all of which are in this one."""
        return (
            min(part.width, part.height) > 0
            and self.left <= part.left
            and self.top <= part.top
            and part.left + part.width <= self.left + self.width
            and part.top + part.height <= self.top + self.height
        )


OWN_CHANNELS = 128
"""Of a picture with layers by the scene's settings: two view layers with all passes of Cycles have 124."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderTask:
    """What to render of one scene, with the file's own settings but for `overrides`.

    `size` is the full picture's width and height in pixels at 100 percent, from the inspection; None if it is
    not known. `percent` scales the picture; `samples` is the most per pixel, None for the scene's own.
    `region` is a part of the scaled picture: each frame is cropped to it. Its pixels are those of the whole
    picture, but for denoising, and for dithering in 8 bits (at most 1 of 255). `has_proof`: beside each
    frame, what Cycles rendered before denoising is kept, by which others can check it. `has_thumbnail`:
    beside each validated frame, a small JPEG of it is made. `is_denoised_later`: the frames, multilayer EXRs,
    hold what a denoiser needs, and are not denoised. `frame_seconds` is the longest that a frame may take as
    its creator says, None for the worker's own limit. `stop_early` is the share of the samples that is
    rendered, as a numerator and a denominator, from the beginning of the sequence that all of them have;
    None: all. Only verification uses it, to calibrate itself.
    """

    frames: tuple[int, ...] = (1,)
    format: ImageFormat = ImageFormat.PNG
    size: tuple[int, int] | None = None
    percent: int = 100
    samples: int | None = None
    region: Region | None = None
    overrides: Overrides = field(default_factory=Overrides)
    has_proof: bool = False
    has_thumbnail: bool = False
    is_denoised_later: bool = False
    frame_seconds: float | None = None
    stop_early: tuple[int, int] | None = None

    @property
    def pixels(self) -> int:
        """The pixels of one frame; 0 if its size is not known."""
        width, height = self.frame_size or (0, 0)
        return width * height

    @property
    def whole_frames(self) -> Fraction:
        """How many whole frames' worth of pixels it renders: less than one for a tile of a still."""
        if self.region is None or self.size is None:
            return Fraction(len(self.frames))
        return Fraction(self.pixels * len(self.frames), self.size[0] * self.size[1])

    @property
    def most_channels(self) -> int:
        """The most channels of a frame: each pass that is asked for adds four to those of the scene's own."""
        if self.format is not ImageFormat.MULTILAYER:
            return 4
        return OWN_CHANNELS + 4 * len(self.overrides.passes)

    def raw_files(self, number: int) -> tuple[str, ...]:
        """The files of a frame as a session leaves them."""
        return (frame_file(number, self.format), *([proof_file(number)] if self.has_proof else []))

    def clean_files(self, number: int) -> tuple[str, ...]:
        """The files of a frame after its validation."""
        more = (
            *([tiles_file(number)] if self.has_proof else []),
            *([thumbnail_file(number)] if self.has_thumbnail else []),
        )
        return (*self.raw_files(number), *more)

    def rendered_files(self, number: int) -> tuple[str, ...]:
        """The files that a render of one frame leaves, the frame itself last."""
        frame = frame_file(number, self.format)
        return (proof_file(number), frame) if self.has_proof else (frame,)

    def validated_files(self, number: int) -> tuple[str, ...]:
        """The files that the validation of one frame leaves, the frame itself last."""
        thumbnail = (thumbnail_file(number),) if self.has_thumbnail else ()
        tiles = (tiles_file(number),) if self.has_proof else ()
        return (*thumbnail, *tiles, *self.rendered_files(number))

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """The size that each frame must have, or None if it is not known before it is rendered."""
        if self.region is not None:
            return self.region.width, self.region.height
        return self.size if self.percent == 100 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One rendered frame, not yet validated. Its size is as reported, and checked only against the task's.

    `seconds` is the time since the command or the frame before, `peak_memory_bytes` the session's peak so
    far; both are measured from outside the sandbox.
    """

    number: int
    file: str
    width: int
    height: int
    seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A progress report from inside Blender, at least one per second.

    `done` counts finished frames out of `total`. `fraction` is the finished share of this frame, 0 … 1, by
    samples or by the engine's expected time, or None if it reports neither; it never falls within a frame.
    `phase` is `preparing`, `rendering`, `sampling or denoising` (from when the engine expected its last
    sample; it does not report when it has it), `compositing` or `writing`.
    """

    phase: str
    frame: int
    done: int
    total: int
    fraction: float | None
    seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatedFrame:
    """A frame that decoded in a clean sandbox, with all metadata stripped from its file.

    `file` is the name of the file to publish, within its folder. `pixel_digest`, in hex, is the Merkle root
    over the decoded samples in tiles, as docs/formats.md says: it is equal for equal pixels, although
    Blender's files differ in their metadata. `channel_names` are those in the digest, such as `R,G,B`.
    `proof_root` is the same digest of what Cycles rendered before denoising; empty without a proof.
    `is_black`: it shows nothing, which may be right or a fault of this machine.
    """

    number: int
    file: str
    width: int
    height: int
    channels: int
    bit_depth: int
    pixel_digest: str
    channel_names: str
    size_bytes: int
    is_black: bool
    proof_root: str = ""


@dataclass(frozen=True, slots=True)
class SpooledFrame:
    """A frame whose file a worker keeps until its job is over; `validated` is None before the validation."""

    number: int
    frame: Frame
    validated: ValidatedFrame | None = None


def frame_file(number: int, image_format: ImageFormat) -> str:
    """The name of a frame's file."""
    return f"frame_{number:04d}{image_format.suffix}"


def proof_file(number: int) -> str:
    """The name of the EXR with what Cycles rendered before denoising."""
    return f"proof_{number:04d}.exr"


def tiles_file(number: int) -> str:
    """The name of the file with the hashes of the proof's tiles."""
    return f"proof_{number:04d}.tiles"


def thumbnail_file(number: int) -> str:
    """The name of a frame's small JPEG."""
    return f"thumbnail_{number:04d}.jpg"


def parse_frames(text: str) -> tuple[int, ...]:
    """Parse a frame list such as `1-10,15,20-40x2`, in order and without repeats.

    Raises `JobRejected` (FRAME_RANGE) for anything else, and for frames outside Blender's range 0 … 1048574.
    """
    frames: dict[int, None] = {}
    for part in text.split(","):
        first, last, step = _parse_part(part.strip(), text)
        if (last - first) // step + 1 + len(frames) > MAX_FRAMES:
            raise _bad_frames(text, f"more than {MAX_FRAMES} frames")
        frames.update(dict.fromkeys(range(first, last + 1, step)))
    return tuple(frames)


def format_frames(frames: tuple[int, ...]) -> str:
    """A frame list as `parse_frames` reads it, with ranges where numbers follow one another evenly."""
    words, at = list[str](), 0
    while at < len(frames):
        first, step, end = frames[at], 0, at + 1
        if end < len(frames) and (step := frames[end] - first) > 0:
            while end < len(frames) and frames[end] - frames[end - 1] == step:
                end += 1
        if end - at < (2 if step == 1 else SHORTEST_STEPPED):
            words.append(str(first))
            at += 1
        else:
            words.append(f"{first}-{frames[end - 1]}" + ("" if step == 1 else f"x{step}"))
            at = end
    return ",".join(words)


def _parse_part(part: str, text: str) -> tuple[int, int, int]:
    span, has_step, step_text = part.partition("x")
    first_text, has_last, last_text = span.partition("-")
    numbers = [first_text, last_text if has_last else first_text, step_text if has_step else "1"]
    if not all(n.isascii() and n.isdigit() for n in numbers):
        raise _bad_frames(text, f"“{printable(part, 40)}” is not a frame or a range")
    # Python refuses to read thousands of digits.
    first, last, step = (int(n) if len(n) <= 18 else 10**18 for n in numbers)
    if max(first, last) > LAST_FRAME:
        raise _bad_frames(text, f"“{printable(part, 40)}” is outside 0-{LAST_FRAME}")
    if step < 1 or first > last:
        raise _bad_frames(text, f"“{printable(part, 40)}” runs backwards, or does not move on")
    return first, last, step


def _bad_frames(text: str, why: str) -> JobRejected:
    return JobRejected(
        Code.FRAME_RANGE,
        f"“{printable(text)}” cannot be used: {why}. Write it as 1-10,15,20-40x2.",
    )
