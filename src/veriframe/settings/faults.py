"""What is wrong with a setting, as one sentence in our words."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from veriframe.errors import SettingsError
from veriframe.model.text import printable
from veriframe.settings.forms import Form, form_of
from veriframe.settings.values import Settings

_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
_LIST = "`veriframe config show` lists all settings."
_PLACE = re.compile(r"\(at (line \d+, column \d+|end of document)\)")


def unknown(name: str, where: str, written: Callable[[str], str] = str) -> SettingsError:
    """The error for an unknown name; `written` makes the form of a name that this source uses."""
    near = nearest(name, Settings.model_fields)
    guess = f" Did you mean {written(near)}?" if near else ""
    return SettingsError(f"{where} is not known.{guess} {_LIST}")


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, or an empty text."""
    names, written = list(known), name.lower()
    longer = [one for one in names if len(written) > 2 and one.startswith(written)]
    if near := longer or difflib.get_close_matches(written, names, n=1):
        return near[0]
    # “memry” is nearer to the first word of memory_bytes than to the whole name.
    first_words = {one.partition("_")[0]: one for one in reversed(names)}
    words = difflib.get_close_matches(written, first_words, n=1, cutoff=0.8)
    return first_words[words[0]] if words else ""


def unusable(error: ValidationError, origins: Mapping[str, str]) -> SettingsError:
    """The error for a value that a setting does not take: the setting, its source, and what it must be."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    form = form_of(Settings.model_fields[name])
    return SettingsError(
        f"The setting {name} (from {origins.get(name, '?')}) cannot be {_given(first['input'])}:"
        f" it must be {demand(first, form)}."
    )


def unreadable(path: Path, error: Exception) -> SettingsError:
    """The error for a settings file that cannot be read."""
    if isinstance(error, tomllib.TOMLDecodeError):
        found = _PLACE.search(str(error))
        place = f" at its {found[1]}" if found and found[1].startswith("end") else ""
        place = f" at {found[1]}" if found and not place else place
        return SettingsError(
            f"The settings file {path} is not valid TOML{place}. Write lines such as slots = 2 or"
            ' memory_bytes = "8 GiB"; `veriframe config init` writes a file with all settings.'
        )
    from veriframe.causes import cause_of  # noqa: PLC0415 - it is slow to import, and seldom needed

    return SettingsError(
        f"The settings file {path} cannot be read: {cause_of(error)}. Pass another with --config, or write"
        " one with `veriframe config init`."
    )


def demand(fault: Mapping[str, Any], form: Form) -> str:
    """What a value must be, by one of pydantic's `errors()`, as part of a sentence."""
    if fault["type"] in _BOUNDS:
        words, key = _BOUNDS[fault["type"]]
        return f"{words} {form.show(fault['ctx'][key])}"
    return form.meaning


def _given(value: object) -> str:
    text = printable(str(value), 40)
    if not text.strip():
        return "empty"
    # A URL may hold a key.
    return "what it is" if "://" in text else f"“{text}”"
