"""`veriframe doctor`: checks everything that the worker needs and gives the remedy for what is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from veriframe.cli import context, opening
from veriframe.cli.display import show
from veriframe.doctor import finding as checks
from veriframe.errors import SettingsError
from veriframe.ports.store import ContentStore
from veriframe.settings import Loaded
from veriframe.wiring.doctor import EngineTests, Examinations

_MARKS = {
    checks.Verdict.GOOD: "[green]good   [/green]",
    checks.Verdict.WARNING: "[yellow]warning[/yellow]",
    checks.Verdict.BAD: "[red]bad    [/red]",
}
_PART_WIDTH = 14


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    engines: Annotated[
        bool | None,
        typer.Option(
            "--engines/--no-engines",
            help="Test all engines with a small render, or none. By default those of the setting `engines`,"
            " and EEVEE only if that is set: it takes 20 seconds.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check everything that the worker needs. Exits with 0 if it can work, 1 if something must be fixed."""
    loaded = context.current()
    if loaded.is_default("log_level"):
        # What the log would warn of, the rows say in place.
        context.begin_log("error")
    new_accounts = list[str]()
    parts = _examinations(loaded, engines, new_accounts.append).all()
    if as_json:
        findings = context.run(checks.examine(parts, lambda _: None))
    else:
        with _what_is_examined() as begin:
            findings = context.run(checks.examine(parts, _print, begin))
    for name in new_accounts:
        opening.say_new_account(name)
    worst = max(finding.verdict for finding in findings)
    if as_json:
        show.as_json(
            {
                "verdict": worst.name.lower(),
                "parts": [asdict(one) | {"verdict": one.verdict.name.lower()} for one in findings],
            }
        )
    raise typer.Exit(1 if worst is checks.Verdict.BAD else 0)


def _examinations(
    loaded: Loaded, engines: bool | None, on_new_account: Callable[[str], None]
) -> Examinations:
    """The checks. The keystore's password is asked for first, if one is needed."""
    settings, fault = loaded.settings, None
    try:
        key = opening.registry_key(settings)
    except SettingsError as error:
        key, fault = None, error
    store: ContentStore | SettingsError
    try:
        store = context.open_store(settings)
    except SettingsError as error:
        store = error
    return Examinations(
        settings,
        context.account(context.WORKER),
        open_registry=lambda: opening.opened(settings, context.account(context.WORKER), key, on_new_account),
        store=store,
        account_fault=fault,
        engines=EngineTests(
            any=engines is not False,
            all=engines is True,
            are_chosen=not loaded.is_default("engines"),
        ),
    )


@contextmanager
def _what_is_examined() -> Iterator[Callable[[str], None]]:
    """Shows on a terminal what is being examined, below the rows so far."""
    if not show.out.is_terminal:
        yield lambda _: None
        return
    with show.out.status("") as status:

        def begin(part: str) -> None:
            status.update(f"Examining: {part} …")
            show.out.print(end="")  # at once, not at its next redrawing

        yield begin


def _print(finding: checks.Finding) -> None:
    """Print one row at once: on a terminal in columns, otherwise on plain lines."""
    texts = [escape(text) for text in (finding.detail, finding.remedy and f"→ {finding.remedy}") if text]
    mark = _MARKS[finding.verdict]
    if show.out.is_terminal:
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_column(width=7)
        row.add_column(width=_PART_WIDTH)
        row.add_column(overflow="fold")
        row.add_row(mark, finding.part, "\n".join(texts))
        show.out.print(row)
        return
    show.out.print(f"{mark}  {finding.part:<{_PART_WIDTH}} {texts[0]}")
    for text in texts[1:]:
        show.out.print(f"{'':25}{text}")
    sys.stdout.flush()
