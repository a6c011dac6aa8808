"""How pixels are compared: relative differences, flat tiles, and what looks alike."""

from __future__ import annotations

import numpy as np
import pytest

from veriframe.model.verification import rule
from veriframe.verifier import comparing
from veriframe.verifier.samples import Samples

RANDOM = np.random.default_rng(5)


def tile(value: float = 0.5, channels: int = 4) -> Samples:
    """A tile of one value."""
    return np.full((64, 64, channels), value, dtype=np.float32)


def test_the_difference_is_relative_and_that_of_the_worst_channel() -> None:
    """2·|a-b| / (|a|+|b|+0.001)."""
    ours, theirs = tile(), tile()
    theirs[3, 4, 2] = 0.6
    found = comparing.relative(ours, theirs)
    assert found[3, 4] == pytest.approx(2 * 0.1 / 1.101, rel=1e-5)
    assert np.count_nonzero(found) == 1


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (np.nan, np.nan, 0),
        (np.inf, np.inf, 0),
        (np.nan, 1.0, 2),
        (np.inf, 1.0, 2),
        (1.0, -np.inf, 2),
        (1e38, -1e38, 2),
        (0.0, -0.0, 0),
    ],
)
def test_what_is_no_number_agrees_only_with_itself(ours: float, theirs: float, expected: float) -> None:
    """An infinite or missing value must not make a difference vanish."""
    assert comparing.relative(tile(ours), tile(theirs)).max() == pytest.approx(expected)


def test_quantisation_is_taken_off() -> None:
    """Two levels of 255 are no difference, three are."""
    ours = tile()
    assert comparing.relative(ours, ours + np.float32(2 / 255), 2 / 255).max() == pytest.approx(0, abs=1e-6)
    assert comparing.relative(ours, ours + np.float32(3 / 255), 2 / 255).max() > 0.005


def test_quantiles_and_outliers() -> None:
    """A tenth of the pixels that differ show as outliers, not in a quantile."""
    theirs = tile()
    theirs[:, :6] = 0.9
    found = comparing.differences(comparing.relative(tile(), theirs), 0.1)
    assert found.quantiles == (0, 0, 0)
    assert found.outliers == pytest.approx(6 / 64)


def test_a_plain_background_says_nothing() -> None:
    """fault_293: without this, an empty world was accepted in place of furry balls before it."""
    ours = tile()
    ours[:, :20] = RANDOM.random((64, 20, 4), dtype=np.float32)
    other, early, empty = ours.copy(), ours.copy(), tile()
    other[:, :20] *= np.float32(1 + 1e-6)
    early[:, :20] *= np.float32(1.02)
    answer, (worker, _, stopped) = comparing.judge(ours, other, early, empty)
    assert answer is rule.Answer.REJECTED
    assert worker.quantiles[0] > 0.01
    assert stopped.quantiles[0] == pytest.approx(0.02, rel=0.1)
    assert comparing.judge(ours, other, early, other)[0] is rule.Answer.ACCEPTED


@pytest.mark.parametrize("share", [5, 10, 15, 19, 22, 24])
@pytest.mark.parametrize("rounding", [1e-3, 1e-5, 5e-6, 7e-7])
def test_the_last_bits_of_a_background_hide_nothing(share: int, rounding: float) -> None:
    """fault_364: the worker changes each value of it by one: its pixels count then, beside the object."""
    dice, pixels = np.random.default_rng(5), 64 * 64 * share // 100
    ours = np.full((64 * 64, 4), 0.2, np.float32)
    object_ = dice.uniform(0.3, 0.7, (pixels, 1)).astype(np.float32)
    noise = 1 + dice.normal(0, 0.1, (pixels, 1)).astype(np.float32)
    ours[:pixels] = object_ * noise
    other, early, theirs = ours.copy(), ours.copy(), ours.copy()
    other[:pixels] *= (1 + dice.normal(0, 1.5 * rounding, (pixels, 1))).astype(np.float32)
    early[:pixels] *= (1 + dice.normal(0, 0.025, (pixels, 1))).astype(np.float32)
    theirs[:pixels] = np.clip(object_ * np.float32(0.96), 0.91 * ours[:pixels], 1.09 * ours[:pixels])
    theirs[pixels:] = np.nextafter(theirs[pixels:], np.float32(1))
    tiles = [one.reshape(64, 64, 4) for one in (ours, other, early, theirs, other)]
    a, s, e, w, honest = tiles
    assert comparing.judge(a, s, e, w, is_light=True)[0] is rule.Answer.REJECTED
    assert comparing.judge(a, s, e, honest, is_light=True)[0] is rule.Answer.ACCEPTED


