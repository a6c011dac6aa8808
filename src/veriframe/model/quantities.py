"""Spans, sizes and money as people read and write them: `59m16s`, `8 GiB`, `0.05 STRK`."""

from __future__ import annotations

import re

FRI_PER_STRK = 10**18

_STRK = re.compile(r"(?P<whole>[0-9]{1,20})(?:\.(?P<rest>[0-9]{1,18}))?(?: ?STRK)?")
_SPAN = re.compile(
    r"(?:(?P<d>[0-9]{1,9})d)?(?:(?P<h>[0-9]{1,9})h)?(?:(?P<m>[0-9]{1,9})m)?"
    r"(?:(?P<s>[0-9]{1,9}(?:\.[0-9]{1,6})?)s)?"
)
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_BRIEF_FRI = 10**12
"""The smallest amount that `brief_strk` shows: a millionth of a STRK."""


def format_span(seconds: float) -> str:
    """Format a span in seconds: `1d12h`, `59m16s`, `0.25s`.

    Whole seconds are exact, and read back by `parse_span`. Fractions are rounded: to two decimals below ten
    seconds, to one below a minute, to whole seconds above.
    """
    if seconds < 0:
        return f"-{format_span(-seconds)}"
    rounded = round(seconds, 2 if seconds < 10 else 1 if seconds < 60 else 0)
    if rounded < 60:
        return f"{rounded:g}s"
    days, rest = divmod(int(rounded), 86400)
    hours, rest = divmod(rest, 3600)
    parts = zip((days, hours, *divmod(rest, 60)), "dhms", strict=True)
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def parse_span(text: str) -> float:
    """Parse a span, such as `90s`, `10m`, `1d12h` or `0.25s`, into seconds; an `int` if they are whole.

    Raises `ValueError`, also for a number without a unit.
    """
    match = _SPAN.fullmatch(text)
    if not text or match is None:
        raise ValueError("not a time span")
    seconds = match["s"] or "0"
    units = ((match[unit] or "0", _SECONDS[unit]) for unit in "dhm")
    whole = sum(int(count) * unit for count, unit in units)
    return whole + (float(seconds) if "." in seconds else int(seconds))


def format_size(size_bytes: int) -> str:
    """Format a number of bytes in powers of 1024: `8 GiB`, `91.4 KiB`, `512 B`."""
    if size_bytes < 0:
        return f"-{format_size(-size_bytes)}"
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        # Compared as shown, so that nothing is “1024.0 KiB”.
        if round(value, 1) < 1024:
            return f"{round(value, 1):.10g} {unit}"
        value /= 1024
    return f"{round(value, 1):.10g} TiB"


def format_strk(amount_fri: int) -> str:
    """Format an amount in STRK exactly, without trailing zeros: `1.5 STRK`."""
    sign = "-" if amount_fri < 0 else ""
    whole, rest = divmod(abs(amount_fri), FRI_PER_STRK)
    digits = f"{rest:018d}".rstrip("0")
    return f"{sign}{whole}{'.' + digits if digits else ''} STRK"


def brief_strk(amount_fri: int) -> str:
    """Format an estimate in STRK, rounded to a millionth; `<0.000001 STRK` below half of one."""
    sign = "-" if amount_fri < 0 else ""
    millionths = (abs(amount_fri) + _BRIEF_FRI // 2) // _BRIEF_FRI
    if millionths == 0 and amount_fri:
        return f"{sign}<{format_strk(_BRIEF_FRI)}"
    return sign + format_strk(millionths * _BRIEF_FRI)


def rate_strk(amount_fri: int) -> str:
    """Format a rate that was extrapolated, in STRK: three digits, but a millionth at the finest."""
    unit = 10 ** max(0, len(str(abs(amount_fri))) - 3)
    return brief_strk((amount_fri + unit // 2) // unit * unit)


def parse_strk(text: str) -> int:
    """Parse an amount in STRK, such as `1.5` or `1.5 STRK`, into fri; exact. Raises `ValueError`."""
    match = _STRK.fullmatch(text)
    if match is None:
        raise ValueError("not an amount of STRK")
    # Digit by digit: a float is too short for them, and a Decimal rounds to the context's 28 digits.
    return int(match["whole"] + (match["rest"] or "").ljust(18, "0"))


def plural(number: int, noun: str) -> str:
    """The noun for this number: `frame` for 1, `frames` for any other."""
    return noun if number == 1 else f"{noun}s"


def counted(number: int, noun: str) -> str:
    """The number with its noun: `1 frame`, `0 frames`, `250 frames`."""
    return f"{number} {plural(number, noun)}"
