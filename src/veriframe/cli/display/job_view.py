"""Views of a job: rows, facts and sentences for people, objects for scripts."""

from __future__ import annotations

from typing import Any

from veriframe.cli import context
from veriframe.cli.display import show
from veriframe.creator.values import Posted
from veriframe.model.registry.job import NOBODY, Address, JobState, Terms, format_address, format_strk
from veriframe.model.registry.job_status import JobStatus

DEFAULT_ACCOUNT = "creator"
"""The acting account if none was named."""

COLUMNS = ("job", "state", "reward", "worker", "waits for", "asset")

_NO_TIME = "–"


def as_object(status: JobStatus) -> dict[str, Any]:
    """A job for scripts: amounts in fri, times in chain seconds, spans in seconds; `null` is "not yet"."""
    job = status.job
    return {
        "job_id": job.id,
        "order_id": job.order.id,
        "part": job.part,
        "state": job.state.value,
        "lapsed": job.is_lapsed(status.now),
        "creator": format_address(job.order.creator),
        "worker": _somebody(job.worker),
        "asset_cid": job.order.asset_cid,
        "result_cid": job.result_cid or None,
        **terms_object(job.terms),
        "created_at": job.order.created_at,
        "claimed_at": job.claimed_at or None,
        "lease_end": job.lease_end or None,
        "review_end": job.review_end or None,
        "arbitration_end": job.arbitration_end or None,
        "now": status.now,
    }


def terms_object(terms: Terms) -> dict[str, Any]:
    """Terms for scripts. `named_worker`, if set, is the only worker who may claim."""
    return {
        "reward_fri": terms.reward_fri,
        "bond_fri": terms.bond_fri,
        "deadline": terms.deadline,
        "lease_seconds": terms.lease_seconds,
        "review_seconds": terms.review_seconds,
        "arbitration_seconds": terms.arbitration_seconds,
        "arbiter": _somebody(terms.arbiter),
        "named_worker": _somebody(terms.worker),
    }


def posted_object(posted: Posted) -> dict[str, Any]:
    """A new order for scripts."""
    return {
        "job_ids": list(posted.jobs),
        "asset_cid": posted.asset_cid,
        "deposited_fri": posted.deposited_fri,
        **terms_object(posted.terms),
    }


def row(status: JobStatus, *, whole: bool) -> tuple[str, ...]:
    """A job as a row under `COLUMNS`; addresses and CIDs `whole`, or short enough for a terminal."""
    job = status.job
    worker, asset_cid = _named(job.worker), job.order.asset_cid
    return (
        str(job.id),
        state(status),
        format_strk(job.terms.reward_fri),
        worker if whole else show.short(worker),
        waits(status) or _NO_TIME,
        asset_cid if whole else show.short(asset_cid),
    )


def state(status: JobStatus) -> str:
    """The registry's state, and whether the claim has lapsed."""
    lapsed = " (lapsed)" if status.job.is_lapsed(status.now) else ""
    return f"{status.job.state}{lapsed}"


def waits(status: JobStatus) -> str:
    """The current time limit, such as `review ends in 9m12s`. Empty if there is none."""
    limit = status.waits_for
    return "" if limit is None else f"{limit[0]} ends in {show.span(limit[1] - status.now)}"


def facts(status: JobStatus) -> dict[str, str]:
    """The details of a job, for people."""
    job, terms = status.job, status.job.terms
    return {
        "state": state(status),
        "waits for": waits(status) or _NO_TIME,
        "order": f"{job.order.id}, part {job.part + 1} of {job.order.jobs}",
        "creator": format_address(job.order.creator),
        "worker": _named(job.worker),
        "asset": job.order.asset_cid,
        "result": job.result_cid or ("none" if job.state.is_final else "none yet"),
        **terms_facts(terms),
        "next": next_step(status),
    }


def terms_facts(terms: Terms) -> dict[str, str]:
    """Terms for people."""
    pairs = {
        "reward": format_strk(terms.reward_fri),
        "bond": format_strk(terms.bond_fri),
        "lease": show.span(terms.lease_seconds),
        "review": show.span(terms.review_seconds),
    }
    if terms.arbiter != NOBODY:
        pairs |= {
            "arbiter": format_address(terms.arbiter),
            "arbitration": show.span(terms.arbitration_seconds),
        }
    if terms.worker != NOBODY:
        pairs["only for"] = format_address(terms.worker)
    return pairs


def next_step(status: JobStatus) -> str:
    """The next event, and what the creator can do."""
    job, number = status.job, status.job.id
    if job.state is JobState.OPEN or job.is_lapsed(status.now):
        if status.waits_for is None:
            return f"It can no longer be claimed. `veriframe job cancel {number}` returns the reward."
        return f"It waits for a worker. Until one claims it, `veriframe job cancel {number}` cancels it."
    if job.state is JobState.SUBMITTED:
        dispute = f", or `veriframe job dispute {number}`" if status.may_be_disputed else ""
        return (
            f"`veriframe job fetch {number}`, then `veriframe job accept {number}`{dispute}. "
            "After the review anyone may trigger the payment."
        )
    return {
        JobState.CLAIMED: "A worker renders it and must submit before the lease ends.",
        JobState.DISPUTED: "The arbiter decides. If there is no decision in time, the worker is paid.",
        JobState.PAID: f"Done. `veriframe job fetch {number}` downloads the picture.",
        JobState.REFUNDED: "Done. The reward is its creator's credit again and pays for the next job. "
        f"`veriframe --account {context.account(DEFAULT_ACCOUNT)} account withdraw STRK` withdraws it.",
    }[job.state]


def sentence(status: JobStatus) -> str:
    """The status of a job in one line, for a log of changes."""
    job = status.job
    by = f" by {_named(job.worker)}" if job.worker != NOBODY else ""
    limit = waits(status)
    result = f", result {job.result_cid}" if job.result_cid else ""
    return show.clean(f"job {job.id} {state(status)}{by}{', ' + limit if limit else ''}{result}")


def print_job(status: JobStatus, *, as_json: bool) -> None:
    """Print the details of a job."""
    if as_json:
        show.as_json(as_object(status))
        return
    show.facts(f"Job {status.job.id}", facts(status))


def _somebody(address: Address) -> str | None:
    return None if address == NOBODY else format_address(address)


def _named(address: Address) -> str:
    return _somebody(address) or "nobody"
