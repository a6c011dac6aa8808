"""Views of a job's history: sentences for people, objects for scripts."""

from __future__ import annotations

from collections.abc import Sequence
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
        said = Text(sentence(event, history)).append(
            f"\n{remedy(event)}" if remedy(event) else "", style="dim"
        )
        grid.add_row(show.moment(event.at, now), said)
    if history.gap:
        grid.add_row("", Text(show.clean(history.gap), style="dim"))
    show.out.print(Padding(grid, (0, 0, 0, 2)))


def lines(history: JobHistory, now: int) -> list[str]:
    """A line for each event, and one more for its remedy; at last what is missing."""
    told: list[str] = []
    for event in history.events:
        told.append(f"{show.moment(event.at, now)}  {sentence(event, history)}")
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


def sentence(event: JobEvent, history: JobHistory | None = None) -> str:
    """What happened, who did it, and why. By its `history`, also what a sum of money is made of."""
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
            said = f"paid: {money} to {who}{_parts(event, history)}"
        case EventKind.JOB_REFUNDED:
            said = f"refunded: {money} back to {who}{_parts(event, history)}"
        case _:
            said = event.kind.value
    return show.clean(said)


def _parts(event: JobEvent, history: JobHistory | None) -> str:
    """Of a payment or a refund: the reward, and bonds with it. Empty without a bond, or if not known."""
    before = history.events if history is not None else ()
    reward_fri = _last_fri(before, EventKind.ORDER_CREATED)
    own, other = EventKind.JOB_CLAIMED, EventKind.RESULT_DISPUTED
    if event.kind is EventKind.JOB_REFUNDED:
        own, other = other, own
    bond_fri, other_fri = _last_fri(before, own), _last_fri(before, other)
    more_fri = event.amount_fri - reward_fri
    if not reward_fri or not bond_fri or more_fri not in (bond_fri, bond_fri + other_fri):
        return ""
    won = f", and {format_strk(other_fri)} the bond of the other side" if more_fri > bond_fri else ""
    return f"; {format_strk(reward_fri)} is the reward, {format_strk(bond_fri)} its own bond, returned{won}"


def _last_fri(events: Sequence[JobEvent], kind: EventKind) -> int:
    return next((event.amount_fri for event in reversed(events) if event.kind is kind), 0)


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
