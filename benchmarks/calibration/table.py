"""The tables of docs/verification.md, from the figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.calibration.cases import PLACES, PLAN
from benchmarks.calibration.figures import Figure

from veriframe.model.verification.rule import ROUNDING

PAGE = Path(__file__).parents[2] / "docs" / "verification.md"
BEGIN, END = "<!-- calibration: begin -->", "<!-- calibration: end -->"

SUBSETS = ("255/256", "63/64", "15/16", "1/2")
"""The cheats that stop the sequence early, from the least on."""

MARKS = {"accepted": "accepted", "rejected": "rejected", "between": "between"}


def tables(found: Sequence[Figure]) -> str:
    """The tables and what they count, as Markdown."""
    honest = [one for one in found if one.is_honest]
    cheats = [one for one in found if not one.is_honest]
    counts = f"Honest pairs: {_count(honest)}. Cheats: {_count(cheats)}."
    crops = f"Each is a crop of {_sizes(found)} pixels of one of the scenes in examples/."
    return "\n".join(
        [
            f"{counts} {crops}",
            "",
            "The least early stop that is rejected, by samples a pixel:",
            "",
            *_least(cheats),
            "",
            *_honest([one for one in honest if one.way == "another processor"]),
        ]
    )


def _count(found: Sequence[Figure]) -> str:
    return ", ".join(f"{sum(one.answer == answer for one in found)} {mark}" for answer, mark in MARKS.items())


def _sizes(found: Iterable[Figure]) -> str:
    sides = sorted({round(one.pixels**0.5) for one in found})
    return " or ".join(f"{side}×{side}" for side in sides)


def _least(cheats: Sequence[Figure]) -> list[str]:
    there = {(one.samples, one.adaptive) for one in cheats}
    plan = [one for one in PLAN if one in there]
    heads = [f"{samples}{', adaptive' if adaptive else ''}" for samples, adaptive in plan]
    rows = []
    for scene in PLACES:
        cells = [
            _least_of([one for one in cheats if (one.scene, one.samples, one.adaptive) == (scene, *column)])
            for column in plan
        ]
        rows.append(f"| {scene} | {' | '.join(cells)} |")
    return [f"| scene | {' | '.join(heads)} |", "| --- |" + " --- |" * len(heads), *rows]


def _least_of(found: Sequence[Figure]) -> str:
    """The largest part of the sequence that is rejected in every crop; what it differs by in the median."""
    if not found:
        return ""
    for subset in SUBSETS:
        these = [one for one in found if one.way == f"{subset} of the sequence"]
        if these and all(one.answer == "rejected" for one in these):
            return subset
    return "none"


def _honest(others: Sequence[Figure]) -> list[str]:
    """What another processor makes, against what the verifier's own kernels allow."""
    rows = [f"| {' | '.join(_cells(one))} |" for one in others]
    return [
        "Another processor's rounding (QEMU's Haswell, on an AMD EPYC): medians of the relative differences,",
        "and the worst quantile of A−W as a multiple of that of A−S plus 10⁻⁶.",
        "",
        "| scene | samples | equal pixels | A−S | A−W | worst | A−E | the rule says |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *rows,
    ]


def _cells(one: Figure) -> Sequence[str]:
    pairs = zip(one.quantiles, one.honest, strict=True)
    worst = max(found / (rounding + ROUNDING) for found, rounding in pairs)
    medians = (one.honest[1], one.quantiles[1])
    return (
        one.scene,
        f"{one.samples}{', adaptive' if one.adaptive else ''}",
        f"{one.exact:.0%}",
        *(f"{median:.1e}" for median in medians),
        f"{worst:.2f}",
        f"{one.early[1]:.1e}",
        one.answer,
    )


def with_tables(page: str, found: Sequence[Figure]) -> str:
    """The page with what is between the marks replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables(found)}\n{END}{after}"


def write(found: Sequence[Figure]) -> None:
    """Put the tables into the page."""
    PAGE.write_text(with_tables(PAGE.read_text("utf-8"), found), "utf-8")
