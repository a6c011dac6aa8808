"""Puts generated tables into docs/verification.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "verification.md"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def put(name: str, table: str) -> None:
    """Put a table between the two comments with its name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = PAGE.read_text("utf-8").partition(begin)
    _, also, after = rest.partition(end)
    if not (found and also):
        raise ValueError(f"{PAGE} has no place for {name}")
    PAGE.write_text(f"{before}{begin}\n{table}\n{end}{after}", "utf-8")
