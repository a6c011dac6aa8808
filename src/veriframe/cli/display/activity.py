"""Shows on stderr that something is under way: a spinner on a terminal, otherwise a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape

from veriframe.cli.display import show


@contextmanager
def activity(what: str) -> Iterator[None]:
    """Show what is under way, until the end of the block."""
    text = show.clean(what)
    if not show.err.is_terminal:
        show.err.print(f"{text} …", markup=False)
        yield
        return
    with show.err.status(escape(text)):
        yield
