"""Prints results: tables on a terminal, otherwise plain lines or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from veriframe.model.quantities import format_span

# `sys.stdout` is None if it was closed, as by `>&-`.
out = Console(highlight=False, soft_wrap=not (sys.stdout and sys.stdout.isatty()))
"""For results: stdout."""

err = Console(stderr=True, highlight=False, soft_wrap=True)
"""For progress and errors: stderr, so that a script can read stdout alone."""


NEVER = "never"
"""A time that no calendar here reaches."""

_LAST_SECONDS = 253_370_764_800
"""The start of the year 9999, the last that `datetime` can show in every time zone."""

JSON_VERSION = 1
"""The version of the form of all JSON that commands print. It grows when a name or a meaning changes."""


def as_json(value: Mapping[str, object]) -> None:
    """Print one JSON object, with the version of its form first.

    An amount, which is a number under a name that ends with `_fri`, becomes a decimal string: JavaScript and
    jq lose digits of numbers beyond 2^53. ASCII only, because untrusted texts may hold control characters.
    """
    sys.stdout.write(json.dumps(_document(value), indent=2, default=str) + "\n")


def json_line(value: Mapping[str, object]) -> None:
    """Print one JSON object as `as_json` does, but on one line, flushed, for scripts that follow a job."""
    line(json.dumps(_document(value), default=str))


def _document(value: Mapping[str, object]) -> Mapping[str, object]:
    return {"version": JSON_VERSION, **{name: _exact(name, one) for name, one in value.items()}}


def _exact(name: str, value: object) -> object:
    if isinstance(value, Mapping):
        return {inner: _exact(str(inner), one) for inner, one in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(name, one) for one in value]
    return str(value) if isinstance(value, int) and name.endswith("_fri") else value


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
        if not console.is_terminal:
            console.print(f"  {name:<{width}}  {escape(clean(value))}")
            continue
        row = Table.grid(padding=(0, 2))
        row.add_column(width=width + 2)
        row.add_column(overflow="fold")
        row.add_row(f"  {name}", escape(clean(value)))
        console.print(row, soft_wrap=False)


def wrapped(*parts: tuple[str, str], indent: int) -> None:
    """Print texts, each with its style, as one paragraph that is wrapped on a terminal and never cut off."""
    text = Text.assemble(*((clean(part), style) for part, style in parts), overflow="fold")
    out.print(Padding(text, (0, 0, 0, indent), expand=False), soft_wrap=False)


def short(text: str) -> str:
    """Shorten a long address or CID to its two ends, which distinguish it: `bafybeid…i2u7q4`."""
    return text if len(text) <= 18 else f"{text[:9]}…{text[-6:]}"


def rough_span(seconds: int) -> str:
    """Format a time span by its two largest units: `1d12h`, `59m16s`."""
    step = 3600 if seconds >= 86400 else 60 if seconds >= 3600 else 1
    return format_span(max(seconds, 0) // step * step)


def local_time(at: float) -> datetime | None:
    """A time in Unix seconds as it is here; None from the year 9999, which a registry may name."""
    return datetime.fromtimestamp(at).astimezone() if 0 <= at < _LAST_SECONDS else None


def moment(at: int, now: int) -> str:
    """Format a time here, and the span from `now`: `14:32:10 (in 9m12s)`. Another day has its date.

    Both are in Unix seconds.
    """
    local, today = local_time(at), local_time(now)
    is_today = bool(local and today and local.date() == today.date())
    clock = local.strftime("%H:%M:%S" if is_today else "%Y-%m-%d %H:%M") if local else NEVER
    distance = (
        f"in {rough_span(at - now)}" if at > now else f"{rough_span(now - at)} ago" if at < now else "now"
    )
    return f"{clock} ({distance})"
