"""Prints results: tables on a terminal, otherwise plain lines or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

# `sys.stdout` is None if it was closed, as by `>&-`.
out = Console(highlight=False, soft_wrap=not (sys.stdout and sys.stdout.isatty()))
"""For results: stdout."""

err = Console(stderr=True, highlight=False, soft_wrap=True)
"""For progress and errors: stderr, so that a script can read stdout alone."""


def as_json(value: object) -> None:
    """Print one JSON object or list. Amounts stay exact, as numbers of fri or as decimal strings.

    ASCII only, because untrusted texts may hold control characters.
    """
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def json_line(value: object) -> None:
    """Print one JSON object on one line and flush it, for scripts that follow a job."""
    line(json.dumps(value, default=str))


def line(text: str) -> None:
    """Print one line unchanged and flush it. Rich would turn tabs into spaces."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def clean(text: str) -> str:
    """Escape control and bidirectional characters in an untrusted text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on a terminal, otherwise tab-separated lines with a header line."""
    if not out.is_terminal:
        for row in (columns, *rows):
            line("\t".join(map(clean, row)))
        return
    drawn = Table(*columns, title=title, title_justify="left", header_style="bold")
    for row in rows:
        drawn.add_row(*(escape(clean(cell)) for cell in row))
    out.print(drawn)


def facts(title: str, pairs: Mapping[str, str], console: Console = out) -> None:
    """Print names and values, one pair per line, aligned."""
    width = max(map(len, pairs), default=0)
    if title:
        console.print(f"[bold]{escape(title)}[/bold]")
    for name, value in pairs.items():
        console.print(f"  {name:<{width}}  {escape(clean(value))}")


def short(text: str) -> str:
    """Shorten a long address or CID to its two ends, which distinguish it: `bafybeid…i2u7q4`."""
    return text if len(text) <= 18 else f"{text[:9]}…{text[-6:]}"


def size(count: int) -> str:
    """Format a number of bytes, such as `3.1 MB`, in powers of 1000."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def span(seconds: int) -> str:
    """Format a time span exactly, as the options accept it: `1d12h`, and `1m30s` for 90 seconds."""
    days, rest = divmod(seconds, 86400)
    hours, rest = divmod(rest, 3600)
    parts = zip((days, hours, *divmod(rest, 60)), "dhms", strict=True)
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"
