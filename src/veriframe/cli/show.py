"""How results reach people and scripts: tables and bars on a terminal, plain lines or JSON otherwise."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

out = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
"""For results: stdout."""

err = Console(stderr=True, highlight=False, soft_wrap=True)
"""For progress and errors: stderr, so that a script can read stdout alone."""


def as_json(value: object) -> None:
    """One JSON object (or list) on stdout; amounts stay exact, as numbers of fri or as decimal strings."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; tab-separated lines, headed by the column names, otherwise."""
    if not out.is_terminal:
        for row in (columns, *rows):
            out.out("\t".join(row))
        return
    drawn = Table(*columns, title=title, title_justify="left", header_style="bold")
    for row in rows:
        drawn.add_row(*(escape(cell) for cell in row))
    out.print(drawn)


def facts(title: str, pairs: Mapping[str, str]) -> None:
    """Names and values, one a line, aligned."""
    width = max(map(len, pairs), default=0)
    if title:
        out.print(f"[bold]{escape(title)}[/bold]")
    for name, value in pairs.items():
        out.print(f"  {name:<{width}}  {escape(value)}")


def size(count: int) -> str:
    """Bytes for people: `3.1 MB`, in powers of 1000."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
