"""A job's history from our contract's events."""

from __future__ import annotations

from collections.abc import Mapping

from starknet_py.hash.selector import get_selector_from_name

from veriframe.adapters.starknet.cairo.abi import Abi
from veriframe.adapters.starknet.cairo.codec import Codec, short_bytes
from veriframe.adapters.starknet.contract.event_log import EventLog, PastEvent
from veriframe.errors import RegistryUnavailable
from veriframe.model.registry.history import JobEvent, JobHistory
from veriframe.model.registry.job import Address, Job, Terms, Verdict
from veriframe.model.registry.ledger import CID_MAX_BYTES, TIME_MAX, EventKind

UNREADABLE = "Some events cannot be read: they are missing."

_DATA: Mapping[EventKind, str] = {
    EventKind.JOB_CLAIMED: "(u128,u64)",
    EventKind.JOB_RELEASED: "(u128,felt252)",
    EventKind.CLAIM_LAPSED: "(u128)",
    EventKind.RESULT_SUBMITTED: "(u64,ByteArray)",
    EventKind.RESULT_DISPUTED: "(u128,u64,ByteArray)",
    EventKind.DISPUTE_RESOLVED: "(u8,ByteArray)",
    EventKind.JOB_PAID: "(u128)",
    EventKind.JOB_REFUNDED: "(u128)",
}
"""The types of each event's data. The keys are its name, the job and the party."""
_KINDS = {get_selector_from_name(kind.value): kind for kind in _DATA}
_VERDICTS = {0: Verdict.WORKER.value, 1: Verdict.CREATOR.value, 2: Verdict.NEITHER.value}
"""By their numbers in the contract."""


async def read_history(events: EventLog, job: Job) -> JobHistory:
    """The events of a job, as far as the node has them. Raises `RegistryUnavailable`.

    Where an event tells the end of a time limit, its time is the one by which the contract counted.
    """
    found, gap = await events.read([_KINDS, [job.id]], since=job.order.created_at)
    read = [_job_event(event, job.terms) for event in found]
    told = tuple(event for event in read if event is not None)
    return JobHistory(events=told, gap=gap or (UNREADABLE if len(told) < len(read) else ""))


def _job_event(event: PastEvent, terms: Terms) -> JobEvent | None:
    """One event; None if its data are not those of such an event."""
    if len(event.keys) != 3:
        return None
    kind = _KINDS[event.keys[0]]
    try:
        values = Codec(Abi({}, {}, {})).decode(_DATA[kind], event.data)
    except RegistryUnavailable:
        return None
    assert isinstance(values, list), "a tuple's values are a list"
    at, amount_fri, reason = event.at, values[0], ""
    match kind:
        case EventKind.JOB_CLAIMED:
            at = values[1] - terms.lease_seconds
        case EventKind.JOB_RELEASED:
            reason = short_bytes(values[1]).decode(errors="replace")
        case EventKind.RESULT_SUBMITTED:
            at, amount_fri = values[0] - terms.review_seconds, 0
        case EventKind.RESULT_DISPUTED:
            at = values[1] - terms.arbitration_seconds
        case EventKind.DISPUTE_RESOLVED:
            amount_fri, reason = 0, _VERDICTS.get(values[0], "")
    if not 0 <= at <= TIME_MAX:
        return None
    text = values[-1] if isinstance(values[-1], bytes) else b""
    return JobEvent(
        kind=kind,
        at=at,
        party=Address(event.keys[2]),
        amount_fri=amount_fri,
        reason=reason,
        cid=text[:CID_MAX_BYTES].decode(errors="replace"),
    )
