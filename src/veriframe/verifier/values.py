"""What a check of a frame works with: what was delivered, how it can be checked, pictures for people."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from veriframe.model.registry.job import Job
from veriframe.model.rendering.frames import Region
from veriframe.model.verification.findings import WHOLE, Conclusion, Request, Subject
from veriframe.model.verification.tiles import TileGrid
from veriframe.verifier import channels
from veriframe.verifier.samples import Samples


@dataclass(frozen=True, slots=True)
class Part:
    """What is compared: a tile or the whole, its pixels in the whole picture, and which picture."""

    tile: int
    region: Region
    subject: Subject

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole picture."""
        return self.tile == WHOLE


@dataclass(frozen=True, slots=True)
class TilePicture:
    """Two pictures of one part of a frame, for people: ours and the worker's."""

    frame: int
    part: Part
    conclusion: Conclusion
    ours: Samples
    theirs: Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is checked of a job's result: by which seed, what was asked for, and how many tiles a frame.

    `late_seconds`: how long late deliveries are waited for, at most.
    """

    job: Job
    seed: bytes
    request: Request
    tiles: int = 0
    late_seconds: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What decides how the frames of a task can be checked.

    `step` is what dithering and quantisation may change a value of the delivered picture by.
    `tiles_show_noisy`: a tile that is rendered by itself has the whole's noisy image. `whole_because`: why
    the delivered picture is not the sum of its tiles, as one clause; empty if it is. `by_eye`: why another
    machine need not render the same, which is such a reason, too; empty if it must.
    """

    denoises: bool = False
    step: float = 0.0
    tiles_show_noisy: bool = True
    whole_because: str = ""
    by_eye: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether the whole picture is rendered again to check what was delivered."""
        return bool(self.whole_because)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What the worker delivered of a frame, decoded here.

    `region` is the part of the whole picture that is checked, `picture` its pixels with these `channels`, and
    `picture_leaf` their leaf hash in hex. `leaves` are those of the noisy image; None without a proof.
    `is_radiance`: its values are not for a display.
    `proof_tiles` fetches tiles of the proof into a file;
    `denoised` denoises the whole proof again, and returns the picture that comes of it.
    """

    picture: Samples
    picture_leaf: str
    channels: tuple[str, ...]
    region: Region
    leaves: tuple[str, ...] | None = None
    is_radiance: bool = False
    proof_tiles: Callable[[Sequence[int]], Awaitable[Path]] | None = None
    denoised: Callable[[], Awaitable[Samples]] | None = None

    @property
    def colours(self) -> Samples:
        """Those of its channels that a denoiser changes."""
        return self.picture[..., channels.colours(self.channels)]

    @property
    def grid(self) -> TileGrid:
        """Its tiles."""
        return TileGrid(self.region.width, self.region.height)
