"""Compares pixels: how far two tiles differ, which tiles are flat, and whether two pictures look the same."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from veriframe.model.verification import rule
from veriframe.model.verification.rule import GROSS, REJECTED_FACTOR, ROUNDING, SLACK, Answer, Differences
from veriframe.verifier.samples import Samples

SMALL = 1e-3
"""Added below the fraction, so that differences of dark pixels are not divided by nothing."""

NO_GRAIN = 1e-8
"""Added to the grain of every tile, so that none of a plain one is divided by nothing."""

BRIGHTEST = 0.99
"""The quantile up to which values count for the brightness of a tile."""

QUANTILES = (0.25, 0.5, 0.75)

LEAST_OWN_PIXELS = 64
"""So many pixels in which our own renders differ are judged by themselves; fewer are chance."""

Judged = tuple[Differences, Differences, Differences]
"""How ours differs from theirs, from the other kernel's, and from the early stop."""

_WORSE = (Answer.ACCEPTED, Answer.BETWEEN, Answer.REJECTED)

FLAT_LEVELS = 2 / 255
"""A tile in which no channel varies by more shows nothing."""

LOOKS_OTHER = 0.03
"""A difference of display values that a crop's denoising rarely makes (measured: 0.05 % of the pixels)."""

MOST_OTHER, MOST_SHADE, MOST_SPOT, MOST_NOISE = 0.01, 0.005, 0.03, 0.012
"""The share of pixels that may look other, the mean shade, that of the worst block, and the mean difference
of pixels, where a crop was denoised by itself.

Measured with a border of 16 pixels in nine scenes, at two or four samples a pixel: a shade of 0.0004 to
0.0087, above 0.005 in three of 48 tiles; of the worst block 0.001 to 0.027; of pixels 0.002 to 0.012.
"""

BLOCK = 8
"""Pixels of a side of the blocks whose means are compared: dithering, whose pattern depends on where a part
begins, is 0.003 of a pixel in the mean, and vanishes in the mean of a block."""


