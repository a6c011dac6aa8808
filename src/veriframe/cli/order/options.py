"""The options and arguments that commands about orders share."""

from __future__ import annotations

from typing import Annotated

import typer

from veriframe.cli.job import options

Number = Annotated[
    int, typer.Argument(metavar="ORDER", min=1, max=options.LARGEST, help="The order's number.")
]
AsJson = options.AsJson
Yes = options.Yes


def only(name: str, meaning: str) -> object:
    """An option for a list of numbers, which is parsed by `frames_option`."""
    return typer.Option(name, metavar="NUMBERS", help=meaning)
