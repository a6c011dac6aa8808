"""Draws a worker's overview on a terminal of any width: for its screen and for `veriframe status`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from veriframe.cli.display import show
from veriframe.model.quantities import brief_strk, counted, format_size, format_span
from veriframe.worker.overview.overview import Due, Happening, JobAtWork, Overview, Sums
from veriframe.worker.overview.sentences import DOING

MOST_JOBS = 12
"""The most jobs with a line of their own."""

MOST_DUE = 3
"""The most results with a time of their own."""

WIDE, NARROW = 100, 80
"""Columns from which facts stand side by side, and below which less is shown."""

BAR = 50
"""The longest bar, in columns."""

ASIDE, BAD, GOOD = "bright_black", "yellow", "green"


def draw(
    overview: Overview,
    columns: int,
    *,
    runs: bool = True,
    is_here: bool = True,
    process: str = "",
    most_jobs: int = MOST_JOBS,
    events: int = 0,
) -> Group:
    """The whole overview, at most `columns` wide.

    `runs`: whether its worker does, `is_here`: on this terminal, so that Ctrl-C stops it. `process` is its
    number, for signals. `events` is how many of the last events to show.
    """
    happened = overview.happened[-events:] if events else ()
    return Group(
        _title(overview, columns, process, runs=runs),
        _parts(overview, columns),
        *((Rule(style=ASIDE), *map(event_line, happened)) if happened else ()),
        Rule(style=ASIDE),
        *_jobs(overview, columns, most_jobs, runs=runs),
        Rule(style=ASIDE),
        _money(overview),
        # Not to the right edge: there the terminal's “^C” would begin a line that nobody counts.
        *(Padding(line, (0, 3), expand=False) for line in _notices(overview, runs=runs, is_here=is_here)),
    )


def event_line(happening: Happening) -> RenderableType:
    """One event, with its time of day."""
    line = Table.grid(padding=(0, 2))
    line.add_column(style=ASIDE, no_wrap=True)
    line.add_column(overflow="fold")
    style = BAD if happening.is_bad else ""
    line.add_row(f" {clock_time(happening.at)}", Text(show.clean(happening.text), style))
    return line


def clock_time(at: float, now: float | None = None) -> str:
    """The local time of day; with its date if `now` is another day."""
    local, today = show.local_time(at), None if now is None else show.local_time(now)
    if local is None:
        return show.NEVER
    is_today = today is None or local.date() == today.date()
    return local.strftime("%H:%M:%S" if now is None else "%H:%M" if is_today else "%Y-%m-%d %H:%M")


def _title(overview: Overview, columns: int, process: str, *, runs: bool) -> RenderableType:
    who = overview.who
    facts = [show.short(who.address)] if who.address and columns >= NARROW else []
    if runs:
        facts.append(counted(who.slots, "slot"))
        if overview.busy_percent is not None:
            facts.append(f"{overview.busy_percent:.0f} % busy")
        if overview.started_at is not None:
            facts.append(f"for {format_span(int(max(0, overview.now - overview.started_at)))}")
        if process:
            facts.append(f"process {process}")
    state = "stops" if overview.is_stopping else "works" if runs else "does not run"
    style = BAD if overview.is_stopping or not runs else GOOD
    title = Text.assemble((" ● ", style), (show.clean(who.account), "bold"), f" {state}")
    return title.append("".join(f" · {fact}" for fact in facts), ASIDE)


def _parts(overview: Overview, columns: int) -> RenderableType:
    who = overview.who
    blender = {"Blender": who.blender, "sandbox": who.sandbox} if who.blender else {}
    pairs = [
        (name, Text(show.clean(value)))
        for name, value in {"registry": who.registry, "store": who.store, **blender}.items()
    ]
    grid = _facts_grid(2 if columns >= WIDE else 1)
    if columns >= WIDE:
        for left, right in zip(pairs[::2], pairs[1::2], strict=True):
            grid.add_row(*_named(*left), *_named(*right))
    else:
        for pair in pairs:
            grid.add_row(*_named(*pair))
    if not who.log:
        return grid
    log = _facts_grid(1)
    log.add_row(*_named("log", Text(show.clean(who.log))))
    return Group(grid, log)


def _facts_grid(pairs: int) -> Table:
    grid = Table.grid(padding=(0, 2))
    for _ in range(pairs):
        grid.add_column(style=ASIDE, no_wrap=True, min_width=11)
        grid.add_column(overflow="fold")
    return grid


def _named(name: str, value: Text) -> tuple[str, Text]:
    return f"   {name}", value


def _jobs(overview: Overview, columns: int, most: int, *, runs: bool) -> Iterator[RenderableType]:
    if not overview.jobs:
        yield Text(
            "   No job is under way." + (" Waiting for open jobs." if runs and not overview.idle else ""),
            ASIDE,
        )
        return
    shown = overview.jobs[:most]
    lines = [(job, *_progress(job, overview.now)) for job in shown]
    number, last = max(len(str(job.job_id)) for job in shown), max(len(end.plain) for _, _, end in lines)
    bar = max(4, min(BAR, columns - number - LONGEST_DOING - last - 9))
    for job, middle, end in lines:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(justify="right", no_wrap=True, width=number + 3)
        grid.add_column(no_wrap=True, width=LONGEST_DOING)
        grid.add_column(no_wrap=True, overflow="ellipsis", width=bar)
        grid.add_column(no_wrap=True, width=last)
        grid.add_row(Text(str(job.job_id), "bold"), job.doing, middle, end)
        yield grid
        if is_sentence(job.waits_for) and job.waits_for != overview.idle:
            yield Padding(Text(show.clean(job.waits_for), BAD), (0, 0, 0, number + 5))
        if facts := " · ".join(_job_facts(job, overview.now)):
            yield Padding(Text(facts, ASIDE), (0, 0, 0, number + 5))
    if left := overview.jobs[most:]:
        yield Text(f"   and {len(left)} more", ASIDE)


def is_sentence(waits_for: str) -> bool:
    """Whether a job waits for what a whole sentence says, which has a line of its own."""
    return waits_for.endswith(".")


LONGEST_DOING = max(map(len, DOING.values()))


def _progress(job: JobAtWork, now: float) -> tuple[RenderableType, Text]:
    if job.waits_for:
        since = "" if not job.waits_since else f"for {format_span(int(max(0, now - job.waits_since)))}"
        what = "waits" if is_sentence(job.waits_for) else f"waits for {show.clean(job.waits_for)}"
        return Text(what, BAD), Text(since, BAD)
    if job.share is None:
        return "", Text(f"for {format_span(int(max(0, now - job.since)))}", ASIDE)
    left = "" if job.seconds_left is None else f"  {format_span(int(job.seconds_left))} left"
    bar = ProgressBar(total=1.0, completed=job.share, width=None, complete_style=GOOD, finished_style=GOOD)
    return bar, Text(f"{job.share:4.0%}{left}".replace("%", " %"))


def _job_facts(job: JobAtWork, now: float) -> Iterator[str]:
    if job.frame is not None:
        which = f" ({min(job.frames_done + 1, job.frames)} of {job.frames})" if job.frames > 1 else ""
        yield f"frame {job.frame}{which}"
    if job.memory_bytes is not None:
        yield format_size(job.memory_bytes)
    if job.done_bytes is not None and not job.waits_for:
        of = "" if job.total_bytes is None else f" of {format_size(job.total_bytes)}"
        yield f"{format_size(job.done_bytes)}{of}"
    if job.due_at:
        yield f"reward {brief_strk(job.reward_fri)}"
        left = int(job.due_at - now)
        yield f"its lease ends in {format_span(left)}" if left > 0 else "its lease is over"


def _money(overview: Overview) -> RenderableType:
    grid = _facts_grid(1)
    grid.add_row(*_named("today", _today(overview.today)))
    for name, is_disputed in (("due", False), ("disputed", True)):
        if due := [one for one in overview.due if one.is_disputed is is_disputed]:
            grid.add_row(*_named(name, _due(due, overview.now)))
    return grid


def _today(today: Sums) -> Text:
    if not today.paid_jobs:
        text = Text("nothing was paid yet")
    else:
        jobs = counted(today.paid_jobs, "job")
        text = Text.assemble((brief_strk(today.paid_fri), "bold"), f" paid for {jobs}")
    if today.lost_fri:
        text.append(f" · {brief_strk(today.lost_fri)} of bonds lost", BAD)
    if today.fees_fri:
        text.append(f" · {brief_strk(today.fees_fri)} of fees")
    return text


def _due(due: Sequence[Due], now: float) -> Text:
    total = brief_strk(sum(one.reward_fri for one in due))
    shown = [f"{brief_strk(one.reward_fri)} for job {one.job_id}{_when(one, now)}" for one in due[:MOST_DUE]]
    more = [f"{len(due) - MOST_DUE} more"] if len(due) > MOST_DUE else []
    if len(due) == 1:
        return Text(shown[0])
    return Text.assemble((total, "bold"), ": ", ", ".join([*shown, *more]))


def _when(one: Due, now: float) -> str:
    if not one.due_at:
        return ""
    if one.due_at <= now:
        return " now"
    return f" by {clock_time(one.due_at, now)}"


def _notices(overview: Overview, *, runs: bool, is_here: bool) -> Iterator[Text]:
    if not runs:
        if leases := [job.due_at for job in overview.jobs if job.due_at > overview.now]:
            before = clock_time(min(leases), overview.now)
            yield Text(f"Start the worker before {before}, or the bond of a claimed job is burned.", BAD)
    elif overview.is_stopping:
        claimed = [str(job.job_id) for job in overview.jobs if job.due_at]
        waits = f"waiting for job {', '.join(claimed)}" if claimed else "no claimed job is left"
        again = ". Ctrl-C again stops at once." if is_here else "."
        yield Text(f"Stopping: nothing more is claimed; {waits}{again}", BAD)
    elif overview.idle:
        span = format_span(int(max(0, overview.now - overview.idle_since)))
        yield Text(f"Nothing is claimed, for {span}: {show.clean(overview.idle)}", BAD)
    elif is_here:
        yield Text("Ctrl-C: finish claimed jobs and stop.", ASIDE)
