"""A job's history from the events in a foreign registry's ABI, by their names and their members' names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from starknet_py.hash.selector import get_selector_from_name

from veriframe.adapters.starknet.cairo.abi import Abi, EventShape, Field
from veriframe.adapters.starknet.cairo.codec import Codec, Value
from veriframe.adapters.starknet.contract.event_log import EventLog, PastEvent
from veriframe.adapters.starknet.foreign.job import cut
from veriframe.adapters.starknet.foreign.shapes import NUMBERS, joined
from veriframe.errors import RegistryUnavailable
from veriframe.model.registry.history import JobEvent, JobHistory
from veriframe.model.registry.job import NOBODY, Address
from veriframe.model.registry.ledger import AMOUNT_MAX_FRI, EventKind

NAMES: Mapping[EventKind, tuple[str, ...]] = {
    EventKind.ORDER_CREATED: ("JobCreated", "JobPosted", "job_created"),
    EventKind.JOB_CLAIMED: ("JobClaimed", "JobAssigned", "job_claimed"),
    EventKind.JOB_RELEASED: ("JobReleased", "ClaimReleased", "job_released"),
    EventKind.RESULT_SUBMITTED: ("ResultSubmitted", "JobSubmitted", "result_submitted"),
    EventKind.RESULT_DISPUTED: ("ResultDisputed", "JobDisputed", "DisputeOpened"),
    EventKind.DISPUTE_RESOLVED: ("DisputeResolved",),
    EventKind.JOB_PAID: ("JobPaid", "JobCompleted", "JobFinalized", "job_completed"),
    EventKind.JOB_REFUNDED: ("JobRefunded", "JobCancelled", "JobCanceled", "job_cancelled"),
}
"""Our kind of each event, and the names that registries use for it."""

NO_EVENTS = "This registry has no events that are known here, so nothing is known of earlier attempts."

_JOB = ("job_id", "job", "id")
_CID = ("cid", "asset", "result", "evidence")
_AMOUNT = ("reward", "amount", "payment")


@dataclass(frozen=True, slots=True)
class _Known:
    """An event that is known here, with the place of the job's id among its members."""

    kind: EventKind
    shape: EventShape
    job: Field

    @property
    def members(self) -> tuple[Field, ...]:
        """Its members: those among the keys, then those among the data."""
        return (*self.shape.keys, *self.shape.data)


async def read_history(events: EventLog, abi: Abi, their_id: int) -> JobHistory:
    """The events of a job with this id of the registry's. Raises `RegistryUnavailable`."""
    known = {get_selector_from_name(name): event for name, event in _known(abi)}
    if not known:
        return JobHistory(gap=NO_EVENTS)
    codec = Codec(abi)

    def members(keys: Sequence[int], data: Sequence[int]) -> dict[str, Value]:
        return _members(codec, known[keys[0]].shape, keys, data)

    def fits(keys: Sequence[int], data: Sequence[int]) -> bool:
        return members(keys, data).get(known[keys[0]].job.name) == their_id

    # Apart, so that no number of others' events hides those that can be asked for by the job's id.
    by_keys: dict[tuple[int, ...], list[int]] = {}
    for selector, event in known.items():
        by_keys.setdefault(_job_keys(codec, event, their_id), []).append(selector)
    found, gaps = list[PastEvent](), list[str]()
    for keys, selectors in by_keys.items():
        some, gap = await events.read([selectors, *([felt] for felt in keys)], fits=fits)
        found += some
        gaps += [gap] if gap and gap not in gaps else []
    told = (
        _job_event(known[one.keys[0]], members(one.keys, one.data), one)
        for one in sorted(found, key=lambda one: one.at)
    )
    return JobHistory(events=tuple(told), gap=" ".join(gaps))


def _known(abi: Abi) -> Iterator[tuple[str, _Known]]:
    for kind, names in NAMES.items():
        for name in names:
            if (shape := abi.events.get(name)) is None:
                continue
            members = (*shape.keys, *shape.data)
            job = next((one for want in _JOB for one in members if one.name == want), None)
            if job is not None and job.type in NUMBERS:
                yield name, _Known(kind, shape, job)


def _job_keys(codec: Codec, event: _Known, their_id: int) -> tuple[int, ...]:
    """The keys that the job's id makes, if it is the event's first key; else none: any job's."""
    if event.shape.keys[:1] != (event.job,):
        return ()
    try:
        return tuple(codec.encode(event.job.type, their_id))
    except ValueError:
        return ()


def _members(codec: Codec, shape: EventShape, keys: Sequence[int], data: Sequence[int]) -> dict[str, Value]:
    """An event's values by name; none if they do not have the event's types."""
    try:
        pairs = [
            *zip(shape.keys, _values(codec, shape.keys, keys[1:]), strict=True),
            *zip(shape.data, _values(codec, shape.data, data), strict=True),
        ]
    except RegistryUnavailable:
        return {}
    return {member.name: value for member, value in pairs}


def _values(codec: Codec, members: Sequence[Field], felts: Sequence[int]) -> list[Value]:
    values = codec.decode(f"({','.join(member.type for member in members)})", felts)
    assert isinstance(values, list), "a tuple's values are a list"
    return values


def _job_event(known: _Known, values: Mapping[str, Value], event: PastEvent) -> JobEvent:
    parties = (values[one.name] for one in known.members if one.type == "ContractAddress")
    party = next(parties, NOBODY)
    amount = next((values[name] for name in _AMOUNT if name in values), 0)
    cid = b"".join(joined(value) for name, value in values.items() if any(word in name for word in _CID))
    return JobEvent(
        kind=known.kind,
        at=event.at,
        party=Address(party if isinstance(party, int) else NOBODY),
        amount_fri=min(amount, AMOUNT_MAX_FRI) if isinstance(amount, int) else 0,
        reason=cut(joined(values.get("reason")).decode(errors="replace")),
        cid=cut(cid.decode(errors="replace")),
    )
