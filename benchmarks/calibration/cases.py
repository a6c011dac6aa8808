"""What is rendered: crops of scenes, numbers of samples, and the ways of honest machines and of cheats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Machine(StrEnum):
    """What renders."""

    OWN = "own"
    """This machine, with Cycles' best kernel."""
    SSE = "sse"
    """The same with Cycles' SSE kernel."""
    OLD = "old"
    """The same with the first release of the line."""
    OTHER = "other"
    """Another processor's rounding: QEMU's Haswell."""
    OTHER_WITHOUT_AVX2 = "other-without-avx2"
    """A processor without AVX2: QEMU's Nehalem."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to render a crop: on which machine, and how many of its samples, in 256ths.

    `first`: the same sequence, stopped early. `total`: another sequence, of so many.
    `seed` is added to the scene's own.
    """

    name: str
    machine: Machine = Machine.OWN
    first: int = 256
    total: int = 256
    seed: int = 0
    is_honest: bool = False


OURS, KERNEL = Way("A", is_honest=True), Way("S", Machine.SSE, is_honest=True)
EARLY = Way("15/16 of the sequence", first=240)
HONEST = (
    KERNEL,
    Way("4.5.0", Machine.OLD, is_honest=True),
    Way("another processor", Machine.OTHER, is_honest=True),
    Way("a processor without AVX2", Machine.OTHER_WITHOUT_AVX2, is_honest=True),
)
CHEATS = (
    Way("255/256 of the sequence", first=255),
    Way("63/64 of the sequence", first=252),
    EARLY,
    Way("1/2 of the sequence", first=128),
    Way("15/16 of the samples", total=240),
    Way("another seed", seed=1),
)
WAYS = (OURS, *HONEST, *CHEATS)


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of a scene's first frame: its middle as shares of the picture, and its side in pixels."""

    scene: str
    place: str
    x: float
    y: float
    side: int = 32


PLACES = {
    "still": ((0.47, 0.62), (0.26, 0.5)),
    "textures": ((0.25, 0.72), (0.55, 0.35)),
    "volume": ((0.5, 0.35), (0.35, 0.55)),
    "hair": ((0.45, 0.5), (0.82, 0.6)),
    "motion_blur": ((0.5, 0.42), (0.3, 0.6)),
    "animation": ((0.5, 0.5), (0.3, 0.75)),
    "caustics": ((0.57, 0.78), (0.4, 0.55)),
    "fur": ((0.42, 0.35), (0.3, 0.8)),
    "fog": ((0.55, 0.3), (0.3, 0.85)),
}
"""Two places of each Cycles scene in examples/: much detail, and less."""

SLOW = {(scene, 1024) for scene in ("fur", "caustics", "hair", "fog")}
"""Scene and samples, all of which are rendered only with adaptive sampling: else one crop takes minutes."""

PLAN = ((16, False), (64, False), (64, True), (256, False), (256, True), (1024, False), (1024, True))
"""Samples, and whether adaptive sampling may leave some of them out; of 16 it hardly leaves out any."""

SMALL_PLAN = ((16, False), (64, True))
"""The same for an emulated processor."""


@dataclass(frozen=True, slots=True)
class Case:
    """One crop at one number of samples."""

    crop: Crop
    samples: int
    adaptive: bool

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.crop.scene}-{self.crop.place}-{self.samples}-{'adaptive' if self.adaptive else 'all'}"

    @property
    def is_small(self) -> bool:
        """Whether it is there for an emulated processor: honest ways only."""
        return self.crop.side < 32

    def counts(self, way: Way) -> tuple[int, int]:
        """The samples of the sequence, and how many of them are rendered."""
        total = max(1, self.samples * way.total // 256)
        return total, max(1, total * way.first // 256)

    def ways(self, machines: tuple[Machine, ...]) -> Iterator[Way]:
        """The ways that differ at this number of samples, on these machines."""
        wanted = (OURS, EARLY, *HONEST) if self.is_small else WAYS
        seen = set[tuple[Machine, tuple[int, int], int]]()
        # Few samples have few shares: each number of them is rendered once, by its smallest share.
        for way in sorted(wanted, key=lambda one: (one.first != 256, one.first)):
            key = (way.machine, self.counts(way), way.seed)
            if way.machine in machines and key not in seen:
                seen.add(key)
                yield way


def cases(*, small: bool, second_place: bool) -> Iterator[Case]:
    """All cases of the table; `small`: those that an emulated processor can render."""
    for scene, places in PLACES.items():
        for at, (x, y) in enumerate(places[: 2 if second_place and not small else 1]):
            crop = Crop(scene, f"{'small' if small else 'place'}{at + 1}", x, y, 20 if small else 32)
            for samples, adaptive in SMALL_PLAN if small else PLAN:
                if adaptive or (scene, samples) not in SLOW:
                    yield Case(crop, samples, adaptive)
