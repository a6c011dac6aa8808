"""The command line. A command reads the settings, wires the parts, makes one call and shows the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from veriframe.interrupts import end_quietly


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    # Before the imports, which take most of the time of a light command.
    end_quietly()
    from veriframe.cli import app  # noqa: PLC0415

    app.main(arguments)
