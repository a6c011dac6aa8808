"""Views of a job's history: sentences for people, objects for scripts."""

from __future__ import annotations

from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from veriframe.cli.display import release_words, show
from veriframe.model.quantities import format_strk
from veriframe.model.registry.history import JobEvent, JobHistory
from veriframe.model.registry.job import NOBODY, Job, format_address
from veriframe.model.registry.ledger import EventKind


def as_object(history: JobHistory) -> dict[str, Any]:
    """A history for scripts. `history_gap` is a sentence about what is missing, or `null`."""
    return {
        "history": [_event_object(event) for event in history.events],
        "history_gap": history.gap or None,
        "evidence_cid": history.cid_of(EventKind.RESULT_DISPUTED) or None,
        "verdict_cid": history.cid_of(EventKind.DISPUTE_RESOLVED) or None,
    }


def evidence_facts(job: Job, history: JobHistory) -> dict[str, str]:
    """The CIDs of a dispute's evidence, for people, and how it is fetched."""
    named = {"evidence": EventKind.RESULT_DISPUTED, "verdict": EventKind.DISPUTE_RESOLVED}
    told = dict[str, str]()
    for name, kind in named.items():
        if cid := history.cid_of(kind):
            how = f"`veriframe job fetch {job.id} --{name}` fetches it"
            told[name] = f"{cid}, {'the result itself' if cid == job.result_cid else how}"
    return told


def _event_object(event: JobEvent) -> dict[str, Any]:
    """An event for scripts: its amount in fri, its time in chain seconds; `null` where there is nothing."""
    return {
        "at": event.at,
        "event": event.kind.value,
        "who": None if event.party == NOBODY else format_address(event.party),
        "reason": event.reason or None,
        "cid": event.cid or None,
        "amount_fri": event.amount_fri,
        "remedy": remedy(event) or None,
    }


def print_history(history: JobHistory, now: int) -> None:
    """Print a history at `now` (chain seconds): when, what, who and why, and what the creator can do."""
    show.out.print("[bold]History[/bold]")
    if not show.out.is_terminal:
        for line in lines(history, now):
            show.line(f"  {line}")
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for event in history.events:
        said = Text(sentence(event)).append(f"\n{remedy(event)}" if remedy(event) else "", style="dim")
        grid.add_row(show.moment(event.at, now), said)
    if history.gap:
        grid.add_row("", Text(show.clean(history.gap), style="dim"))
    show.out.print(Padding(grid, (0, 0, 0, 2)))


def lines(history: JobHistory, now: int) -> list[str]:
    """A line for each event, and one more for its remedy; at last what is missing."""
    told: list[str] = []
    for event in history.events:
        told.append(f"{show.moment(event.at, now)}  {sentence(event)}")
        if help_ := remedy(event):
            told.append(f"  {help_}")
    return [*told, *filter(None, [show.clean(history.gap)])]


def failure_lines(told: JobEvent | str, now: int) -> list[str]:
    """The lines about a failed attempt, with its remedy; none about other events. A text is told as it is."""
    if isinstance(told, str):
        return [told]
    if told.kind not in (EventKind.JOB_RELEASED, EventKind.CLAIM_LAPSED):
        return []
    return [f"{sentence(told)}, {show.moment(told.at, now)}", *filter(None, [remedy(told)])]


def sentence(event: JobEvent) -> str:
    """What happened, who did it, and why."""
    who = "an unknown account" if event.party == NOBODY else show.short(format_address(event.party))
    money = format_strk(event.amount_fri)
    match event.kind:
        case EventKind.ORDER_CREATED:
            said = f"posted by {who} for {money}"
        case EventKind.JOB_CLAIMED:
            said = f"claimed by {who}"
        case EventKind.JOB_RELEASED:
            said = f"given back by {who}: {release_words.words(event.reason)[0]}"
        case EventKind.CLAIM_LAPSED:
            said = f"the claim of {who} lapsed: no result came before the lease ended"
        case EventKind.RESULT_SUBMITTED:
            said = f"result submitted by {who}"
        case EventKind.RESULT_DISPUTED:
            said = f"result disputed by {who}"
        case EventKind.DISPUTE_RESOLVED:
            said = f"decided by the arbiter {who}: {_VERDICTS.get(event.reason, event.reason)}"
        case EventKind.JOB_PAID:
            said = f"paid: {money} to {who}"
        case EventKind.JOB_REFUNDED:
            said = f"refunded: {money} back to {who}"
        case _:
            said = event.kind.value
    return show.clean(said)


def remedy(event: JobEvent) -> str:
    """What the creator can do about the end of an attempt; empty if nothing need be said."""
    if event.kind is EventKind.JOB_RELEASED:
        return release_words.words(event.reason)[1]
    return release_words.ANOTHER if event.kind is EventKind.CLAIM_LAPSED else ""


_VERDICTS = {
    "WORKER": "for the worker",
    "CREATOR": "for the creator",
    "NEITHER": "for neither; the worker is paid",
}
