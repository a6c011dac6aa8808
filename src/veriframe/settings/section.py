"""What the sections of the settings share: the types of values, and how they are checked."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from veriframe.model.registry.chain import format_chain_id, parse_chain_id


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _felt(value: object) -> object:
    if isinstance(value, str):
        return int(value, 16) if value.lower().startswith("0x") else int(value)
    return value


def _chain(value: object) -> object:
    return format_chain_id(parse_chain_id(value)) if isinstance(value, str) else value


Felt = Annotated[int, BeforeValidator(_felt), Field(ge=0, lt=2**252)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Addresses = Annotated[tuple[Felt, ...], BeforeValidator(_split)]
ChainId = Annotated[str, BeforeValidator(_chain)]
Share = Annotated[Decimal, Field(ge=0, le=1)]
Strk = Annotated[Decimal, Field(ge=0, max_digits=50, decimal_places=18)]


class Section(BaseModel):
    """Some settings, validated. Sizes are in bytes (`8GiB` works), spans in seconds, money in STRK."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
