"""`veriframe config show`: every setting, its value, where it came from and what it means."""

from __future__ import annotations

from typing import Annotated

import typer

from veriframe.cli.context import current
from veriframe.cli.display import show
from veriframe.logs import redact_text
from veriframe.settings import Settings

app = typer.Typer(help="The settings.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The settings."""


@app.command("show")
def show_settings(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show every setting, its value and where the value came from."""
    loaded = current()
    values = loaded.settings.model_dump(mode="json")
    if as_json:
        show.as_json({name: {"value": value, "from": loaded.origins[name]} for name, value in values.items()})
        return
    rows = [
        (name, redact_text(str(value)), loaded.origins[name], Settings.model_fields[name].description or "")
        for name, value in values.items()
    ]
    show.table("Settings", ("name", "value", "from", "meaning"), rows)
