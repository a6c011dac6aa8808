"""Amounts, spans and addresses on the command line: parsed exactly, or refused with one sentence."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from veriframe.cli import arguments
from veriframe.errors import SettingsError
from veriframe.model.quantities import format_span, format_strk
from veriframe.model.registry.job import Address, format_address
from veriframe.model.registry.ledger import AMOUNT_MAX_FRI

PARSERS: list[Callable[[str], int]] = [arguments.strk, arguments.span, arguments.address]
LIKE_ARGUMENTS = st.one_of(
    st.text(),
    st.text("0123456789abcdefxXdhms. -+_eENSTRK\n٣۳３٫,", max_size=80),
    st.from_regex(r"\A[0-9]{0,30}\.?[0-9]{0,30}( ?STRK)?\n?\Z"),
    st.from_regex(r"\A([0-9]{0,12}[dhms]?){0,6}\n?\Z"),
    st.from_regex(r"\A0[xX][0-9a-fA-F]{0,70}\n?\Z"),
)

NO_AMOUNTS = ". 1. .5 -1 +1 1e3 1,5 1_000 0x10 inf NaN 1.0000000000000000001 ٣ STRK"


@given(st.integers(0, 10**38 - 1))
@example(AMOUNT_MAX_FRI)
@example(1)
def test_amounts_survive_a_round_trip(amount_fri: int) -> None:
    """fault_8: with all digits of the registry's largest amount, and more; with and without the unit."""
    shown = format_strk(amount_fri)
    assert (amount_fri, amount_fri) == (arguments.strk(shown), arguments.strk(shown.removesuffix(" STRK")))


@given(st.decimals(0, 10**20 - 1, places=18, allow_nan=False))
def test_amounts_are_exact(amount: Decimal) -> None:
    """All typed digits count, without the rounding of a float."""
    text = f"{amount:f}"
    whole, _, rest = text.partition(".")
    assert arguments.strk(text) == int(whole) * 10**18 + int(rest)


@given(st.integers(0, 10**9 * 86400 - 1))
def test_spans_survive_a_round_trip(seconds: int) -> None:
    """`--lease` accepts the output of `format_span`."""
    assert seconds == arguments.span(format_span(seconds))


def test_the_address_of_nobody_is_told_as_such() -> None:
    """It is written as an address is: what helps is to leave it out."""
    for text, words in (("0x0", "leave it out"), (hex(2**251 + 17 * 2**192 + 1), "no account's")):
        with pytest.raises(SettingsError, match="account show") as refused:
            arguments.address(text)
        assert words in str(refused.value)
        assert "in hex" not in str(refused.value)


@given(st.integers(1, 2**251 + 17 * 2**192))
def test_addresses_survive_a_round_trip(number: int) -> None:
    """In lower case, in upper case, and padded to 64 digits, as in block explorers."""
    address = Address(number)
    shown = format_address(address)
    assert [address] * 3 == [arguments.address(text) for text in (shown, shown.upper(), f"0x{number:064x}")]


@pytest.mark.parametrize("parse", PARSERS)
@given(text=LIKE_ARGUMENTS)
def test_any_text_is_parsed_or_refused_with_a_settings_error(parse: Callable[[str], int], text: str) -> None:
    """fault_78: never another exception, and never a negative number."""
    try:
        value = parse(text)
    except SettingsError as error:
        assert "Write it " in str(error) or "account show" in str(error)  # noqa: PT017 - both outcomes are right; an error must say this
    else:
        assert value >= 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400), ("1d12h", 129600), ("1d1s", 86401), ("0s", 0)],
)
def test_spans_as_people_write_them(text: str, seconds: int) -> None:
    """Days, hours, minutes, seconds, in this order, none of them twice."""
    assert seconds == arguments.span(text)


@pytest.mark.parametrize("text", ["", "90", "s", "1s1m", "1m1m", "1.5h", "-1h", " 1h", "1h\n", "1H", "٣h"])
def test_invalid_spans_are_quoted_in_the_error(text: str) -> None:
    """A number without a unit is refused, too, because its meaning is unclear."""
    with pytest.raises(SettingsError) as raised:
        arguments.span(text)
    assert str(raised.value).startswith(f"“{text}” ")


@pytest.mark.parametrize("text", ["", "1\n", " 1", "1 strk", "1  STRK", *NO_AMOUNTS.split()])
def test_invalid_amounts_are_refused(text: str) -> None:
    """No exponents, no commas, no fractions of a fri."""
    with pytest.raises(SettingsError):
        arguments.strk(text)


@pytest.mark.parametrize("number", [0, 2**251 + 17 * 2**192 + 1, 2**256 - 1])
def test_zero_and_numbers_beyond_the_field_are_not_addresses(number: int) -> None:
    """0 means nobody, so it must not be accepted by accident."""
    with pytest.raises(SettingsError):
        arguments.address(f"{number:#x}")
