"""Every field of the events that the contract must emit, derived from the model."""

from __future__ import annotations

from tests.fakes.registry import Shared

from veriframe.adapters.starknet.cairo.codec import Value, short_string
from veriframe.model.registry.job import Address
from veriframe.model.registry.ledger import Event, EventKind


def fields_of(event: Event, shared: Shared) -> tuple[str, dict[str, Value]]:
    """An event's name and its fields, named as in the contract's interface, after the move."""
    return event.kind.value, _fields(event, shared)


def _fields(event: Event, shared: Shared) -> dict[str, Value]:
    party, amount = event.party, {"amount": event.amount_fri}
    match event.kind:
        case EventKind.DEPOSITED:
            return {"account": party, **amount}
        case EventKind.WITHDRAWN:
            return {"account": party, "recipient": Address(int(event.note.removeprefix("to "), 16)), **amount}
        case EventKind.ORDER_CREATED:
            order = next(job.order for job in shared.jobs.values() if job.order.id == event.subject)
            parts = {"first_job": order.first_job, "jobs": order.jobs, "asset_cid": order.asset_cid.encode()}
            return {"order_id": order.id, "creator": party, **parts, **amount}
        case _:
            return {"job_id": event.subject, _PARTIES[event.kind]: party, **_besides(event, shared)}


_PARTIES = {
    EventKind.JOB_CLAIMED: "worker",
    EventKind.JOB_RELEASED: "worker",
    EventKind.CLAIM_LAPSED: "worker",
    EventKind.RESULT_SUBMITTED: "worker",
    EventKind.RESULT_DISPUTED: "creator",
    EventKind.DISPUTE_RESOLVED: "arbiter",
    EventKind.JOB_PAID: "worker",
    EventKind.JOB_REFUNDED: "creator",
}


def _besides(event: Event, shared: Shared) -> dict[str, Value]:
    job, amount, note = shared.jobs[event.subject], {"amount": event.amount_fri}, event.note.encode()
    match event.kind:
        case EventKind.JOB_CLAIMED:
            return {"lease_end": job.lease_end, **amount}
        case EventKind.JOB_RELEASED:
            return {"reason": short_string(note), **amount}
        case EventKind.RESULT_SUBMITTED:
            return {"review_end": job.review_end, "result_cid": note}
        case EventKind.RESULT_DISPUTED:
            return {"arbitration_end": job.arbitration_end, "evidence_cid": note, **amount}
        case EventKind.DISPUTE_RESOLVED:
            verdict, evidence_cid = event.note.split(" ")
            return {"verdict": (verdict.capitalize(), []), "evidence_cid": evidence_cid.encode()}
        case _:
            return {**amount}
