"""Parsers for amounts, time spans and addresses on the command line."""

from __future__ import annotations

import re

from veriframe.errors import SettingsError
from veriframe.model.registry.job import Address

_STRK = re.compile(r"(?P<whole>[0-9]{1,20})(?:\.(?P<rest>[0-9]{1,18}))?(?: ?STRK)?")
_SPAN = re.compile(
    r"(?:(?P<d>[0-9]{1,9})d)?(?:(?P<h>[0-9]{1,9})h)?(?:(?P<m>[0-9]{1,9})m)?(?:(?P<s>[0-9]{1,9})s)?"
)
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{1,64}")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_ADDRESS_END = 2**251 + 17 * 2**192 + 1


def strk(text: str) -> int:
    """An amount in STRK, such as `1.5` or `1.5 STRK`, as fri; exact. Raises `SettingsError`."""
    match = _STRK.fullmatch(text)
    if match is None:
        raise SettingsError(f"“{text}” is not an amount of STRK. Write it as 1.5, with at most 18 decimals.")
    # Digit by digit: a float is too short for them, and a Decimal rounds to the context's 28 digits.
    return int(match["whole"] + (match["rest"] or "").ljust(18, "0"))


def span(text: str) -> int:
    """A time span, such as `90s`, `10m`, `2h`, `1d` or `1d12h`, in seconds. Raises `SettingsError`."""
    match = _SPAN.fullmatch(text)
    if not text or match is None:
        raise SettingsError(f"“{text}” is not a time span. Write it as 90s, 10m, 2h, 1d or 1d12h.")
    return sum(int(count) * _SECONDS[unit] for unit, count in match.groupdict("0").items())


def address(text: str) -> Address:
    """An account's address, in hex. Raises `SettingsError`."""
    if _ADDRESS.fullmatch(text) is None or not 0 < int(text, 16) < _ADDRESS_END:
        raise SettingsError(f"“{text}” is not an address. Write it in hex, as 0x….")
    return Address(int(text, 16))
