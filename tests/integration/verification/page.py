"""Puts generated tables into docs/verification.md."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog

PAGE = Path(__file__).parents[3] / "docs" / "verification.md"

Cells = tuple[str, ...]


def warnings_only() -> None:
    """Keep the log of everything that runs out of the output, but for warnings."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def rows_of(name: str) -> list[Cells]:
    """The rows that a table has now."""
    _, table, _ = _parts(name)
    lines = [line for line in table.splitlines() if line.startswith("| ")][2:]
    return [tuple(cell.strip() for cell in line[1:-1].split("|")) for line in lines]


def put(name: str, table: str) -> None:
    """Put a table between the two comments with its name."""
    before, _, after = _parts(name)
    PAGE.write_text(f"{before}\n{table}\n{after}", "utf-8")


def _parts(name: str) -> tuple[str, str, str]:
    """The page before a table, the table, and the rest. Raises `ValueError` if it has no such place."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = PAGE.read_text("utf-8").partition(begin)
    table, also, after = rest.partition(end)
    if not (found and also):
        raise ValueError(f"{PAGE} has no place for {name}")
    return before + begin, table, end + after
