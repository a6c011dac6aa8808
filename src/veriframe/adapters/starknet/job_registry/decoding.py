"""Decodes orders and jobs of our contract from its views' answers."""

from __future__ import annotations

from collections.abc import Mapping

from veriframe.adapters.starknet.cairo.codec import Value, refuse
from veriframe.model.registry.job import Address, Job, JobState, Order, Terms


def read_order(answer: Value) -> Order:
    """An order from the answer of `get_order`. Raises `RegistryUnavailable` if it does not fit."""
    terms = _members(answer).get("terms")
    return Order(
        id=number_in(answer, "id"),
        creator=Address(number_in(answer, "creator")),
        asset_cid=_text(answer, "asset_cid"),
        terms=Terms(
            reward_fri=number_in(terms, "reward"),
            bond_fri=number_in(terms, "bond"),
            deadline=number_in(terms, "deadline"),
            lease_seconds=number_in(terms, "lease"),
            review_seconds=number_in(terms, "review"),
            arbitration_seconds=number_in(terms, "arbitration"),
            arbiter=Address(number_in(terms, "arbiter")),
            worker=Address(number_in(terms, "worker")),
        ),
        first_job=number_in(answer, "first_job"),
        jobs=number_in(answer, "jobs"),
        created_at=number_in(answer, "created_at"),
    )


def order_of(answer: Value) -> int:
    """The order id of a job from the answer of `get_jobs`. Raises `RegistryUnavailable`."""
    return number_in(answer, "order")


def read_job(answer: Value, order: Order) -> Job:
    """A job of this order from the answer of `get_jobs`. Raises `RegistryUnavailable`."""
    job = Job(
        id=number_in(answer, "id"),
        order=order,
        part=number_in(answer, "part"),
        state=_state(_members(answer).get("state")),
        worker=Address(number_in(answer, "worker")),
        claimed_at=number_in(answer, "claimed_at"),
        lease_end=number_in(answer, "lease_end"),
        review_end=number_in(answer, "review_end"),
        arbitration_end=number_in(answer, "arbitration_end"),
        submitted_block=number_in(answer, "submitted_block"),
        disputed_block=number_in(answer, "disputed_block"),
        result_cid=_text(answer, "result_cid"),
    )
    if job.id != order.first_job + job.part or job.part >= order.jobs:
        refuse(f"job {job.id} is not part of its order {order.id}")
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


def number(value: Value) -> int:
    """A number. Raises `RegistryUnavailable` if it is not one."""
    return value if isinstance(value, int) else refuse("a number is missing")


def number_in(struct: Value, name: str) -> int:
    """A struct's member that is a number. Raises `RegistryUnavailable`."""
    value = _members(struct).get(name)
    return value if isinstance(value, int) else refuse(f"{name} is not a number")


def list_in(struct: Value, name: str) -> list[Value]:
    """A struct's member that is a list. Raises `RegistryUnavailable`."""
    value = _members(struct).get(name)
    return value if isinstance(value, list) else refuse(f"{name} is not a list")


def _members(value: Value) -> Mapping[str, Value]:
    return value if isinstance(value, dict) else refuse("a struct is missing")


def _text(struct: Value, name: str) -> str:
    # A creator may post bytes that are not text: they become U+FFFD, which no CID has, and fail as a CID.
    value = _members(struct).get(name)
    return value.decode(errors="replace") if isinstance(value, bytes) else refuse(f"{name} is not a text")


def _state(value: Value) -> JobState:
    variant = value[0] if isinstance(value, tuple) and isinstance(value[0], str) else ""
    return JobState.__members__.get(variant.upper()) or refuse("a state is unknown")
