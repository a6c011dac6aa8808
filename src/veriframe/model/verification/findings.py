"""What a verification found, from one tile up to a job, and what it means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from veriframe.model.rendering.frames import Region
from veriframe.model.verification.rule import Differences


class Conclusion(StrEnum):
    """What a verification says of a result, from the best to the worst."""

    EXACT = "EXACT"
    """Every drawn tile has the same bits here."""
    EQUAL = "EQUAL"
    """Drawn tiles differ, but by no more than honest processors do."""
    UNDECIDED = "UNDECIDED"
    """It cannot be decided here."""
    WITHHELD = "WITHHELD"
    """What proves the result cannot be fetched in the time that it is given."""
    WRONG = "WRONG"
    """The result is not what was ordered."""


RIGHT = (Conclusion.EXACT, Conclusion.EQUAL)
"""The conclusions that prove a result right."""

AT_FAULT = (Conclusion.WRONG, Conclusion.WITHHELD)
"""The conclusions that a creator may dispute a result for."""

WHOLE = -1
"""In place of a tile's number: the whole picture."""

NOTHING_CHECKED = "no part of the result was checked, so that nothing is known about it"

_ORDER = tuple(Conclusion)


def worst(conclusions: Iterable[Conclusion]) -> Conclusion:
    """The worst of some conclusions; EXACT for none."""
    return max(conclusions, key=_ORDER.index, default=Conclusion.EXACT)


class Subject(StrEnum):
    """What was compared."""

    NOISY = "noisy image"
    """What was rendered, before denoising."""
    DELIVERED = "delivered picture"
    """The frame's own file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileFinding:
    """One comparison of one tile, or of a whole frame.

    `region` is in pixels of the whole picture. `worker`, `honest` and `early` are the differences that were
    judged; None where the bits are equal, or where no rule was needed.
    """

    tile: int
    region: Region
    subject: Subject
    conclusion: Conclusion
    reason: str = ""
    worker: Differences | None = None
    honest: Differences | None = None
    early: Differences | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the whole picture was compared, not a tile."""
        return self.tile == WHOLE

    @property
    def place(self) -> str:
        """Where it is, in words: a tile with its upper left pixel, counted from the picture's."""
        if self.is_whole:
            return "the whole picture"
        return f"tile {self.tile}, at pixel {self.region.left}, {self.region.top}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFinding:
    """What was found of a frame. `reason` is a sentence, or empty if the tiles say it all."""

    number: int
    tiles: tuple[TileFinding, ...] = ()
    conclusion_of_its_own: Conclusion = Conclusion.EXACT
    reason: str = ""
    is_whole: bool = False
    """The whole frame was rendered again, because its tiles cannot show what it is."""

    @property
    def conclusion(self) -> Conclusion:
        """The worst of everything."""
        return worst((self.conclusion_of_its_own, *(tile.conclusion for tile in self.tiles)))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinding:
    """What was found of a job's result.

    `seed` is in hex. `blender`, `build_hash` and `machine_class` are the verifier's own; `worker_class` is
    what the result claims. `notes` are remarks that decide nothing. `are_named`: a person named the frames;
    they were not drawn, so that their worker may have known them.
    """

    job: int
    order: int
    asset_cid: str
    result_cid: str
    seed_block: int
    seed: str
    blender: str
    build_hash: str
    machine_class: str
    worker_class: str = ""
    frames: tuple[FrameFinding, ...] = ()
    conclusion_of_its_own: Conclusion = Conclusion.EXACT
    reason: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    fetched_bytes: int = 0
    tiles_of_frame: int = 0
    frames_of_job: int = 0
    are_named: bool = False

    @property
    def conclusion(self) -> Conclusion:
        """The worst of everything. Where nothing was checked, nothing is decided."""
        found = worst((self.conclusion_of_its_own, *(frame.conclusion for frame in self.frames)))
        is_checked = any(frame.tiles for frame in self.frames)
        return Conclusion.UNDECIDED if found is Conclusion.EXACT and not is_checked else found

    @property
    def tiles(self) -> int:
        """How many tiles were rendered again."""
        return sum(len({tile.tile for tile in frame.tiles}) for frame in self.frames)

    @property
    def why(self) -> str:
        """The sentence that explains the conclusion: the first that has it."""
        if self.reason and self.conclusion is self.conclusion_of_its_own:
            return self.reason
        for frame in self.frames:
            if frame.conclusion is not self.conclusion:
                continue
            if frame.reason and frame.conclusion is frame.conclusion_of_its_own:
                return f"Frame {frame.number}: {frame.reason}"
            for tile in frame.tiles:
                if tile.conclusion is self.conclusion and tile.reason:
                    return f"Frame {frame.number}, {tile.place}: {tile.reason}"
        is_decided = self.conclusion is not Conclusion.UNDECIDED or any(frame.tiles for frame in self.frames)
        return "" if is_decided else NOTHING_CHECKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """How thoroughly a result is checked.

    `tiles` of each frame; None: as many as its bundle says. `frames`: only these; `every`: all frames.
    `thorough` also fetches whole proofs and denoises them again. `suspects` are tiles that a report calls
    wrong, by frame: they are checked whether they are drawn or not.
    """

    tiles: int | None = None
    frames: tuple[int, ...] = ()
    every: bool = False
    thorough: bool = False
    suspects: dict[int, tuple[int, ...]] = field(default_factory=dict)
