"""Decodes orders and jobs of our contract from its views' answers."""

from __future__ import annotations

from collections.abc import Mapping

from veriframe.adapters.starknet.cairo.codec import Value, refuse
from veriframe.model.registry.job import Address, Job, JobState, Order, Terms


def read_order(answer: Value) -> Order:
    """An order from the answer of `get_order`. Raises `RegistryUnavailable` if it does not fit."""
    answer = _members(answer)
    terms = _members(answer.get("terms"))
    return Order(
        id=_number(answer, "id"),
        creator=Address(_number(answer, "creator")),
        asset_cid=_text(answer, "asset_cid"),
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
        first_job=_number(answer, "first_job"),
        jobs=_number(answer, "jobs"),
        created_at=_number(answer, "created_at"),
    )


def order_of(answer: Value) -> int:
    """The order id of a job from the answer of `get_jobs`. Raises `RegistryUnavailable`."""
    return _number(_members(answer), "order")


def read_job(answer: Value, order: Order) -> Job:
    """A job of this order from the answer of `get_jobs`. Raises `RegistryUnavailable`."""
    answer = _members(answer)
    job = Job(
        id=_number(answer, "id"),
        order=order,
        part=_number(answer, "part"),
        state=_state(answer.get("state")),
        worker=Address(_number(answer, "worker")),
        claimed_at=_number(answer, "claimed_at"),
        lease_end=_number(answer, "lease_end"),
        review_end=_number(answer, "review_end"),
        arbitration_end=_number(answer, "arbitration_end"),
        submitted_block=_number(answer, "submitted_block"),
        disputed_block=_number(answer, "disputed_block"),
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
    return _number(_members(struct), name)


def list_in(struct: Value, name: str) -> list[Value]:
    """A struct's member that is a list. Raises `RegistryUnavailable`."""
    value = _members(struct).get(name)
    return value if isinstance(value, list) else refuse(f"{name} is not a list")


def _members(value: Value) -> Mapping[str, Value]:
    return value if isinstance(value, dict) else refuse("a struct is missing")


def _number(members: Mapping[str, Value], name: str) -> int:
    value = members.get(name)
    return value if isinstance(value, int) else refuse(f"{name} is not a number")


def _text(members: Mapping[str, Value], name: str) -> str:
    # A creator may post bytes that are not text: they become U+FFFD, which no CID has, and fail as a CID.
    value = members.get(name)
    return value.decode(errors="replace") if isinstance(value, bytes) else refuse(f"{name} is not a text")


def _state(value: Value) -> JobState:
    variant = value[0] if isinstance(value, tuple) and isinstance(value[0], str) else ""
    return JobState.__members__.get(variant.upper()) or refuse("a state is unknown")
