"""`veriframe config`: shows every setting with its origin and meaning, and writes a file to start from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from veriframe.cli.context import current
from veriframe.cli.display import show
from veriframe.errors import SettingsError
from veriframe.logs import redact_text
from veriframe.settings import CONFIG_NAME, SECTIONS, shown, template

app = typer.Typer(help="The settings.", no_args_is_help=True)


@app.command("show")
def show_settings(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show every setting by section, its value and where the value came from."""
    loaded = current()
    if as_json:
        values = loaded.settings.model_dump(mode="json")
        settings = {name: {"value": value, "from": loaded.origins[name]} for name, value in values.items()}
        show.as_json({"settings": settings})
        return
    for section in SECTIONS:
        rows = [
            (
                name,
                redact_text(shown(field, getattr(loaded.settings, name))),
                loaded.origins[name],
                field.description or "",
            )
            for name, field in section.model_fields.items()
        ]
        if show.out.is_terminal:
            _draw(section.__name__, rows)
        else:
            show.table("", (section.__name__, "value", "from", "meaning"), rows)


def _draw(title: str, rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Draw a section for a person: a table of this width would cut addresses and paths off."""
    show.out.print(f"\n[bold]{title}[/bold]")
    for name, value, origin, meaning in rows:
        style = "dim" if origin == "default" else "yellow"
        show.wrapped((f"{name} = ", ""), (value, "bold"), (f"  ({origin})", style), indent=2)
        show.wrapped((meaning, "dim"), indent=6)


@app.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="The file to write.")] = Path(CONFIG_NAME),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a settings file with every setting, commented out, with its default and meaning."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        # It may come to hold an address with a key.
        with os.fdopen(os.open(file, flags, 0o600), "w", encoding="utf-8") as target:
            target.write(template())
    except FileExistsError:
        raise SettingsError(
            f"{file} already exists. Name another file, or replace it with --force."
        ) from None
    except OSError as error:
        from veriframe.causes import cause_of  # noqa: PLC0415 - it is slow to import, and seldom needed

        raise SettingsError(
            f"{file} cannot be written: {cause_of(error)}. Name a file in a folder that you can write."
        ) from error
    show.line(
        f"{show.clean(str(file))} has every setting, commented out. Edit it, then `veriframe config show`."
    )
