"""JSON by others: read so that its faults cost no more than its values.

pydantic builds an error for each unknown key, and for each bad item of a list, before anyone may look at the
first. So keys are counted here, before validation, and the models' lists end with their first bad item
(`FailFast`).
"""

from __future__ import annotations

import json
from typing import Never

from pydantic import ValidationError

MOST_KEYS = 100
"""The most keys of an object."""


def read_json(content: bytes) -> object:
    """Parse JSON. Objects have at most `MOST_KEYS` keys, each once; numbers are finite.

    Raises `ValueError`, `RecursionError`.
    """
    return json.loads(content, object_pairs_hook=_object, parse_constant=_no_number)


def first_fault(error: ValidationError) -> str:
    """The place and the reason of the first fault; a fault of the whole has no place."""
    fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    return f"{place}: {fault['msg']}" if place else fault["msg"]


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(pairs) > MOST_KEYS:
        raise ValueError(f"an object has more than {MOST_KEYS} keys")
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _no_number(name: str) -> Never:
    raise ValueError(f"{name} is no number")
