"""How results reach people and scripts: tables and bars on a terminal, plain lines or JSON otherwise."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

# Without a stdout at all, as after `>&-`, there is no terminal either.
out = Console(highlight=False, soft_wrap=not (sys.stdout and sys.stdout.isatty()))
"""For results: stdout."""

err = Console(stderr=True, highlight=False, soft_wrap=True)
"""For progress and errors: stderr, so that a script can read stdout alone."""


def as_json(value: object) -> None:
    """One JSON object (or list) on stdout; amounts stay exact, as numbers of fri or as decimal strings.

    ASCII only: strangers' texts may hold characters that drive a terminal.
    """
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def json_line(value: object) -> None:
    """One JSON object on one line of stdout, at once, for scripts that follow along."""
    line(json.dumps(value, default=str))


def line(text: str) -> None:
    """One line of stdout, at once and as it is: rich would turn tabs into spaces."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def clean(text: str) -> str:
    """A stranger's text without characters that drive a terminal or turn the direction of writing."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; tab-separated lines, headed by the column names, otherwise."""
    if not out.is_terminal:
        for row in (columns, *rows):
            line("\t".join(map(clean, row)))
        return
    drawn = Table(*columns, title=title, title_justify="left", header_style="bold")
    for row in rows:
        drawn.add_row(*(escape(clean(cell)) for cell in row))
    out.print(drawn)


def facts(title: str, pairs: Mapping[str, str], console: Console = out) -> None:
    """Names and values, one a line, aligned."""
    width = max(map(len, pairs), default=0)
    if title:
        console.print(f"[bold]{escape(title)}[/bold]")
    for name, value in pairs.items():
        console.print(f"  {name:<{width}}  {escape(clean(value))}")


def short(text: str) -> str:
    """Both ends of a long address or CID: `bafybeid…i2u7q4`. The ends tell two of them apart."""
    return text if len(text) <= 18 else f"{text[:9]}…{text[-6:]}"


def size(count: int) -> str:
    """Bytes for people: `3.1 MB`, in powers of 1000."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def span(seconds: int) -> str:
    """A span for people, exact, as the options take it: `1d12h`, `90s` as `1m30s`."""
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    parts = zip((days, hours, *divmod(rest, 60)), "dhms", strict=True)
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"
