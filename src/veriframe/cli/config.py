"""`veriframe config show`: every setting, its value, where it came from and what it means."""

from __future__ import annotations

from typing import Annotated

import typer

from veriframe.cli.context import current
from veriframe.cli.display import show
from veriframe.logs import redact_text
from veriframe.settings import SECTIONS

app = typer.Typer(help="The settings.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The settings."""


@app.command("show")
def show_settings(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show every setting by section, its value and where the value came from."""
    loaded = current()
    values = loaded.settings.model_dump(mode="json")
    if as_json:
        show.as_json({name: {"value": value, "from": loaded.origins[name]} for name, value in values.items()})
        return
    for section in SECTIONS:
        rows = [
            (name, redact_text(str(values[name])), loaded.origins[name], field.description or "")
            for name, field in section.model_fields.items()
        ]
        show.table("", (section.__name__, "value", "from", "meaning"), rows)
