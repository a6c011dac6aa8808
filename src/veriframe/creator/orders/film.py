"""Which frames of a folder make a film, at which rate, and which are missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from veriframe.causes import cause_of
from veriframe.creator.orders.kept_frames import KeptFrames
from veriframe.errors import SettingsError
from veriframe.model.quantities import counted

DEFAULT_FRAMES_PER_SECOND = 24.0
_FRAME = re.compile(r"frame_([0-9]{4,7})\.(png|exr)")

FilmWriter = Callable[[Sequence[Path], Path, float, Callable[[int], None]], tuple[int, int]]
"""Writes files as a film of this many frames a second, telling how many are written; gives its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmPlan:
    """The files of a film in order, and the numbers of frames that are missing."""

    files: tuple[Path, ...]
    missing: tuple[int, ...]
    frames_per_second: float
    is_rate_known: bool


def plan_film(
    kept: KeptFrames, frames: Sequence[int] | None, *, hold: bool, unchecked: bool, rate: float | None
) -> FilmPlan:
    """The film of a folder: of these frames, or of all between the first and the last one there.

    `hold`: a missing frame shows the one before it, or the first one there; otherwise it is left out.
    `unchecked`: frames that nobody checked are taken, too. `rate` goes before the folder's own.

    Raises `SettingsError`: no frames, or some that are unchecked.
    """
    files = _files(kept)
    numbers = list(_range(sorted(files)) if frames is None else frames)
    there = [number for number in numbers if number in files]
    if not there:
        raise SettingsError(
            f"{kept.folder} has no frame for the film. Fetch some with: veriframe order fetch."
        )
    unknown = [number for number in there if kept.is_unchecked(files[number].name)]
    if unknown and not unchecked:
        raise SettingsError(
            f"In {kept.folder}, {counted(len(unknown), 'frame')} had no check, or changed since, as copies"
            " do; a film decodes all. Fetch the frames to this folder on a machine with a sandbox, or pass"
            " --no-check."
        )
    chosen, last = list[Path](), files[there[0]]
    for number in numbers:
        if number in files:
            last = files[number]
        elif not hold:
            continue
        chosen.append(last)
    known = rate or kept.frames_per_second
    return FilmPlan(
        files=tuple(chosen),
        missing=tuple(number for number in numbers if number not in files),
        frames_per_second=known or DEFAULT_FRAMES_PER_SECOND,
        is_rate_known=bool(known),
    )


def _files(kept: KeptFrames) -> dict[int, Path]:
    try:
        found = {
            int(match[1]): path
            for path in sorted(kept.folder.iterdir(), reverse=True)
            if (match := _FRAME.fullmatch(path.name)) and path.is_file()
        }
    except OSError as error:
        raise SettingsError(
            f"{kept.folder} cannot be read: {cause_of(error)}. Pass a folder of frames, or an order's number."
        ) from error
    return found


def _range(numbers: Sequence[int]) -> Sequence[int]:
    """All numbers between the first and the last, by the smallest step between two."""
    if len(numbers) < 2:
        return numbers
    step = min(after - before for before, after in pairwise(numbers))
    return sorted({*numbers, *range(numbers[0], numbers[-1] + 1, step)})
