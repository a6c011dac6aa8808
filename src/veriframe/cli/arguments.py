"""Parsers for amounts, time spans and addresses on the command line."""

from __future__ import annotations

import re
from contextlib import suppress

from veriframe.errors import SettingsError
from veriframe.model.quantities import parse_span, parse_strk
from veriframe.model.registry.job import Address

_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{1,64}")
_ADDRESS_END = 2**251 + 17 * 2**192 + 1


def strk(text: str) -> int:
    """An amount in STRK, such as `1.5` or `1.5 STRK`, as fri; exact. Raises `SettingsError`."""
    try:
        return parse_strk(text)
    except ValueError:
        raise SettingsError(
            f"“{text}” is not an amount of STRK. Write it as 1.5, with at most 18 decimals."
        ) from None


def span(text: str) -> int:
    """A time span, such as `90s`, `10m`, `2h`, `1d` or `1d12h`, in seconds. Raises `SettingsError`."""
    with suppress(ValueError):
        if isinstance(seconds := parse_span(text), int):
            return seconds
    raise SettingsError(f"“{text}” is not a time span in whole seconds. Write it as 90s, 10m, 2h or 1d12h.")


def address(text: str) -> Address:
    """An account's address, in hex. Raises `SettingsError`."""
    if _ADDRESS.fullmatch(text) is None:
        raise SettingsError(f"“{text}” is not an address. Write it in hex, as 0x….")
    if not 0 < (found := int(text, 16)) < _ADDRESS_END:
        why = "no account's address" if found else "nobody's address: leave it out if you mean nobody"
        raise SettingsError(f"“{text}” is {why}. `veriframe account show` shows that of an account.")
    return Address(found)
