"""Views of a job's history: sentences for people, objects for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from veriframe.cli.display import release_words, show
from veriframe.model.registry.history import JobEvent, JobHistory
from veriframe.model.registry.job import NOBODY, format_address, format_strk
from veriframe.model.registry.ledger import EventKind


def as_objects(events: Sequence[JobEvent]) -> list[dict[str, Any]]:
    """Events for scripts: amounts in fri, times in chain seconds; `null` where there is nothing."""
    return [
        {
            "at": event.at,
            "event": event.kind.value,
            "who": None if event.party == NOBODY else format_address(event.party),
            "reason": event.reason or None,
            "cid": event.cid or None,
            "amount_fri": event.amount_fri,
            "remedy": remedy(event) or None,
        }
        for event in events
    ]


def lines(history: JobHistory, now: int) -> list[str]:
    """The history for people at `now` (chain seconds): a line for each event, one more for its remedy."""
    told: list[str] = []
    for event in history.events:
        told.append(f"{when(event.at, now)}  {sentence(event)}")
        if help_ := remedy(event):
            told.append(f"    {help_}")
    return [*told, *([history.gap] if history.gap else [])]


def when(at: int, now: int) -> str:
    """A time of day here, with the date if it is another day, and how long ago."""
    moment, today = datetime.fromtimestamp(at).astimezone(), datetime.fromtimestamp(now).astimezone()
    form = "%H:%M:%S" if moment.date() == today.date() else "%Y-%m-%d %H:%M"
    ago = f"{show.span(now - at)} ago" if at < now else "now"
    return f"{moment:{form}} ({ago})"


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
