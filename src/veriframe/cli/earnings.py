"""`veriframe account earnings`: rewards, lost bonds, fees and time, by day, week or job."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from veriframe.cli import context, opening
from veriframe.cli.display import show
from veriframe.errors import RegistryUnavailable
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.earnings import Earnings, Settled, grouped, total
from veriframe.model.attempt.stakes import CreatorTotals
from veriframe.model.quantities import brief_strk, format_span, format_strk, rate_strk
from veriframe.model.registry.job import NOBODY
from veriframe.wiring import workers
from veriframe.worker.overview.earnings import read_settled

COLUMNS = ("paid", "rewards", "lost", "fees", "earned", "rendered", "an hour")

WIDE = 80
"""Columns of a terminal from which all of them are shown."""

HOUR = 3600.0
"""Seconds of rendering below which it is said that the rate of an hour is extrapolated."""

UNDER_WAY, EARLIER = "under way", "earlier"

_DOUBT = "The registry was not asked, so what was lost of a bond may be inexact. "


class By(StrEnum):
    """How attempts are grouped."""

    DAY = "day"
    WEEK = "week"
    JOB = "job"


def earnings(
    by: Annotated[By, typer.Option(help="One row for each.")] = By.DAY,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show what the worker has earned: rewards, bonds lost, fees, and STRK for an hour of rendering."""
    settings, account = context.current().settings, context.account(context.WORKER)
    opening.say_unknown_account()
    attempts, totals = context.run(workers.past(settings, account))
    known, doubt = _ask_registry(attempts)
    rows = dict(grouped(attempts, _KEYS[by], known))
    if totals:
        rows = {EARLIER: _earlier(totals.values()), **rows}
    if as_json:
        show.as_json(_as_object(by, rows, doubt))
        return
    _print(by, rows)
    if doubt:
        show.err.print(show.clean(doubt), markup=False)


def _ask_registry(attempts: Sequence[Attempt]) -> tuple[Mapping[int, Settled], str]:
    """What the registry has more exactly, by attempt, and why that is missing, if it is."""
    if not attempts:
        return {}, ""
    try:
        opened = opening.open_reader(context.WORKER)
        if opened.account == NOBODY:
            return {}, _DOUBT + "The account's address is not known here: set account_address."
        return context.run(read_settled(opened.jobs, opened.account, attempts)), ""
    except RegistryUnavailable as error:
        return {}, f"{_DOUBT}{error}"


def _day(attempt: Attempt) -> str:
    return UNDER_WAY if attempt.ended_at is None else _local(attempt.ended_at).strftime("%Y-%m-%d")


def _week(attempt: Attempt) -> str:
    if attempt.ended_at is None:
        return UNDER_WAY
    year, week, _ = _local(attempt.ended_at).isocalendar()
    return f"{year}-W{week:02}"


def _job(attempt: Attempt) -> str:
    return str(attempt.job_id)


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at).astimezone()


_KEYS: Mapping[By, Callable[[Attempt], str]] = {By.DAY: _day, By.WEEK: _week, By.JOB: _job}


def _earlier(totals: Collection[CreatorTotals]) -> Earnings:
    """The attempts that the journal keeps only as sums: rewards less fees, and what was lost."""
    return Earnings(
        reward_fri=sum(one.paid_fri for one in totals), lost_fri=sum(one.lost_fri for one in totals)
    )


def _print(by: By, rows: Mapping[str, Earnings]) -> None:
    if not rows:
        show.line("Nothing yet: no attempt is in the journal.")
        return
    whole = {**rows, "total": total(list(rows.values()))}
    _print_table(by, whole)
    if 0 < (seconds := whole["total"].render_seconds) < HOUR:
        said = f"“an hour” is extrapolated from {format_span(round(seconds))} of rendering."
        show.err.print(said, markup=False)


def _print_table(by: By, whole: Mapping[str, Earnings]) -> None:
    if not show.out.is_terminal:
        show.table(
            "", (by.value, *COLUMNS), [(name, *_cells(one, format_strk)) for name, one in whole.items()]
        )
        return
    is_narrow = show.out.width < WIDE
    shown = [column for column in COLUMNS if not (is_narrow and column in ("paid", "rewards", "fees"))]
    table = Table(title="Earnings in STRK", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(by.value, no_wrap=True)
    for column in shown:
        table.add_column(column, justify="right", no_wrap=True)
    for name, one in whole.items():
        cells = dict(zip(COLUMNS, _cells(one, _short), strict=True))
        table.add_row(name, *(cells[column] for column in shown), style="bold" if name == "total" else "")
    show.out.print(table)
    if is_narrow:
        show.err.print(f"A terminal of {WIDE} columns also shows what was paid, and fees; --json has it all.")


def _short(amount_fri: int) -> str:
    return brief_strk(amount_fri).removesuffix(" STRK")


def _rate(hourly_fri: int, strk: Callable[[int], str]) -> str:
    rate = rate_strk(hourly_fri)
    return rate.removesuffix(" STRK") if strk is _short else rate


def _cells(one: Earnings, strk: Callable[[int], str]) -> tuple[str, ...]:
    return (
        str(one.jobs),
        strk(one.reward_fri + one.won_fri),
        strk(one.lost_fri),
        strk(one.fees_fri),
        strk(one.earned_fri),
        format_span(round(one.render_seconds)),
        "" if one.hourly_fri is None else _rate(one.hourly_fri, strk),
    )


def _as_object(by: By, rows: Mapping[str, Earnings], doubt: str) -> dict[str, Any]:
    return {
        "by": by.value,
        "rows": [{by.value: name, **_facts(one)} for name, one in rows.items()],
        "total": _facts(total(list(rows.values()))),
        "doubt": doubt or None,
    }


def _facts(one: Earnings) -> dict[str, Any]:
    return {
        "jobs": one.jobs,
        "reward_fri": one.reward_fri,
        "won_fri": one.won_fri,
        "lost_fri": one.lost_fri,
        "fees_fri": one.fees_fri,
        "earned_fri": one.earned_fri,
        "render_seconds": round(one.render_seconds, 3),
        "hourly_fri": one.hourly_fri,
    }
