"""Asks for consent to what cannot be undone, unless --yes was passed."""

from __future__ import annotations

import sys

import typer

from veriframe.cli import context
from veriframe.cli.display import show
from veriframe.errors import SettingsError


def need_terminal(yes: bool, consequence: str) -> None:
    """Raise `SettingsError` if there is no consent, and no terminal to ask for it."""
    if not yes and not sys.stdin.isatty():
        raise SettingsError(
            f"{consequence}, and there is no terminal for a confirmation. Pass --yes to confirm."
        )


def ask(yes: bool, question: str, otherwise: str) -> None:
    """Ask for confirmation. The answer no prints `otherwise` and exits with code 1."""
    try:
        agreed = yes or _agrees(question)
    except typer.Abort:
        # Ctrl-C, or the end of the input, at the question: the terminal is in the middle of its line.
        show.err.print(f"\n{otherwise}")
        raise typer.Exit(context.INTERRUPTED) from None
    if not agreed:
        show.err.print(otherwise)
        raise typer.Exit(1)


def _agrees(question: str) -> bool:
    while True:
        answer = typer.prompt(f"{question} [y/N]", default="", show_default=False, err=True).strip().lower()
        if answer in ("y", "yes"):
            return True
        if answer in ("", "n", "no"):
            return False
        show.err.print("Answer with y or n.")


def warn_and_ask(yes: bool, warning: str, question: str) -> None:
    """Print what becomes public, and ask whether to publish it unless --yes was passed."""
    show.err.print(warning, style="yellow")
    ask(yes, question, "Nothing was published.")
