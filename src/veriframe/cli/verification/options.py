"""The options that commands share which verify results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from veriframe.errors import JobRejected, SettingsError
from veriframe.model.rendering.frames import parse_frames
from veriframe.model.verification.findings import Request

Tiles = Annotated[
    int | None,
    typer.Option("--tiles", min=1, max=10_000, help="Tiles of each frame. [default: its bundle's, or 4]"),
]
Frames = Annotated[
    str | None, typer.Option("--frames", metavar="LIST", help="Only these frames, as in 1-10,15.")
]
Every = Annotated[bool, typer.Option("--every", help="All frames, instead of drawn ones.")]
Thorough = Annotated[
    bool,
    typer.Option("--thorough", help="Also fetch whole proofs, denoise them again and compare all pixels."),
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="DIR", help="Write the report: verification.json and verification.html."
    ),
]
Publish = Annotated[bool, typer.Option("--publish", help="Add the report to the store, where it is public.")]


def how(asked: Request) -> str:
    """How results are verified, as one text, for notes: what was noted of another way is not used."""
    return f"tiles={asked.tiles} thorough={asked.thorough}"


def request(
    tiles: int | None = None, frames: str | None = None, *, every: bool = False, thorough: bool = False
) -> Request:
    """What was asked for. Raises `SettingsError`."""
    try:
        chosen = () if frames is None else parse_frames(frames)
    except JobRejected as error:
        raise SettingsError(f"--frames: {error}") from error
    if chosen and every:
        raise SettingsError("--frames and --every exclude each other: pass one of them.")
    return Request(tiles=tiles, frames=chosen, every=every, thorough=thorough)
