"""Orders and jobs of our contract, from what its views answer to the model's values."""

from __future__ import annotations

from collections.abc import Mapping

from veriframe.adapters.starknet.cairo.codec import Value, refuse
from veriframe.model.registry.job import Address, Job, JobState, Order, Terms


def read_order(told: Value) -> Order:
    """An order, as `get_order` answers. Raises `RegistryUnavailable` where it is none."""
    told = _members(told)
    terms = _members(told.get("terms"))
    return Order(
        id=_number(told, "id"),
        creator=Address(_number(told, "creator")),
        asset_cid=_text(told, "asset_cid"),
        terms=Terms(
            reward_fri=_number(terms, "reward"),
            bond_fri=_number(terms, "bond"),
            deadline=_number(terms, "deadline"),
            lease_seconds=_number(terms, "lease"),
            review_seconds=_number(terms, "review"),
            arbitration_seconds=_number(terms, "arbitration"),
            arbiter=Address(_number(terms, "arbiter")),
            worker=Address(_number(terms, "worker")),
        ),
        first_job=_number(told, "first_job"),
        jobs=_number(told, "jobs"),
        created_at=_number(told, "created_at"),
    )


def order_of(told: Value) -> int:
    """The id of a job's order, as `get_jobs` tells a job. Raises `RegistryUnavailable`."""
    return _number(_members(told), "order")


def read_job(told: Value, order: Order) -> Job:
    """A job of this order, as `get_jobs` tells it. Raises `RegistryUnavailable`."""
    told = _members(told)
    job = Job(
        id=_number(told, "id"),
        order=order,
        part=_number(told, "part"),
        state=_state(told.get("state")),
        worker=Address(_number(told, "worker")),
        claimed_at=_number(told, "claimed_at"),
        lease_end=_number(told, "lease_end"),
        review_end=_number(told, "review_end"),
        arbitration_end=_number(told, "arbitration_end"),
        submitted_block=_number(told, "submitted_block"),
        disputed_block=_number(told, "disputed_block"),
        result_cid=_text(told, "result_cid"),
    )
    if job.id != order.first_job + job.part or job.part >= order.jobs:
        refuse(f"job {job.id} is no part of its order {order.id}")
    return job


def put_terms(terms: Terms) -> Mapping[str, Value]:
    """Terms as `create_order` takes them."""
    return {
        "reward": terms.reward_fri,
        "bond": terms.bond_fri,
        "deadline": terms.deadline,
        "lease": terms.lease_seconds,
        "review": terms.review_seconds,
        "arbitration": terms.arbitration_seconds,
        "arbiter": terms.arbiter,
        "worker": terms.worker,
    }


def number(told: Value) -> int:
    """A number. Raises `RegistryUnavailable` where it is none."""
    return told if isinstance(told, int) else refuse("a number is none")


def number_in(told: Value, name: str) -> int:
    """A struct's member that is a number. Raises `RegistryUnavailable`."""
    return _number(_members(told), name)


def list_in(told: Value, name: str) -> list[Value]:
    """A struct's member that is a list. Raises `RegistryUnavailable`."""
    value = _members(told).get(name)
    return value if isinstance(value, list) else refuse(f"{name} is no list")


def _members(told: Value) -> Mapping[str, Value]:
    return told if isinstance(told, dict) else refuse("a struct is none")


def _number(members: Mapping[str, Value], name: str) -> int:
    value = members.get(name)
    return value if isinstance(value, int) else refuse(f"{name} is no number")


def _text(members: Mapping[str, Value], name: str) -> str:
    # A creator may post bytes that are no text: shown as U+FFFD, which no CID has, and refused as a CID.
    value = members.get(name)
    return value.decode(errors="replace") if isinstance(value, bytes) else refuse(f"{name} is no text")


def _state(told: Value) -> JobState:
    variant = told[0] if isinstance(told, tuple) and isinstance(told[0], str) else ""
    return JobState.__members__.get(variant.upper()) or refuse("a state is none")
