"""The forms of settings' values: how each is written by an operator, and shown to one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from veriframe.model.quantities import format_span, parse_span

NOT_SET = "not set"


@dataclass(frozen=True, slots=True)
class Form:
    """What a value must be, as part of a sentence; how it is shown; whether TOML wants quotes around it."""

    meaning: str
    show: Callable[[Any], str] = str
    is_quoted: bool = True


def _span(seconds: float) -> str:
    text = format_span(seconds)
    # Rounded to what a person needs, which for a setting must be all of it.
    return text if parse_span(text) == seconds else f"{seconds:.15g}s"


def _size(size_bytes: int) -> str:
    for unit, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if size_bytes and size_bytes % unit == 0:
            return f"{size_bytes // unit} {name}"
    return f"{size_bytes} B"


def _number(value: float | Decimal) -> str:
    text = f"{Decimal(str(value)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _joined(values: Sequence[object], show: Callable[[Any], str] = str) -> str:
    return ", ".join(map(show, values)) or "none"


SPAN = Form("a time span, such as 90s, 5m or 1d12h, or a number of seconds", _span)
SIZE = Form("a size, such as 8 GiB, or a number of bytes", _size)
STRK = Form(
    "an amount, such as 0.05 STRK, with at most 18 decimals", lambda amount: f"{_number(amount)} STRK"
)
FELT = Form("a number in hex, as 0x…", hex)
CHAIN_ID = Form("a chain's id, such as SN_MAIN, or in hex, as 0x…")
NAMES = Form("texts, with commas between them", _joined)
ADDRESSES = Form(
    "addresses in hex, as 0x…, with commas between them", lambda addresses: _joined(addresses, hex)
)
ACCOUNT = Form("a name of at most 31 small letters, digits and “-”, with a letter first")
HOURS = Form("hours of the day, such as 22:00-07:00, several with commas between them")
_NUMBER = Form("a number", _number, is_quoted=False)
_BY_TYPE: dict[object, Form] = {
    bool: Form("true or false", lambda value: str(value).lower(), is_quoted=False),
    int: Form("a whole number", is_quoted=False),
    float: _NUMBER,
    Decimal: _NUMBER,
    Path: Form("a path"),
    str: Form("a text"),
}


def form_of(field: FieldInfo) -> Form:
    """The form of a setting's value: the one in its type's annotations, else the one of its plain type."""
    for found in _annotations(field):
        if isinstance(found, Form):
            return found
    if get_origin(field.annotation) is Literal:
        return Form(f"one of {', '.join(get_args(field.annotation))}")
    plain = [kind for kind in (field.annotation, *get_args(field.annotation)) if kind in _BY_TYPE]
    return _BY_TYPE[plain[0]]


def shown(field: FieldInfo, value: object) -> str:
    """A value of a setting, as an operator would write it; `not set` for None."""
    return NOT_SET if value is None else form_of(field).show(value)


def _annotations(field: FieldInfo) -> Iterator[object]:
    yield from field.metadata
    for kind in get_args(field.annotation):
        if get_origin(kind) is Annotated:
            yield from kind.__metadata__
