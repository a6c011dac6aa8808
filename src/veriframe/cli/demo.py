"""`veriframe demo`: runs the whole system once and reports each step."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from veriframe.cli import context
from veriframe.cli.display import show
from veriframe.creator.orders.posting import PostedOrder
from veriframe.demo.show import Demo
from veriframe.demo.values import Outcome
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.quantities import format_size, format_strk
from veriframe.model.registry.job import Job
from veriframe.model.rendering.frames import Progress
from veriframe.model.verification.findings import JobFinding
from veriframe.model.verification.words import summary
from veriframe.ports.registry import Funds
from veriframe.ports.renderer import RendererFacts
from veriframe.worker.overview.sentences import stage_sentence

OUTPUT = Path("demo-output")


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the picture and the demo's files.")
    ] = OUTPUT,
    scene: Annotated[Path | None, typer.Option(help="Your own .blend file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Post a scene, render it, submit the picture and get paid, all on this machine."""
    settings = context.current().settings
    with _Reporter() as reporter:
        outcome = context.run(Demo(settings, output, reporter, scene).show())
    if as_json:
        show.as_json(_as_object(outcome))
    else:
        _draw(outcome)


class _Reporter:
    """Prints each event on stderr, with the seconds since the start; bars on a terminal only."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        columns = (
            TextColumn("          {task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
        )
        self._bars = Bars(*columns, console=show.err, transient=True, disable=not show.err.is_terminal)
        self._bar = self._bars.add_task("", total=1.0, visible=False)
        self._printed = 0.0

    def __enter__(self) -> _Reporter:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def begin(self, what: str) -> None:
        self._say(f"{what} …")

    def ready(self, facts: RendererFacts) -> None:
        self._say(f"Blender {facts.version_text} ({facts.program}), sandbox {facts.sandbox_level}")

    def posted(self, posted: PostedOrder) -> None:
        reward = format_strk(posted.terms.reward_fri)
        self._say(f"creator posted job {posted.jobs[0]}: {reward} in escrow, scene {posted.asset_cids[0]}")

    def stage(self, before: Attempt, after: Attempt, who: str) -> None:
        self._bars.update(self._bar, visible=False)
        self._say(f"{who} {stage_sentence(before, after)}")

    def progress(self, progress: Progress) -> None:
        if self._bars.disable:
            if time.monotonic() - self._printed > 5:
                self._printed = time.monotonic()
                share = "" if progress.fraction is None else f", {progress.fraction:.0%}"
                self._say(f"Blender: {progress.phase}{share}, {format_size(progress.memory_bytes)}")
            return
        self._bars.update(
            self._bar,
            visible=True,
            completed=progress.fraction or 0.0,
            description=f"Blender: {progress.phase}, {format_size(progress.memory_bytes)}",
        )

    def submitted(self, job: Job) -> None:
        self._say(f"result of job {job.id}: {job.result_cid}")

    def verified(self, finding: JobFinding) -> None:
        self._say(summary(finding) + (f": {finding.why}" if finding.why else ""))

    def say(self, what: str) -> None:
        self._say(what)

    def _say(self, what: str) -> None:
        show.err.print(f"{time.monotonic() - self._started:7.1f} s  {show.clean(what)}", markup=False)


def _as_object(outcome: Outcome) -> dict[str, Any]:
    conviction = outcome.conviction
    return {
        "state": outcome.job.state,
        "job_id": outcome.job.id,
        "picture": str(outcome.picture.absolute()),
        "width": outcome.width,
        "height": outcome.height,
        "asset_cid": outcome.job.order.asset_cid,
        "result_cid": outcome.job.result_cid,
        "blender": outcome.facts.version_text,
        "sandbox_level": outcome.facts.sandbox_level,
        "conclusion": outcome.finding.conclusion,
        "cheat": conviction
        and {
            "job_id": conviction.job.id,
            "state": conviction.job.state,
            "conclusion": conviction.finding.conclusion,
            "report": str(conviction.page.absolute()),
            "picture": str(conviction.picture.absolute()),
        },
        "stage_seconds": outcome.stage_seconds,
        "balances_before": asdict(outcome.before),
        "balances_after": asdict(outcome.after),
    }


def _draw(outcome: Outcome) -> None:
    before, after = outcome.before, outcome.after
    rows = [
        *_rows("creator", before.creator, after.creator),
        *_rows("worker", before.worker, after.worker),
        *_rows("cheat", before.cheat, after.cheat),
        _row("in escrow", before.registry.escrow_fri, after.registry.escrow_fri),
        _row("burned", before.registry.burned_fri, after.registry.burned_fri),
        _row("total", before.all_fri, after.all_fri),
    ]
    show.table("Balances in STRK", ("", "before", "after", "change"), rows)
    show.facts(
        f"Job {outcome.job.id} is {outcome.job.state}",
        {
            "picture": f"{outcome.picture.absolute()} ({outcome.width}×{outcome.height})",
            "CID": outcome.job.result_cid,
            "sandbox": outcome.facts.sandbox_level,
            "proof": summary(outcome.finding),
        },
    )
    if (conviction := outcome.conviction) is not None:
        show.facts(
            f"Job {conviction.job.id}, by a worker who cheated, is {conviction.job.state}",
            {
                "proof": summary(conviction.finding),
                "why": conviction.finding.why,
                "report": str(conviction.page.absolute()),
                "where": str(conviction.picture.absolute()),
            },
        )


def _rows(name: str, before: Funds, after: Funds) -> list[tuple[str, ...]]:
    return [
        _row(f"{name}'s wallet", before.wallet_fri, after.wallet_fri),
        _row(f"{name}'s credit", before.credit_fri, after.credit_fri),
    ]


def _row(name: str, before_fri: int, after_fri: int) -> tuple[str, ...]:
    change = after_fri - before_fri
    sign = "+" if change > 0 else ""
    return (name, _strk(before_fri), _strk(after_fri), f"{sign}{_strk(change)}" if change else "")


def _strk(amount_fri: int) -> str:
    return format_strk(amount_fri).removesuffix(" STRK")