def relative(ours: Samples, theirs: Samples, step: float = 0.0) -> NDArray[np.float32]:
    """The relative difference of each pixel, 0 … 2: that of its channel with the largest.

    2·|a-b| / (|a|+|b|+0.001). Where both have no number, they agree; where one has none, it is 2. `step` is
    what quantisation may change a value by.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.maximum(0, np.abs(ours - theirs) - np.float32(step))
        found = 2 * apart / (np.abs(ours) + np.abs(theirs) + np.float32(SMALL))
    found[(ours == theirs) | (np.isnan(ours) & np.isnan(theirs))] = 0
    found[~np.isfinite(found)] = 2
    largest: NDArray[np.float32] = np.minimum(found, 2).max(axis=2).astype(np.float32)
    return largest


def differences(
    found: NDArray[np.float32], bound: float, slack: float = 0.0, active: NDArray[np.bool_] | None = None
) -> Differences:
    """What the rule sees of relative differences: quantiles, of `slack` more, and shares.

    `bound` is that of outliers; `active` are the pixels that say something, by default all.
    """
    chosen = found if active is None else found[active]
    if not chosen.size:
        chosen = np.zeros(1, dtype=np.float32)
    low, middle, high = (float(value) for value in np.quantile(chosen, np.add(QUANTILES, slack)))
    little, much = (float((found > least).mean()) for least in GROSS)
    return Differences((low, middle, high), float((chosen > bound).mean()), (little, much), found.size)


def judge(  # noqa: PLR0913 - four pictures, and what they are
    ours: Samples,
    other: Samples,
    early: Samples,
    theirs: Samples,
    step: float = 0.0,
    *,
    is_light: bool = False,
) -> tuple[Answer, Judged]:
    """The rule's answer about a part, and what it saw: how ours differs from theirs, S and E.

    `step` is what quantisation may change a value by. `is_light`: the values are light, so that their sum
    means something; that of depths, say, does not.

    Pixels in which nothing differs do not count: most of a part may be plain background. But a worker decides
    in which pixels theirs differs, and the last bits of a background would hide the rest. So the part is
    judged again by the pixels in which our own renders differ, and the worse answer is the answer.
    """
    apart, rounded, stopped = (relative(ours, one, step) for one in (theirs, other, early))
    own = (rounded > 0) | (stopped > 0)
    # Quantisation and dithering have a grain of their own.
    wholes = () if step else _wholes(ours, (theirs, other, early), is_light=is_light)
    answers = list[tuple[Answer, Judged]]()
    for active in (own | (apart > 0), own):
        if answers and active.sum() < LEAST_OWN_PIXELS:
            continue
        bound = _outlier_bound(rounded[active], stopped[active])
        seen = [
            differences(apart, bound, 0.0, active),
            differences(rounded, bound, SLACK, active),
            differences(stopped, bound, 0.0, active),
        ]
        for place, (grained, bright, error) in enumerate(wholes):
            whole = replace(seen[place], grain=grained, brightness=bright, brightness_error=error)
            seen[place] = whole
        worker, honest, early_stop = seen
        answers.append((rule.judge(worker, honest, early_stop), (worker, honest, early_stop)))
    return max(answers, key=lambda answer: _WORSE.index(answer[0]))


def _outlier_bound(rounded: NDArray[np.float32], stopped: NDArray[np.float32]) -> float:
    """From what difference on a pixel is an outlier: what the early stop makes of it in the median.

    Where the early stop changes no more than rounding may, as where adaptive sampling ended before it, or
    where the scene cannot be stopped early, rounding itself is the measure.
    """
    if not stopped.size:
        return ROUNDING
    if (stop := float(np.median(stopped))) > REJECTED_FACTOR * ROUNDING:
        return stop
    return REJECTED_FACTOR * (float(np.quantile(rounded, QUANTILES[-1] + SLACK)) + ROUNDING)


def _wholes(
    ours: Samples, others: tuple[Samples, ...], *, is_light: bool
) -> list[tuple[float, float, float]]:
    """What each of the others shows as a whole beside ours: grain, brightness, and the error of that."""
    own = grain(ours)
    lights = [brightness(ours, one) if is_light else (1.0, 0.0) for one in others]
    return [
        (_short(grain(one) / own), _short(mean), _short(error))
        for one, (mean, error) in zip(others, lights, strict=True)
    ]


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def brightness(ours: Samples, theirs: Samples) -> tuple[float, float]:
    """The mean of theirs as a multiple of ours, and its standard error if pixels differ by chance.

    Of the channels with the largest. Values above 99 % of ours count as that: a few bright pixels are chance.
    """
    a, b = (np.nan_to_num(one, nan=0.0, posinf=1e9, neginf=-1e9).astype(np.float64) for one in (ours, theirs))
    most = np.quantile(a, BRIGHTEST, axis=(0, 1))
    a, b = np.minimum(a, most), np.minimum(b, most)
    apart, mean = b - a, np.abs(a.mean(axis=(0, 1))) + SMALL
    found = 1 + np.clip(apart.mean(axis=(0, 1)) / mean, -1e6, 1e6)
    errors = np.clip(apart.std(axis=(0, 1)) / mean / (apart[..., 0].size ** 0.5), 0, 1e6)
    return float(found[np.abs(found - 1).argmax()]), float(errors.max())


def grain(samples: Samples) -> float:
    """How much pixels differ from the mean of their four neighbours: the mean of the squares, over 0.

    Relative to that mean, and at most 1, so that a single bright pixel weighs no more than a dark one.
    """
    inner = np.nan_to_num(samples, nan=0.0, posinf=1e18, neginf=-1e18).astype(np.float64)
    if min(inner.shape[:2]) < 3:
        return 1.0
    around = (inner[:-2, 1:-1] + inner[2:, 1:-1] + inner[1:-1, :-2] + inner[1:-1, 2:]) / 4
    apart = np.abs(inner[1:-1, 1:-1] - around) / (np.abs(around) + SMALL)
    return float((np.minimum(apart, 1) ** 2).mean()) + NO_GRAIN


def most_apart(ours: Samples, theirs: Samples) -> float:
    """The largest difference of any value; infinite if only one has a number, or the shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        apart = np.abs(ours - theirs)
    apart[(ours == theirs) | (np.isnan(ours) & np.isnan(theirs))] = 0
    return float(np.nan_to_num(apart, nan=np.inf).max(initial=0))


def is_flat(tile: Samples) -> bool:
    """Whether no channel of a tile of the delivered picture varies."""
    with np.errstate(invalid="ignore"):
        spread = tile.max(axis=(0, 1)) - tile.min(axis=(0, 1))
    return bool((spread <= FLAT_LEVELS).all())


BRIGHT, MOST_APART = 1.0, 0.1
"""Of radiance beyond the first, which is compressed the more the brighter it is, a larger relative difference
looks other, too."""