def test_a_flat_tile_varies_by_no_more_than_two_levels() -> None:
    """In any channel."""
    picture = tile()
    assert comparing.is_flat(picture)
    picture[0, 0, 1] += np.float32(2 / 255)
    assert comparing.is_flat(picture)
    picture[0, 1, 1] -= np.float32(1 / 255)
    assert not comparing.is_flat(picture)
    picture[:] = np.nan
    assert not comparing.is_flat(picture)


def test_a_picture_that_looks_other_is_not_alike() -> None:
    """A shade, a watermark, and noise of the denoiser."""
    ours = RANDOM.random((64, 64, 3), dtype=np.float32) * np.float32(0.5)
    assert comparing.looks(ours, ours).are_same
    shade = ours + np.float32(0.02)
    assert not comparing.looks(ours, shade).are_alike
    mark = ours.copy()
    mark[10:20, 10:20] += np.float32(0.3)
    assert not comparing.looks(ours, mark).are_alike
    noise = ours + RANDOM.normal(0, 0.002, ours.shape).astype(np.float32)
    assert comparing.looks(ours, noise).are_alike
    assert not comparing.looks(ours, noise).are_same


def test_a_small_mark_is_not_alike() -> None:
    """fault_333: 36 of 4096 pixels are less than a hundredth, and a shade of their block."""
    ours = np.full((64, 64, 3), 0.5, dtype=np.float32)
    mark = ours.copy()
    mark[10:16, 9:15] += np.float32(0.1)
    found = comparing.looks(ours, mark)
    assert (found.other < 0.01, found.shade < 0.005) == (True, True)
    assert not found.are_alike


@pytest.mark.parametrize("bright", [0.003, 0.8])
def test_dim_radiance_is_exposed(bright: float) -> None:
    """fault_336: a scene lit for another exposure cannot be delivered black, or half as bright."""
    ours = RANDOM.random((64, 64, 3), dtype=np.float32) * np.float32(bright)
    assert comparing.looks(ours, ours * np.float32(1.001), is_radiance=True).are_same
    for factor in (0.0, 0.9):
        found = comparing.looks(ours, ours * np.float32(factor), is_radiance=True)
        assert not found.are_alike
        assert not found.are_same


def test_a_pattern_whose_mean_is_nothing_is_not_alike() -> None:
    """fault_337: a chequer of seven levels, whose blocks are as bright as before."""
    ours = np.full((64, 64, 3), 0.5, dtype=np.float32)
    chequer = (np.indices((64, 64)).sum(axis=0) % 2 * 2 - 1)[..., None] * np.float32(7 / 255)
    found = comparing.looks(ours, (ours + chequer).astype(np.float32))
    assert found.shade < 0.001
    assert not found.are_alike


def test_a_few_pixels_together_are_not_the_same() -> None:
    """fault_337: of a large picture, a small logo is less than a thousandth."""
    ours = np.full((512, 512, 3), 0.5, dtype=np.float32)
    logo = ours.copy()
    logo[100:112, 100:112] = 1
    found = comparing.looks(ours, logo)
    assert found.unlike < 0.001
    assert not found.are_same


def test_grain_grows_with_noise_and_not_with_brightness() -> None:
    """Half the samples have twice the variance; twice the light has the same."""
    noise = RANDOM.normal(0, 0.05, (64, 64, 3)).astype(np.float32)
    ours = np.float32(0.5) + noise
    own = comparing.grain(ours)
    assert comparing.grain(2 * ours) == pytest.approx(own, rel=0.02)
    assert comparing.grain(np.float32(0.5) + np.float32(2**0.5) * noise) == pytest.approx(2 * own, rel=0.05)
    assert comparing.grain(tile()) < own / 1000
    assert comparing.grain(np.ones((2, 64, 3), np.float32)) == 1.0
    assert comparing.grain(tile(np.nan)) == comparing.grain(tile(0.0))
    _, judged = comparing.judge(ours, ours, ours, np.float32(0.5) + 2 * noise)
    assert judged[0].grain == pytest.approx(4, rel=0.1)
    assert judged[1].grain == 1
    assert comparing.judge(ours, ours, ours, ours + noise, 0.01)[1][0].grain == 1


