"""The options and arguments that commands about orders share."""

from __future__ import annotations

from typing import Annotated

import typer

from veriframe.cli.job import options
from veriframe.errors import JobRejected, SettingsError
from veriframe.model.rendering.frames import parse_frames

Number = Annotated[
    int, typer.Argument(metavar="ORDER", min=1, max=options.LARGEST, help="The order's number.")
]
AsJson = options.AsJson
Yes = options.Yes


def frame_list(text: str) -> tuple[int, ...]:
    """A list of frames such as `1-10,15,20-40x2`. Raises `SettingsError`."""
    try:
        return parse_frames(text)
    except JobRejected as error:
        raise SettingsError(str(error)) from error


def only(name: str, meaning: str) -> object:
    """An option for a list of numbers, which is parsed by `frame_list`."""
    return typer.Option(name, metavar="NUMBERS", help=meaning)
