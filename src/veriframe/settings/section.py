"""What the sections of the settings share: the types of values, and how they are checked."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    PlainSerializer,
)

from veriframe.model.attempt.work_hours import parse_work_hours
from veriframe.model.quantities import parse_span
from veriframe.model.registry.chain import format_chain_id, parse_chain_id
from veriframe.settings import forms


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _felt(value: object) -> object:
    if isinstance(value, str):
        return int(value, 16) if value.lower().startswith("0x") else int(value)
    return value


def _span(value: object) -> object:
    if isinstance(value, str):
        # A plain number is left to pydantic.
        with suppress(ValueError):
            return parse_span(value.replace(" ", ""))
    return value


def _strk(value: object) -> object:
    return value.strip().removesuffix("STRK").rstrip() if isinstance(value, str) else value


def _chain(value: object) -> object:
    return format_chain_id(parse_chain_id(value)) if isinstance(value, str) else value


def _hours(value: str) -> str:
    parse_work_hours(value)
    return value


Felt = Annotated[
    int,
    BeforeValidator(_felt),
    Field(ge=0, lt=2**252),
    PlainSerializer(hex, return_type=str, when_used="json"),
    forms.FELT,
]
Names = Annotated[tuple[str, ...], BeforeValidator(_split), forms.NAMES]
Addresses = Annotated[tuple[Felt, ...], BeforeValidator(_split), forms.ADDRESSES]
ChainId = Annotated[str, BeforeValidator(_chain), forms.CHAIN_ID]
AccountName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$"), forms.ACCOUNT]
Hours = Annotated[str, AfterValidator(_hours), forms.HOURS]
Share = Annotated[Decimal, Field(ge=0, le=1)]
Size = Annotated[ByteSize, forms.SIZE]
Span = Annotated[float, BeforeValidator(_span), forms.SPAN]
WholeSpan = Annotated[int, BeforeValidator(_span), forms.SPAN]
Strk = Annotated[Decimal, BeforeValidator(_strk), Field(ge=0, max_digits=50, decimal_places=18), forms.STRK]


class Section(BaseModel):
    """Some settings, validated. Plain numbers are bytes, seconds and STRK; `8 GiB` and `5m` work, too."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
