"""The rule between machines, on the measured figures of the design and on planted ones."""

from __future__ import annotations

import pytest

from veriframe.model.verification.rule import Answer, Differences, judge


def same(value: float, outliers: float = 0.0) -> Differences:
    """The same difference in each quantile."""
    return Differences((value, value, value), outliers)


MEASURED = {
    "volume": (6.8e-7, 1.3e-7, 3.7e-3, 6.9e-3, 3.3e-2),
    "still": (1.3e-6, 3.6e-7, 5.4e-4, 3.9e-3, 1.2e-2),
    "motion blur": (4.9e-7, 7.5e-8, 2.0e-3, 5.3e-3, 1.5e-2),
}
"""Medians: own kernels, another processor, the first 255, 240 and 128 of 256 samples."""

HAIR = (8.3e-3, 7.9e-3, 3.9e-3, 1.9e-2, 7.6e-2)


@pytest.mark.parametrize("scene", MEASURED)
def test_another_processor_is_accepted_and_one_sample_less_is_not(scene: str) -> None:
    """The figures of three scenes, measured."""
    kernels, processor, one_less, early, half = MEASURED[scene]
    assert judge(same(processor), same(kernels), same(early)) is Answer.ACCEPTED
    for cheat in (one_less, early, half):
        assert judge(same(cheat), same(kernels), same(early)) is Answer.REJECTED


def test_in_hair_rounding_hides_a_few_samples_but_not_half() -> None:
    """Where paths part early, the honest difference is large."""
    kernels, processor, one_less, early, half = HAIR
    assert judge(same(processor), same(kernels), same(early)) is Answer.ACCEPTED
    assert judge(same(one_less), same(kernels), same(early)) is Answer.ACCEPTED
    assert judge(same(early), same(kernels), same(early)) is Answer.BETWEEN
    assert judge(same(half), same(kernels), same(early)) is Answer.REJECTED


def test_one_quantile_is_enough_to_reject() -> None:
    """A cheat on a quarter of a tile's pixels shows in the upper quantile alone."""
    worker = Differences((0.0, 0.0, 5e-2))
    assert judge(worker, same(1e-7), same(1e-2)) is Answer.REJECTED


def test_scattered_pixels_show_as_outliers() -> None:
    """A tenth of the pixels changes no quantile."""
    assert judge(same(0.0, 0.2), same(1e-7), same(1e-2)) is Answer.REJECTED
    assert judge(same(0.0, 0.05), same(1e-7), same(1e-2)) is Answer.BETWEEN
    assert judge(same(0.0, 0.01), same(1e-7), same(1e-2)) is Answer.ACCEPTED


def test_equal_bits_are_accepted_even_where_this_machine_has_no_rounding() -> None:
    """Nothing is divided by the honest difference."""
    assert judge(same(0.0), same(0.0), same(0.0)) is Answer.ACCEPTED


def test_few_grossly_wrong_pixels_are_rejected() -> None:
    """An object that was left out covers little of a tile; honest paths part in fewer pixels."""
    left_out = Differences((0.0, 0.0, 1e-7), 0.02, (0.02, 0.02))
    assert judge(left_out, same(1e-7), same(1e-2)) is Answer.REJECTED
    parted = Differences((0.0, 0.0, 1e-7), 0.02, (0.02, 0.02))
    honest = Differences((0.0, 0.0, 1e-7), 0.02, (0.015, 0.015))
    assert judge(parted, honest, same(1e-2)) is Answer.ACCEPTED


def grainy(grain: float, pixels: int = 4096) -> Differences:
    """As far apart as another kernel's, and so much grainier."""
    return Differences((0.1, 0.2, 0.3), 0.9, (0.7, 0.05), pixels, grain)


def test_half_the_samples_of_fur_are_grainier() -> None:
    """fault_340: measured; every other difference is what rounding makes of it."""
    honest, early = grainy(1.05), same(0.03)
    assert judge(grainy(1.58), honest, early) is Answer.REJECTED
    assert judge(grainy(1.28), grainy(1.02), early) is Answer.REJECTED
    assert judge(grainy(1.12), grainy(1.02), early) is Answer.BETWEEN
    for fine in (0.96, 1.05, 1.1):
        assert judge(grainy(fine), honest, early) is Answer.ACCEPTED


def bright(brightness: float, error: float = 0.0) -> Differences:
    """As far apart as another kernel's, and so much brighter."""
    return Differences((0.1, 0.2, 0.3), 0.9, (0.7, 0.05), brightness=brightness, brightness_error=error)


def test_fewer_bounces_of_fur_are_darker() -> None:
    """fault_348: 4 of 16 made two tiles 5 and 6 % darker; chance makes little of it with many samples."""
    honest, early = bright(0.996, 0.005), same(0.03)
    assert judge(bright(0.941), honest, early) is Answer.REJECTED
    assert judge(bright(1.05), honest, early) is Answer.REJECTED
    assert judge(bright(0.97), honest, early) is Answer.BETWEEN
    for little in (0.976, 0.995, 1.0, 1.015):
        assert judge(bright(little), honest, early) is Answer.ACCEPTED


def test_few_samples_of_fur_are_darker_by_chance() -> None:
    """With 16 samples, the other kernel's tile was 2.4 % brighter, which is one standard error."""
    honest, early = bright(1.0, 0.024), same(0.03)
    assert judge(bright(0.92), honest, early) is Answer.ACCEPTED
    assert judge(bright(0.87), honest, early) is Answer.BETWEEN
    assert judge(bright(0.85), honest, early) is Answer.REJECTED


def test_few_pixels_are_grainy_by_chance() -> None:
    """A tile at the edge of a picture may have 64."""
    assert judge(grainy(1.19, 64), grainy(1.0, 64), same(0.03)) is Answer.ACCEPTED


def test_single_pixels_of_a_small_tile_are_not_gross() -> None:
    """A tile at the edge may have 64 pixels, of which one is a large share."""
    small = Differences((0.0, 0.0, 0.0), 0.0, (1 / 64, 1 / 64), 64)
    assert judge(small, same(1e-7), same(1e-2)) is Answer.ACCEPTED
