"""`veriframe doctor`: all that the worker stands on, and the remedy for whatever is missing."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from veriframe import doctor as surgery
from veriframe.cli import context, opening
from veriframe.cli.display import show
from veriframe.wiring import examinations

_MARKS = {
    surgery.Verdict.GOOD: "[green]good   [/green]",
    surgery.Verdict.WARNING: "[yellow]warning[/yellow]",
    surgery.Verdict.BAD: "[red]bad    [/red]",
}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    engines: Annotated[bool, typer.Option(help="Prove by a small render what each engine can do.")] = True,
) -> None:
    """Say what the worker stands on. Exit code 0 when it can work, 1 when something must be mended first."""
    settings = context.current().settings
    content = context.open_store(settings)
    parts = examinations.examinations(
        settings, context.account("worker"), opening.open_registry("worker"), content, engines=engines
    )
    findings = context.run(surgery.examine(parts, (lambda _: None) if as_json else _print))
    worst = max(finding.verdict for finding in findings)
    if as_json:
        show.as_json(
            {
                "verdict": worst.name.lower(),
                "parts": [
                    {
                        "part": finding.part,
                        "verdict": finding.verdict.name.lower(),
                        "detail": finding.detail,
                        "remedy": finding.remedy,
                    }
                    for finding in findings
                ],
            }
        )
    raise typer.Exit(1 if worst is surgery.Verdict.BAD else 0)


def _print(finding: surgery.Finding) -> None:
    show.out.print(f"{_MARKS[finding.verdict]}  {finding.part:<14} {escape(finding.detail)}")
    if finding.remedy:
        show.out.print(f"{'':25}→ {escape(finding.remedy)}")
