"""A contract's ABI, parsed from its class as a node returns it: functions by name, structs, enums, events.

The ABI is untrusted input: unknown entries are left out, and its size is limited.
Source of the format: the Cairo book, "Contract Class ABI". Cairo 0 wrote `felt` and `Uint256`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from veriframe.errors import RegistryUnavailable

ABI_MAX_CHARACTERS = 2_000_000
ITEMS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Field:
    """A named value: a function's parameter, a struct's member, an enum's variant."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function of a contract: inputs by name and type, outputs by type."""

    name: str
    inputs: tuple[Field, ...]
    outputs: tuple[str, ...]
    is_view: bool = True


@dataclass(frozen=True, slots=True)
class EventShape:
    """An event's members: those among its keys, after the event's name, and those among its data."""

    keys: tuple[Field, ...]
    data: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Abi:
    """A class's functions, structs, enums and events. Types are spelt as `spelling` returns them."""

    functions: Mapping[str, Function]
    structs: Mapping[str, tuple[Field, ...]]
    enums: Mapping[str, tuple[Field, ...]]
    events: Mapping[str, EventShape] = field(default_factory=dict)


def read_abi(answer: object) -> Abi:
    """Parses the field `abi` of `starknet_getClassAt`: a list, or a list as JSON text.

    Raises `RegistryUnavailable` if it is neither.
    """
    functions: dict[str, Function] = {}
    structs: dict[str, tuple[Field, ...]] = {}
    enums: dict[str, tuple[Field, ...]] = {}
    items = list(_items(_entries(answer)))
    for item in items:
        name = item.get("name")
        if not isinstance(name, str):
            continue
        match item.get("type"):
            case "function":
                functions.setdefault(name, _function(name, item))
            case "struct":
                structs[spelling(name)] = _fields(item.get("members"))
            case "enum":
                enums[spelling(name)] = _fields(item.get("variants"))
    return Abi(functions, structs, enums, _events(items))


def spelling(type_name: str) -> str:
    """A type without modules and snapshots: `core::array::Span::<core::felt252>` becomes `Span<felt252>`."""
    words: list[str] = []
    word = ""
    for character in type_name.replace("::<", "<").replace("@", "").replace(" ", ""):
        if character in "<>(),;[]":
            words += [word.rpartition("::")[2], character]
            word = ""
        else:
            word += character
    words.append(word.rpartition("::")[2])
    return _CAIRO_0.get("".join(words), "".join(words))


_CAIRO_0 = {"felt": "felt252", "Uint256": "u256"}


def _entries(answer: object) -> list[object]:
    if isinstance(answer, str):
        if len(answer) > ABI_MAX_CHARACTERS:
            raise RegistryUnavailable(f"The contract's ABI is longer than {ABI_MAX_CHARACTERS} characters.")
        try:
            answer = json.loads(answer)
        except (ValueError, RecursionError):
            answer = None
    if not isinstance(answer, list):
        raise RegistryUnavailable("The node returns no ABI of the contract. Use another node or address.")
    return answer


def _items(entries: list[object]) -> Iterator[Mapping[str, object]]:
    for entry in entries[:ITEMS_MAX]:
        if not isinstance(entry, dict):
            continue
        yield entry
        inner = entry.get("items")
        if entry.get("type") == "interface" and isinstance(inner, list):
            yield from (item for item in inner[:ITEMS_MAX] if isinstance(item, dict))


def _function(name: str, item: Mapping[str, object]) -> Function:
    outputs = item.get("outputs")
    types = [
        spelling(output["type"])
        for output in (outputs if isinstance(outputs, list) else [])
        if isinstance(output, dict) and isinstance(output.get("type"), str)
    ]
    is_view = item.get("state_mutability", item.get("stateMutability")) == "view"
    return Function(name, _fields(item.get("inputs")), tuple(types), is_view)


def _events(items: list[Mapping[str, object]]) -> dict[str, EventShape]:
    """The events by the names that their first key names: those of an enum's variants, or of Cairo 0."""
    shapes: dict[str, EventShape] = {}
    events: dict[str, EventShape] = {}
    variants: list[Mapping[str, object]] = []
    for item in items:
        name = item.get("name")
        if item.get("type") != "event" or not isinstance(name, str):
            continue
        match item.get("kind"):
            case "struct":
                shapes[name] = _shape(item.get("members"))
            case "enum":
                variants += _entries_in(item.get("variants"))
            case None:
                events[name] = EventShape(_fields(item.get("keys")), _fields(item.get("data")))
    for variant in variants:
        name, shape = variant.get("name"), shapes.get(str(variant.get("type")))
        if isinstance(name, str) and shape is not None and variant.get("kind") == "nested":
            events[name] = shape
    return events


def _shape(members: object) -> EventShape:
    entries = _entries_in(members)
    keys, data = ([one for one in entries if one.get("kind") == kind] for kind in ("key", "data"))
    return EventShape(_fields(keys), _fields(data))


def _entries_in(answer: object) -> list[Mapping[str, object]]:
    return [entry for entry in answer if isinstance(entry, dict)] if isinstance(answer, list) else []


def _fields(answer: object) -> tuple[Field, ...]:
    """The fields. One that cannot be read has the type "", which no codec supports."""
    return tuple(_field(entry) for entry in answer) if isinstance(answer, list) else ()


def _field(entry: object) -> Field:
    known = entry if isinstance(entry, dict) else {}
    name, type_name = known.get("name"), known.get("type")
    return Field(
        name if isinstance(name, str) else "", spelling(type_name) if isinstance(type_name, str) else ""
    )
