"""The rule between machines that do not render the same bits: what honest rounding may do to a tile.

The verifier renders a tile three times on its own machine: A; S with another kernel, whose rounding differs;
and E with the same sequence of samples, stopped early. W is the worker's tile. How far A lies from S is what
rounding does to this tile of this scene; how far it lies from E is what leaving out samples does.
docs/verification.md has the table by which the constants were fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

STOP_EARLY = (15, 16)
"""The share of the samples in E."""

ROUNDING = 1e-6
"""A relative difference that rounding of 32-bit numbers may make anywhere."""

ACCEPTED_FACTOR, REJECTED_FACTOR = 2.0, 4.0
"""How many times the honest difference is accepted, and from how many times on it may be rejected."""

SLACK = 0.05
"""A quantile of the worker's is compared with the honest one of so many ranks more, 0 … 1.

Where a share of a tile's pixels near 25, 50 or 75 % is hair and the like, chance decides on which side a
quantile lies. Of 360 tiles of a model of that (tests/unit/verifier/test_judging.py), 41 were between and 7
rejected without it, and none with it.
"""

REJECTED_SHARE = 1 / 16
"""A rejected difference is also more than this share of that of the early stop: about one sample of 256."""

GROSS = (0.1, 0.5)
"""Relative differences that rounding makes only where paths part, so that few pixels of a tile have them."""

ACCEPTED_GROSS, REJECTED_GROSS = 0.003, 0.006
"""Shares of a part's pixels, besides honest ones, that may differ grossly; at least so many pixels:"""

ACCEPTED_PIXELS, REJECTED_PIXELS = 4, 12

ACCEPTED_OUTLIERS, REJECTED_OUTLIERS = 0.02, 0.10
"""Shares of pixels, besides honest ones, that may be outliers."""


ACCEPTED_GRAIN, REJECTED_GRAIN, GRAIN_PIXELS = 0.05, 0.10, 1024
"""How much grainier a tile of so many pixels may be, besides what honest rounding makes it.

Where paths part early, as in dense fur, two honest renders are as far apart as one of half the samples is,
but that one is grainier. Measured in crops of 32×32 pixels of nine scenes: honest ones 0.98 to 1.05, half
the samples of fur 1.28 to 1.58. Chance grows as the pixels become fewer.
"""


ACCEPTED_BRIGHTNESS, REJECTED_BRIGHTNESS = 0.01, 0.02
"""By what share a tile of `GRAIN_PIXELS` may be brighter or darker, besides what chance makes it.

In a smaller one a single pixel whose path parts counts for more, and it may be more so.
Where paths part early, a few bounces fewer are lost among the differences, but make a tile darker: four of 16
in fur by 0.01 to 0.06.
"""

ACCEPTED_ERRORS, REJECTED_ERRORS = 3.0, 5.0
"""How many standard errors of the mean of A−S chance may make of a difference in brightness.

Measured as above, in 118 tiles: at most 2.1 where the other kernel's differ by 0.0001 or more. The largest
difference is 0.024, in fur with 16 samples, and one standard error.
"""


@dataclass(frozen=True, slots=True)
class Differences:
    """How two tiles differ: quantiles (25, 50, 75 %) of the relative differences of active pixels.

    Active are pixels in which any two of the four renders differ: a plain background says nothing. Quantiles
    of honest rounding are of `SLACK` more. `outliers` is the share of active pixels, 0 … 1, that differ by
    more than the early stop does in the median, or where that shows nothing, by 4 times as much as 80 % of
    S's do; `gross` are the shares of all `pixels` that differ by more
    than `GROSS`. `grain` is how grainy the other tile is, and `brightness` how bright, as multiples of ours.
    `brightness_error` is the standard error of that, as it comes from the differences of single pixels.
    """

    quantiles: tuple[float, float, float]
    outliers: float = 0.0
    gross: tuple[float, float] = (0.0, 0.0)
    pixels: int = 4096
    grain: float = 1.0
    brightness: float = 1.0
    brightness_error: float = 0.0


class Answer(StrEnum):
    """What the rule says of a tile."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    BETWEEN = "between"
    """More tiles may tell."""


def judge(worker: Differences, honest: Differences, early: Differences) -> Answer:
    """Judge a tile by how A differs from W, from S and from E."""
    pairs = list(zip(worker.quantiles, honest.quantiles, early.quantiles, strict=True))
    accepted_outliers = ACCEPTED_FACTOR * honest.outliers + ACCEPTED_OUTLIERS
    rejected_outliers = REJECTED_FACTOR * honest.outliers + REJECTED_OUTLIERS
    accepted_gross = max(ACCEPTED_GROSS, ACCEPTED_PIXELS / worker.pixels)
    rejected_gross = max(REJECTED_GROSS, REJECTED_PIXELS / worker.pixels)
    gross = list(zip(worker.gross, honest.gross, strict=True))
    chance = max(1.0, (GRAIN_PIXELS / worker.pixels) ** 0.5)
    grain, rounded = worker.grain - 1, abs(honest.grain - 1)
    bias, error = abs(worker.brightness - 1), honest.brightness_error
    if (
        worker.outliers <= accepted_outliers
        and grain <= ACCEPTED_FACTOR * rounded + ACCEPTED_GRAIN * chance
        and bias <= ACCEPTED_ERRORS * error + ACCEPTED_BRIGHTNESS * chance
        and all(found <= ACCEPTED_FACTOR * share + accepted_gross for found, share in gross)
        and all(found <= ACCEPTED_FACTOR * rounding + ROUNDING for found, rounding, _ in pairs)
    ):
        return Answer.ACCEPTED
    is_gross = any(found > REJECTED_FACTOR * share + rejected_gross for found, share in gross)
    is_beyond = any(
        found > REJECTED_FACTOR * (rounding + ROUNDING) and found > REJECTED_SHARE * stopped
        for found, rounding, stopped in pairs
    )
    is_grainy = grain > REJECTED_FACTOR * rounded + REJECTED_GRAIN * chance
    is_biased = bias > REJECTED_ERRORS * error + REJECTED_BRIGHTNESS * chance
    if is_gross or is_beyond or is_grainy or is_biased or worker.outliers > rejected_outliers:
        return Answer.REJECTED
    return Answer.BETWEEN