SAME_APART, MOST_UNLIKE, MOST_SAME_MEAN, MOST_SAME_SPOT = 0.005, 0.001, 0.001, 0.01
"""Whole pictures that were denoised from the same pixels, by whichever processor: at most so large a share
lies so far apart, and neither the mean nor the worst block is larger (measured: 4e-6 before quantisation)."""

EXPOSED = 0.99
"""Radiance is looked at as if this quantile of it were 1, if it is less: dim pictures are exposed longer."""


@dataclass(frozen=True, slots=True)
class Looks:
    """How two pictures differ to the eye, in shares of their pixels, 0 … 1, and in display values.

    `other` look other, `unlike` differ by more than denoising the same pixels again may make. `mean` is the
    mean difference of the pixels, `shade` that of the means of blocks, and `spot` the largest of them.
    """

    other: float
    unlike: float
    mean: float
    shade: float
    spot: float

    @property
    def are_alike(self) -> bool:
        """Whether denoising a part by itself may make this difference."""
        is_shade = self.shade > MOST_SHADE or self.spot > MOST_SPOT
        return self.other <= MOST_OTHER and self.mean <= MOST_NOISE and not is_shade

    @property
    def are_same(self) -> bool:
        """Whether denoising the same pixels again may make this difference."""
        is_as_bright = self.mean <= MOST_SAME_MEAN and self.spot <= MOST_SAME_SPOT
        return self.unlike <= MOST_UNLIKE and is_as_bright


def looks(ours: Samples, theirs: Samples, *, is_radiance: bool = False) -> Looks:
    """Compare what people look at: display values, or radiance exposed by ours, compressed beyond 1."""
    if ours.shape != theirs.shape:
        return Looks(1, 1, 1, 1, 1)
    if not ours.size:
        # Layers without a combined pass show nothing.
        return Looks(0, 0, 0, 0, 0)
    if is_radiance:
        exposure = _exposure(ours)
        ours, theirs = ours * exposure, theirs * exposure
    apart, is_far = _display_difference(ours, theirs), _are_far_apart(ours, theirs)
    pixels = np.abs(apart).max(axis=2)
    other, unlike = (float(((pixels > bound) | is_far).mean()) for bound in (LOOKS_OTHER, SAME_APART))
    blocks = np.abs(_block_means(apart)).max(axis=2)
    return Looks(other, unlike, float(pixels.mean()), float(blocks.mean()), float(blocks.max()))


def _exposure(samples: Samples) -> np.float32:
    known = np.abs(samples[np.isfinite(samples)])
    bright = float(np.quantile(known, EXPOSED)) if known.size else 0.0
    return np.float32(1 / bright if 0 < bright < 1 else 1)


def display_difference(ours: Samples, theirs: Samples) -> NDArray[np.float32]:
    """The difference of each pixel as people see it, 0 … 1 and more: that of its channel with the largest."""
    found: NDArray[np.float32] = np.abs(_display_difference(ours, theirs)).max(axis=2)
    return found


def _display_difference(ours: Samples, theirs: Samples) -> Samples:
    """The signed difference of each value, as people see it. Where only one has no number, it is 1."""
    a, b = _compressed(ours), _compressed(theirs)
    apart = a - b
    apart[np.isnan(a) & np.isnan(b)] = 0
    apart[~np.isfinite(apart)] = 1
    return apart


def _block_means(samples: Samples) -> Samples:
    """The means of blocks of `BLOCK` pixels a side; those at the right and at the bottom may be smaller."""
    means = samples
    for axis in (0, 1):
        size = samples.shape[axis]
        starts = np.arange(0, size, BLOCK)
        counts = np.minimum(BLOCK, size - starts).astype(np.float32)
        sums = np.add.reduceat(means, starts, axis=axis)
        means = sums / counts.reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
    return means


def _are_far_apart(ours: Samples, theirs: Samples) -> NDArray[np.bool_]:
    """Which pixels differ by more than a fraction, in a channel that is bright in either picture."""
    is_bright = np.fmax(np.abs(ours), np.abs(theirs)) > BRIGHT
    a, b = (np.where(is_bright, samples, np.float32(0)) for samples in (ours, theirs))
    found: NDArray[np.bool_] = relative(a, b) > MOST_APART
    return found


def _compressed(samples: Samples) -> Samples:
    """What a display can show, as it is; brighter light x as 2 - 1 / x, which is 2 at most.

    One curve for all pixels: what a worker does to one must not change how another is looked at.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = np.sign(samples) * (2 - 1 / np.abs(samples))
    found: Samples = np.where(np.abs(samples) > BRIGHT, beyond, samples)
    return found