def test_brightness_is_that_of_the_channel_furthest_from_one() -> None:
    """fault_348: in light alone; a few bright pixels, and what is no number, change nothing."""
    ours = RANDOM.random((64, 64, 4), dtype=np.float32) + np.float32(0.1)
    theirs = ours * np.array([1, 0.95, 1.02, 1], dtype=np.float32)
    assert comparing.brightness(ours, theirs)[0] == pytest.approx(0.95, rel=0.005)
    sparks = ours.copy()
    sparks[:4, :4] = 1e6
    assert comparing.brightness(ours, sparks)[0] == pytest.approx(1, abs=0.005)
    for one, other in ((tile(np.nan), tile(0.0)), (tile(np.inf), tile(np.inf))):
        assert comparing.brightness(one, other) == (1, 0)
    assert comparing.brightness(tile(0.0), tile(1e-6))[0] == pytest.approx(1, abs=0.002)
    _, judged = comparing.judge(ours, ours, ours, theirs, is_light=True)
    assert [one.brightness for one in judged] == [pytest.approx(0.95, rel=0.005), 1, 1]
    assert comparing.judge(ours, ours, ours, theirs)[1][0].brightness == 1


def test_the_error_of_brightness_is_that_of_its_mean() -> None:
    """Of 100 tiles with the same noise, two in three are within one standard error."""
    ours = np.ones((32, 32, 1), dtype=np.float32)
    found = [
        comparing.brightness(
            2 * ours, 2 * ours - np.abs(RANDOM.normal(0, 0.5, ours.shape)).astype(np.float32)
        )
        for _ in range(100)
    ]
    means, errors = np.array(found).T
    assert np.median(errors) == pytest.approx(means.std(), rel=0.3)


def test_dithering_is_not_a_shade() -> None:
    """Patterns of up to two levels of 8 bits look alike, however many pixels differ; a shade does not."""
    ours = np.full((64, 61, 3), 100 / 255, dtype=np.float32)
    dithered = ours + RANDOM.integers(-2, 3, ours.shape).astype(np.float32) / np.float32(255)
    found = comparing.looks(ours, dithered)
    assert found.mean > 0.005
    assert found.are_alike
    assert not comparing.looks(ours, dithered + np.float32(2 / 255)).are_alike


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (8, 8), (64, 17)])
def test_blocks_at_the_edge_count(size: tuple[int, int]) -> None:
    """The mean of every block is that of its own pixels."""
    found = comparing.looks(np.full((*size, 4), 0.5, np.float32), np.full((*size, 4), 0.25, np.float32))
    assert found.shade == pytest.approx(0.25)


def test_radiance_is_compressed_before_it_is_looked_at() -> None:
    """A lamp of 1000 and one of 1001 look alike."""
    assert comparing.looks(tile(1000.0), tile(1001.0)).are_same
    assert not comparing.looks(tile(1000.0), tile(0.5)).are_alike


@pytest.mark.parametrize("size", [64, 512])
def test_one_bright_pixel_does_not_hide_a_shade(size: int) -> None:
    """fault_342: with a value beyond a display's, all others were compressed to a quarter."""
    ours = np.full((size, size, 3), 0.9, dtype=np.float32)
    shaded = ours + np.float32(0.025)
    plain = comparing.looks(ours, shaded, is_radiance=True)
    shaded[0, 0] = 1.01
    found = comparing.looks(ours, shaded, is_radiance=True)
    assert not found.are_alike
    assert found.shade == pytest.approx(plain.shade, rel=0.05)


def test_the_curve_of_bright_light_grows_without_a_step() -> None:
    """As it is up to 1, at most 2 beyond, and below 0 alike; what is no number stays one."""
    values = np.array([-np.inf, -2, -1, 0, 0.5, 1, 1.001, 2, 1e30, np.inf], dtype=np.float32)
    zero = np.zeros((1, 1, 1), dtype=np.float32)
    found = [float(comparing.display_difference(zero + v, zero)[0, 0]) for v in values]
    assert found == pytest.approx([2, 1.5, 1, 0, 0.5, 1, 1.000999, 1.5, 2, 2], rel=1e-5)
    assert comparing.display_difference(zero + np.float32(np.nan), zero) == 1


def test_most_apart_is_exact() -> None:
    """The largest difference of any value; another shape is infinitely far."""
    theirs = tile()
    theirs[0, 0, 0] += np.float32(0.25)
    assert comparing.most_apart(tile(), theirs) == pytest.approx(0.25)
    assert comparing.most_apart(tile(), tile(channels=3)) == float("inf")
    assert comparing.most_apart(tile(np.nan), tile()) == float("inf")
    assert comparing.most_apart(tile(np.nan), tile(np.nan)) == 0


@pytest.mark.parametrize("value", [2.0, 1_000.0, 100_000.0])
def test_bright_radiance_that_is_half_as_bright_looks_other(value: float) -> None:
    """fault_272: compressed, 1000 and 500 are nearly the same."""
    assert not comparing.looks(tile(value), tile(value / 2)).are_alike
    assert comparing.looks(tile(value), tile(value * 1.01)).are_alike
