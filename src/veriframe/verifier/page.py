"""One HTML page that shows people what a verification found: no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from veriframe.model.quantities import format_size, format_span
from veriframe.model.text import printable
from veriframe.model.verification import words
from veriframe.model.verification.findings import (
    Conclusion,
    FrameFinding,
    JobFinding,
    Subject,
    TileFinding,
    worst,
)
from veriframe.model.verification.rule import STOP_EARLY
from veriframe.verifier import heat_map
from veriframe.verifier.samples import Samples
from veriframe.verifier.tile_map import Grid, Mark, grid_of, marks_of
from veriframe.verifier.values import TilePicture
from veriframe.verifier.verifier import Verified

MOST_MAPS, MOST_PARTS = 64, 24
"""As many frames and parts of a job are drawn, the worst first: a part takes up to half a megabyte."""

SIGNS = {
    Conclusion.EXACT: "=",
    Conclusion.EQUAL: "≈",
    Conclusion.UNDECIDED: "?",
    Conclusion.WITHHELD: "–",
    Conclusion.WRONG: "×",
}
"""Beside the colours, which not everybody tells apart."""

SORTED_CHANNELS = (3, 2, 1)
"""Red, green and blue of a picture with named layers, whose channels are sorted: A, B, G, R."""

KINDS = {False: "of the pixel’s own light", True: "of the brightest value"}
"""What a difference is a share of: of light, and of the values of a display."""

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_WORST_FIRST = {conclusion: -place for place, conclusion in enumerate(Conclusion)}

_ROWS_MEAN = (
    "A quarter, half and three quarters of the pixels differ by less. Honest rounding is what two kernels of "
    "this machine do to this part. The worker’s part is accepted where it differs about as little, and "
    "rejected where it is far beyond that and no longer small beside what leaving out samples does. "
    "“Far off” is the share of pixels that differ by more than half of them do when samples are left out, or "
    "where that shows nothing, by far more than rounding makes them. "
    "“Grain” is how grainy a part is beside the one rendered here: 1 is as grainy, 1.3 is grainier by three "
    "tenths, as a part is that got fewer samples. “Brightness” is how bright it is beside that one: a part "
    "whose light was left out is darker."
)


@dataclass(frozen=True, slots=True)
class _Map:
    frame: FrameFinding
    grid: Grid | None
    marks: Sequence[Mark]
    photo: str


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _PartShown:
    frame: int
    name: str
    subject: Subject
    conclusion: Conclusion
    reason: str
    is_whole: bool
    ours: str
    theirs: str
    difference: str
    kind: str
    is_black: bool
    is_display: bool
    rows: tuple[_Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSection:
    """What the page says of a job. Its pictures are drawn: it takes far less memory than what they show."""

    finding: JobFinding
    meaning: str
    work: str
    same_class: bool
    odds: tuple[words.Odds, ...]
    maps: Sequence[_Map]
    more_maps: int
    legend: Sequence[Conclusion]
    parts: Sequence[_PartShown]
    kinds: Sequence[str]
    colours: tuple[tuple[str, tuple[str, ...]], ...]
    more_parts: int
    rows_mean: str


def write_page(sections: Sequence[JobSection]) -> str:
    """The page of these jobs."""
    environment = Environment(
        loader=PackageLoader("veriframe.verifier"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": _plain,
        "percent": words.percent,
        "size": format_size,
        "span": format_span,
    }
    findings = [one.finding for one in sections]
    style = resources.files("veriframe.verifier").joinpath("templates/report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(
        # The policy allows this style and no other.
        style=Markup(style),  # noqa: S704
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        verdict=words.verdict(findings),
        conclusion=worst(finding.conclusion for finding in findings),
        signs=SIGNS,
        early=f"{STOP_EARLY[1] - STOP_EARLY[0]} of {STOP_EARLY[1]} samples left out",
        summaries=[words.summary(finding) for finding in findings],
        named=words.NAMED if any(finding.are_named for finding in findings) else "",
        jobs=sections,
    )


def section_of(one: Verified) -> JobSection:
    """What the page says of a job. Draws its pictures, which takes up to seconds."""
    finding, grid = one.finding, None if one.size is None else grid_of(one.size)
    frames = sorted(finding.frames, key=lambda frame: _WORST_FIRST[frame.conclusion])
    shown = sorted(frames[:MOST_MAPS], key=lambda frame: frame.number)
    parts = sorted(one.pictures, key=lambda picture: _WORST_FIRST[picture.conclusion])
    drawn = [_part(picture, finding.frames) for picture in parts[:MOST_PARTS]]
    kinds = sorted({part.is_display for part in drawn if not part.is_black})
    told = {frame.conclusion for frame in shown} | {
        tile.conclusion for frame in shown for tile in frame.tiles
    }
    return JobSection(
        finding=finding,
        meaning=words.MEANING[finding.conclusion],
        work=words.work(finding),
        same_class=bool(finding.worker_class) and finding.worker_class == finding.machine_class,
        odds=words.odds_of(finding),
        maps=[_map(frame, grid, one.overviews.get(frame.number)) for frame in shown],
        more_maps=len(frames) - len(shown),
        legend=[conclusion for conclusion in Conclusion if conclusion in told],
        parts=drawn,
        kinds=[KINDS[kind] for kind in kinds],
        colours=heat_map.legend(kinds),
        more_parts=max(0, len(parts) - MOST_PARTS),
        rows_mean=_ROWS_MEAN if any(tile.worker for frame in frames for tile in frame.tiles) else "",
    )


def _map(frame: FrameFinding, grid: Grid | None, photo: bytes | None) -> _Map:
    marks = marks_of(frame, grid) if grid else ()
    return _Map(frame, grid, marks, _uri("image/jpeg", photo) if photo else "")


def _part(picture: TilePicture, frames: Sequence[FrameFinding]) -> _PartShown:
    part, ours, theirs = picture.part, picture.ours, picture.theirs
    found = _finding_of(picture, frames)
    is_display = part.subject is Subject.DELIVERED and max(map(_brightest, (ours, theirs))) <= 1
    is_layered = part.subject is Subject.NOISY or ours.shape[2] > 4
    drawn = heat_map.draw(
        ours, theirs, is_display=is_display, colour=SORTED_CHANNELS if is_layered else (0, 1, 2)
    )
    return _PartShown(
        frame=picture.frame,
        name="the whole picture" if part.is_whole else f"tile {part.tile}",
        subject=part.subject,
        conclusion=picture.conclusion,
        reason=found.reason if found else "",
        is_whole=part.is_whole,
        ours=_uri("image/png", drawn.ours),
        theirs=_uri("image/png", drawn.theirs),
        difference=_uri("image/png", drawn.difference),
        kind=KINDS[drawn.is_display],
        is_black=drawn.is_black,
        is_display=drawn.is_display,
        rows=_rows(found) if found else (),
    )


def _brightest(samples: Samples) -> float:
    return float(np.nan_to_num(samples, posinf=np.inf).max())


def _finding_of(picture: TilePicture, frames: Sequence[FrameFinding]) -> TileFinding | None:
    """What was found of the part that a picture shows."""
    return next(
        (
            tile
            for frame in frames
            if frame.number == picture.frame
            for tile in frame.tiles
            if (tile.tile, tile.subject) == (picture.part.tile, picture.part.subject)
        ),
        None,
    )


def _rows(found: TileFinding) -> tuple[_Row, ...]:
    if found.worker is None or found.honest is None or found.early is None:
        return ()
    judged = (found.worker, found.honest, found.early)
    quantiles = [
        _Row(name, tuple(_number(one.quantiles[place]) for one in judged))
        for place, name in enumerate(("a quarter below", "median", "three quarters below"))
    ]
    far_off = _Row("far off", tuple(f"{100 * one.outliers:.3g} %" for one in judged))
    grain = _Row("grain", tuple(f"{one.grain:.3g}" for one in judged))
    return (*quantiles, far_off, grain, _Row("brightness", tuple(f"{one.brightness:.4g}" for one in judged)))


def _number(value: float) -> str:
    """Two digits: `0.012`, or `3.0·10⁻⁷` where zeros would have to be counted."""
    if value == 0 or value >= 1e-3:
        return f"{value:.2g}"
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}·10{str(int(exponent)).translate(_RAISED)}"


def _plain(text: str) -> str:
    return printable(text, 2000)


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
