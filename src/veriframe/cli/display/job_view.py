"""Views of a job: rows, facts and sentences for people, objects for scripts."""

from __future__ import annotations

from typing import Any

from veriframe.cli import context
from veriframe.cli.display import scene_view, show
from veriframe.creator.values import Posted
from veriframe.model.quantities import format_span, format_strk
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Terms, format_address
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.registry.ledger import TIME_MAX
from veriframe.model.rendering.scene import SceneVerdict

DEFAULT_ACCOUNT = "creator"
"""The acting account if none was named."""

BRIEF_COLUMNS = ("job", "scene", "state", "reward", "age", "progress")
COLUMNS = (*BRIEF_COLUMNS, "worker", "asset")

_NO_TIME = "–"


def as_object(status: JobStatus, scene: str | None = None) -> dict[str, Any]:
    """A job for scripts: amounts in fri, times in chain seconds, spans in seconds; `null` is "not yet".

    `scene` is the name of its file, if this account noted it.
    """
    job = status.job
    return {
        "job_id": job.id,
        "order_id": job.order.id,
        "part": job.part,
        "state": job.state.value,
        "lapsed": job.is_lapsed(status.now),
        "creator": format_address(job.order.creator),
        "worker": _somebody(job.worker),
        "scene": scene,
        "asset_cid": job.order.asset_cid,
        "result_cid": job.result_cid or None,
        **(_their_terms(job.terms) if status.is_foreign else terms_object(job.terms)),
        "created_at": job.order.created_at or None,
        "claimed_at": job.claimed_at or None,
        "lease_end": _time(job.lease_end),
        "review_end": _time(job.review_end),
        "arbitration_end": job.arbitration_end or None,
        "waiting_since": status.since,
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


def _their_terms(terms: Terms) -> dict[str, Any]:
    """The terms at a registry of another maker, of which only two are known."""
    unknown: dict[str, Any] = dict.fromkeys(terms_object(terms))
    return unknown | {"reward_fri": terms.reward_fri, "deadline": _time(terms.deadline)}


def _time(at: int) -> int | None:
    """A time in chain seconds; None for "never" and for "not yet"."""
    return at if 0 < at < TIME_MAX else None


def posted_object(posted: Posted, scene: str, verdict: SceneVerdict | None) -> dict[str, Any]:
    """A new order for scripts."""
    return {
        "job_ids": list(posted.jobs),
        "scene": scene,
        "check": scene_view.as_object(verdict),
        "asset_cid": posted.asset_cid,
        "deposited_fri": posted.deposited_fri,
        **terms_object(posted.terms),
    }


def row(status: JobStatus, scene: str | None, *, whole: bool) -> tuple[str, ...]:
    """A job as a row under `COLUMNS` if `whole`, else under `BRIEF_COLUMNS`.

    A scene whose name is not known is shown by its CID.
    """
    job, asset_cid = status.job, status.job.order.asset_cid
    brief = (
        str(job.id),
        scene or ("" if whole else show.short(asset_cid)),
        state(status),
        format_strk(job.terms.reward_fri),
        show.rough_span(status.now - job.order.created_at) if job.order.created_at else _NO_TIME,
        progress(status) or _NO_TIME,
    )
    return (*brief, _named(job.worker), asset_cid) if whole else brief


def state(status: JobStatus) -> str:
    """The registry's state, and whether the claim has lapsed."""
    lapsed = " (lapsed)" if status.job.is_lapsed(status.now) else ""
    return f"{status.job.state}{lapsed}"


def waits(status: JobStatus) -> str:
    """The current time limit, such as `review ends in 9m12s`. Empty if there is none."""
    limit = status.waits_for
    return "" if limit is None else f"{limit[0]} ends in {format_span(limit[1] - status.now)}"


def progress(status: JobStatus) -> str:
    """What a job waits for and, as far as it is known, since when and until when. Empty if it is final."""
    job, now, since = status.job, status.now, status.since
    if job.state.is_final:
        return ""
    what = {
        JobState.OPEN: "no worker",
        JobState.CLAIMED: "worker gone" if job.is_lapsed(now) else "at a worker",
        JobState.SUBMITTED: "picture ready",
        JobState.DISPUTED: "at the arbiter",
    }[job.state]
    limit = status.waits_for
    waited = "" if since is None else f" for {show.rough_span(now - since)}"
    over = "" if status.is_foreign else ", time is over"
    until = f", {limit[0]} in {show.rough_span(limit[1] - now)}" if limit else over
    return f"{what}{waited}{until}"


def facts(status: JobStatus, scene: str | None = None) -> dict[str, str]:
    """The details of a job, for people."""
    job, terms = status.job, status.job.terms
    order = f"{job.order.id}, part {job.part + 1} of {job.order.jobs}"
    return {
        "state": state(status),
        "waits for": _waits_until(status),
        **({"scene": scene} if scene else {}),
        **({} if status.is_foreign else {"order": order}),
        "creator": format_address(job.order.creator),
        "worker": _named(job.worker),
        "asset": job.order.asset_cid,
        "result": job.result_cid or ("none" if job.state.is_final else "none yet"),
        **(_their_facts(terms) if status.is_foreign else terms_facts(terms)),
        "next": next_step(status),
    }


def _waits_until(status: JobStatus) -> str:
    limit = status.waits_for
    return _NO_TIME if limit is None else f"the end of the {limit[0]}, {show.moment(limit[1], status.now)}"


def _their_facts(terms: Terms) -> dict[str, str]:
    """The one term that is known at a registry of another maker, whose token is not."""
    return {"reward": f"{format_strk(terms.reward_fri)}, if it is paid in STRK"}


def terms_facts(terms: Terms) -> dict[str, str]:
    """Terms for people."""
    pairs = {
        "reward": format_strk(terms.reward_fri),
        "bond": format_strk(terms.bond_fri),
        "lease": format_span(terms.lease_seconds),
        "review": format_span(terms.review_seconds),
    }
    if terms.arbiter != NOBODY:
        pairs |= {
            "arbiter": format_address(terms.arbiter),
            "arbitration": format_span(terms.arbitration_seconds),
        }
    if terms.worker != NOBODY:
        pairs["only for"] = format_address(terms.worker)
    return pairs


def next_step(status: JobStatus) -> str:
    """The next event, and what the creator can do."""
    job, number = status.job, status.job.id
    if status.is_foreign:
        return _their_next_step(job)
    if job.state is JobState.OPEN or job.is_lapsed(status.now):
        if status.waits_for is None:
            return f"It can no longer be claimed. `veriframe job cancel {number}` returns the reward."
        return f"It waits for a worker. Until one claims it, `veriframe job cancel {number}` cancels it."
    if job.state is JobState.SUBMITTED:
        dispute = f", or `veriframe job dispute {number}`" if status.may_be_disputed else ""
        return (
            f"{_fetch(job)}, then `veriframe job accept {number}`{dispute}. "
            "After the review anyone may trigger the payment."
        )
    return {
        JobState.CLAIMED: "A worker renders it and must submit before the lease ends.",
        JobState.DISPUTED: f"The arbiter decides: `veriframe --account NAME job resolve {number} --verdict "
        "worker|creator|neither`. If there is no decision in time, the worker is paid.",
        JobState.PAID: f"Done. To download it: {_fetch(job)}.",
        JobState.REFUNDED: "Done. The reward is its creator's credit again and pays for the next job. "
        f"`veriframe --account {context.account(DEFAULT_ACCOUNT)} account withdraw STRK` withdraws it.",
    }[job.state]


def _fetch(job: Job) -> str:
    """The command that fetches the result: frames are fetched by their order, a picture by its job."""
    of_order = f"`veriframe order fetch {job.order.id}`"
    # A job that is its whole order may be of a scene or of frames: only its asset tells.
    return of_order if job.order.jobs > 1 else f"`veriframe job fetch {job.id}` (of frames: {of_order})"


def _their_next_step(job: Job) -> str:
    """What comes next at a registry of another maker, as far as that is known."""
    if job.result_cid:
        return (
            f"`veriframe job fetch {job.id}` downloads the result. All else needs the registry's own tools."
        )
    return {JobState.OPEN: "It waits for a worker.", JobState.CLAIMED: "A worker renders it."}.get(
        job.state, "The registry shows no result."
    )


def sentence(status: JobStatus) -> str:
    """The status of a job in one line, for a log of changes."""
    job = status.job
    by = f" by {_named(job.worker)}" if job.worker != NOBODY else ""
    limit = waits(status)
    result = f", result {job.result_cid}" if job.result_cid else ""
    return show.clean(f"job {job.id} {state(status)}{by}{', ' + limit if limit else ''}{result}")


def _somebody(address: Address) -> str | None:
    return None if address == NOBODY else format_address(address)


def _named(address: Address) -> str:
    return _somebody(address) or "nobody"
