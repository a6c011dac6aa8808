"""`veriframe doctor`: checks everything that the worker needs and gives the remedy for what is missing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from veriframe import doctor as checks
from veriframe.cli import context, opening
from veriframe.cli.display import show
from veriframe.wiring import examinations

_MARKS = {
    checks.Verdict.GOOD: "[green]good   [/green]",
    checks.Verdict.WARNING: "[yellow]warning[/yellow]",
    checks.Verdict.BAD: "[red]bad    [/red]",
}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    engines: Annotated[bool, typer.Option(help="Test each engine with a small render.")] = True,
) -> None:
    """Check everything that the worker needs. Exits with 0 if it can work, 1 if something must be fixed."""
    settings = context.current().settings
    content = context.open_store(settings)
    parts = examinations.examinations(
        settings, context.account("worker"), opening.open_registry("worker"), content, engines=engines
    )
    findings = context.run(checks.examine(parts, (lambda _: None) if as_json else _print))
    worst = max(finding.verdict for finding in findings)
    if as_json:
        show.as_json(
            {
                "verdict": worst.name.lower(),
                "parts": [asdict(one) | {"verdict": one.verdict.name.lower()} for one in findings],
            }
        )
    raise typer.Exit(1 if worst is checks.Verdict.BAD else 0)


def _print(finding: checks.Finding) -> None:
    show.out.print(f"{_MARKS[finding.verdict]}  {finding.part:<14} {escape(finding.detail)}")
    if finding.remedy:
        show.out.print(f"{'':25}→ {escape(finding.remedy)}")
