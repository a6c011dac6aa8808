"""Spans, sizes and money: one form each, exact where people type them back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.model.quantities import (
    brief_strk,
    counted,
    format_size,
    format_span,
    format_strk,
    parse_span,
    parse_strk,
    rate_strk,
)

KIB, MIB, GIB = 2**10, 2**20, 2**30


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (90, "1m30s"),
        (3556, "59m16s"),
        (86400, "1d"),
        (129_600, "1d12h"),
        (3601, "1h1s"),
        (0.25, "0.25s"),
        (1.2345, "1.23s"),
        (12.34, "12.3s"),
        (59.96, "1m"),
        (61.4, "1m1s"),
        (-5, "-5s"),
    ],
)
def test_spans_are_as_short_as_they_can_be(seconds: float, text: str) -> None:
    """Parts that are 0 are left out; fractions are only kept where they matter."""
    assert text == format_span(seconds)


@given(st.integers(0, 10**9 * 86400 - 1))
def test_whole_spans_survive_a_round_trip(seconds: int) -> None:
    """What is shown can be typed."""
    assert seconds == parse_span(format_span(seconds))


@given(st.floats(0, 10**6, allow_nan=False))
def test_other_spans_are_close(seconds: float) -> None:
    """To half a second, and to a hundredth below ten seconds."""
    found = parse_span(format_span(seconds))
    assert abs(found - seconds) <= (0.0051 if seconds < 9.99 else 0.51)


def test_a_whole_span_is_an_integer() -> None:
    """So that an option in whole seconds can refuse the others."""
    assert [type(parse_span(text)) for text in ("2m", "1.5s")] == [int, float]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (KIB, "1 KiB"),
        (91 * KIB + 410, "91.4 KiB"),
        (8 * GIB, "8 GiB"),
        (1024 * MIB - 1, "1 GiB"),
        (5 * 2**40, "5 TiB"),
        (10**4 * 2**40, "10000 TiB"),
        (-MIB, "-1 MiB"),
    ],
)
def test_sizes_are_in_powers_of_1024(count: int, text: str) -> None:
    """The measure of the settings, and the only one."""
    assert text == format_size(count)


@given(st.integers(0, 2**60))
def test_sizes_are_close(size_bytes: int) -> None:
    """To a twentieth of the unit that is shown."""
    number, unit = format_size(size_bytes).split()
    scale = {"B": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 2**40}[unit]
    assert abs(float(number) * scale - size_bytes) <= 0.051 * scale
    assert unit == "TiB" or float(number) < 1024


@given(st.integers(0, 10**38 - 1))
def test_money_survives_a_round_trip(amount_fri: int) -> None:
    """To the last fri."""
    assert amount_fri == parse_strk(format_strk(amount_fri))


@pytest.mark.parametrize(
    ("amount_fri", "text"),
    [
        (0, "0 STRK"),
        (5 * 10**16, "0.05 STRK"),
        (1, "<0.000001 STRK"),
        (2_788_123_412_341_234, "0.002788 STRK"),
        (-(10**18) - 1, "-1 STRK"),
    ],
)
def test_estimates_have_six_decimals(amount_fri: int, text: str) -> None:
    """Never 18 digits, and never 0 for something."""
    assert text == brief_strk(amount_fri)


@pytest.mark.parametrize(
    ("amount_fri", "shown"),
    [
        (51_568_664_123_456_789_012, "51.6 STRK"),
        (1_234_567 * 10**15, "1230 STRK"),
        (142_857_142_857_142_857, "0.143 STRK"),
        (1_234_567_890_123, "0.000001 STRK"),
        (7, "<0.000001 STRK"),
        (-51_568_664_123_456_789_012, "-51.6 STRK"),
        (0, "0 STRK"),
    ],
)
def test_a_rate_has_three_digits(amount_fri: int, shown: str) -> None:
    """But none beyond a millionth of a STRK: it is extrapolated."""
    assert rate_strk(amount_fri) == shown


@pytest.mark.parametrize(("number", "said"), [(0, "0 frames"), (1, "1 frame"), (2, "2 frames")])
def test_nouns_follow_their_number(number: int, said: str) -> None:
    """fault_232: never "1 frames"."""
    assert counted(number, "frame") == said
