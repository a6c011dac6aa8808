"""A settings file with every setting, commented out, with its default and meaning."""

from __future__ import annotations

import json
import textwrap

from pydantic.fields import FieldInfo

from veriframe.settings.forms import form_of
from veriframe.settings.values import SECTIONS

_HEAD = """\
## Settings of VeriFrame. Remove the “# ” before a line to set it; the value shown is the default, and ""
## stands for “not set”. Sizes are written as "8 GiB", spans as "5m" or "1d12h", money as "0.05 STRK".
## A flag (--set NAME=VALUE) and the environment (VERIFRAME_NAME) win over this file.
"""


def template() -> str:
    """The content of a new `veriframe.toml`. With all settings uncommented, it loads."""
    return _HEAD + "".join(
        f"\n\n## {section.__name__}: {_sentence(section.__doc__ or '')}\n"
        + "".join(_entry(name, field) for name, field in section.model_fields.items())
        for section in SECTIONS
    )


def _entry(name: str, field: FieldInfo) -> str:
    meaning = textwrap.fill(
        field.description or "", 100, initial_indent="## ", subsequent_indent="## ", break_on_hyphens=False
    )
    return f"\n{meaning}\n# {name} = {_value(field)}\n"


def _value(field: FieldInfo) -> str:
    form, value = form_of(field), field.default
    if value is None:
        return '""'
    if isinstance(value, tuple):
        return json.dumps(list(value), ensure_ascii=False)
    return json.dumps(form.show(value), ensure_ascii=False) if form.is_quoted else form.show(value)


def _sentence(text: str) -> str:
    return text[0].lower() + text[1:].rstrip(".")
