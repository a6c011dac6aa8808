"""Says in our words why a value on the command line cannot be used; typer passes on pydantic's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from veriframe.errors import SettingsError


@contextmanager
def in_our_words() -> Iterator[None]:
    """Raise `SettingsError` in place of an error of typer whose text is pydantic's."""
    try:
        yield
    except typer.BadParameter as error:
        # Only pydantic's `ValidationError` has them. It is not imported before it was raised.
        faults = getattr(error.__cause__, "errors", None)
        if faults is None:
            raise
        raise SettingsError(_sentence(error.param, faults()[0])) from None


def _sentence(param: Any, fault: Any) -> str:  # noqa: ANN401
    from veriframe.settings.faults import demand  # noqa: PLC0415 - takes longer than a light command
    from veriframe.settings.forms import Form  # noqa: PLC0415

    name = param.opts[0] if param.opts[0].startswith("-") else (param.metavar or param.name).rstrip("…")
    given = str(fault["input"])
    if fault["type"] == "value_error":
        # A choice: typer's own sentence, which names all of them.
        choices = str(fault["ctx"]["error"]).partition(" is not one of ")[2].replace("'", "").rstrip(".")
        return f"{name} cannot be “{given}”: it must be one of {choices}."
    return f"{name} cannot be “{given}”: it must be {demand(fault, Form('a whole number'))}."
