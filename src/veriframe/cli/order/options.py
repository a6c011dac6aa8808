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


def job_numbers(text: str) -> tuple[int, ...]:
    """A list of jobs, written like one of frames. Raises `SettingsError`."""
    return frame_list(text)


def only_frames(meaning: str) -> object:
    """An option for frames."""
    return typer.Option("--frames", metavar="FRAMES", parser=frame_list, help=meaning)


def only_jobs(meaning: str) -> object:
    """An option for jobs."""
    return typer.Option("--jobs", metavar="JOBS", parser=job_numbers, help=meaning)
