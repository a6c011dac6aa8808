"""The figures of both revisions beside each other, with their ratio and their target."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

Samples = Mapping[str, Mapping[str, Sequence[float]]]
"""For each figure and for each revision (`old`, `new`), what its rounds measured."""


@dataclass(frozen=True)
class Target:
    """What is wanted, in words and as a test of the new figure, or of its ratio to the old one."""

    words: str
    accepts: Callable[[float], bool]
    of_ratio: bool = False


@dataclass(frozen=True)
class Figure:
    """What one number means. `--only` chooses it by its letter."""

    letter: str
    meaning: str
    unit: str
    target: Target | None = None


def at_most(bound: float) -> Target:
    """A target for the ratio of new to old."""
    return Target(f"ratio ≤ {bound:g}", lambda value: value <= bound, of_ratio=True)


BUSY = Target("≥ 97 %", lambda percent: percent >= 97)
IDLE = Target("< 0.5 %", lambda percent: percent < 0.5)
FEW = Target("≤ 5", lambda number: number <= 5)
SOON = Target("< 1 s", lambda seconds: seconds < 1)


FIGURES: Mapping[str, Figure] = {
    "claim": Figure("a", "posted → claimed, after idling; embedded", "s", at_most(0.5)),
    "claim_chain": Figure("a", "posted → claimed, after idling; devnet and Kubo", "s", at_most(0.5)),
    "sample": Figure("b", "claimed → first sample; embedded", "s", at_most(0.5)),
    "sample_chain": Figure("b", "claimed → first sample; devnet and Kubo", "s", at_most(0.5)),
    "jobs": Figure("c", "small jobs, worker's start → last submitted", "s", at_most(0.7)),
    "delayed_jobs": Figure("d", "the same, each fetch 2 s later", "s", at_most(0.4)),
    "rendering": Figure("e", "share of the time in which a frame is rendered", "%", BUSY),
    "idle_processor": Figure("f", "idle worker: processor, of one core", "%", IDLE),
    "idle_children": Figure("f", "idle worker: its child processes", ""),
    "idle_children_mb": Figure("f", "idle worker: memory of its children", "MB"),
    "reads": Figure("g", "reads of the registry for one job, claim to pay", "", FEW),
    "poll_reads": Figure("g", "reads of polls in that time", ""),
    "claim_alone": Figure("h", "posted → claimed, no other job", "s"),
    "claim_beside": Figure("h", "posted → claimed, beside jobs whose scenes nobody has", "s"),
    "claim_later": Figure("h", "difference that those jobs make", "s", SOON),
}
"""All figures, in the order of the table."""


@dataclass(frozen=True)
class Row:
    """One figure of both revisions.

    `ratio` is new to old, None if old is 0. `is_met` is None without a target.
    """

    figure: Figure
    old: float
    new: float
    ratio: float | None
    is_met: bool | None


def compare(samples: Samples) -> dict[str, Row]:
    """The rows of what was measured: medians of the rounds."""
    rows = {}
    for name, figure in FIGURES.items():
        if name not in samples:
            continue
        old, new = (statistics.median(samples[name][revision]) for revision in ("old", "new"))
        ratio = new / old if old else None
        rows[name] = Row(figure, old, new, ratio, _is_met(figure.target, new, ratio))
    return rows


def _is_met(target: Target | None, new: float, ratio: float | None) -> bool | None:
    if target is None:
        return None
    judged = ratio if target.of_ratio else new
    return judged is not None and target.accepts(judged)


def as_object(rows: Mapping[str, Row], samples: Samples) -> dict[str, Any]:
    """The same for scripts: every figure with its unit, its rounds and its target."""
    return {
        name: {
            "meaning": row.figure.meaning,
            "unit": row.figure.unit,
            "old": row.old,
            "new": row.new,
            "ratio": row.ratio,
            "target": row.figure.target.words if row.figure.target else None,
            "met": row.is_met,
            "rounds": samples[name],
        }
        for name, row in rows.items()
    }


def as_table(rows: Mapping[str, Row], title: str) -> Table:
    """The same for people."""
    table = Table(title=title)
    for heading in ("", "figure"):
        table.add_column(heading)
    for heading in ("old", "new", "ratio", "target"):
        table.add_column(heading, justify="right")
    table.add_column("met")
    for row in rows.values():
        figure = row.figure
        table.add_row(
            figure.letter,
            figure.meaning,
            f"{row.old:.2f} {figure.unit}".rstrip(),
            f"{row.new:.2f} {figure.unit}".rstrip(),
            "–" if row.ratio is None else f"{row.ratio:.2f}",
            figure.target.words if figure.target else "",
            {True: "yes", False: "no", None: ""}[row.is_met],
        )
    return table
