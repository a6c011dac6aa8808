"""Which results are verified: of the jobs that were named, those that have one, and the frames asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from veriframe.cli import context
from veriframe.cli.display.activity import activity
from veriframe.cli.display.outcomes import Outcomes
from veriframe.creator.orders.orders import Orders
from veriframe.errors import JobRejected, MoveRefused, SettingsError
from veriframe.model.bundle.chunks import frames_of
from veriframe.model.quantities import plural
from veriframe.model.registry.job import Job
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.rendering.frames import format_frames

_MOST_JOBS = 5
"""The most jobs whose frames are told."""


def chosen(
    orders: Orders, numbers: Sequence[int], frames: Sequence[int], outcomes: Outcomes
) -> list[JobStatus]:
    """The jobs that have a result, and some of `frames` (empty: any). What is wrong with others is told.

    Raises `SettingsError` for a frame that none of the jobs has, and what is wrong with a single job.
    """
    found, having = list[JobStatus](), dict[int, tuple[int, ...]]()
    with activity("asking the registry for the jobs"):
        for number in numbers:
            with outcomes.of(job_id=number):
                found.append(context.run(_with_result(orders, number)))
                if frames and (own := context.run(_frames(orders, found[-1].job))) is not None:
                    having[number] = own
    if len(having) < len(found) or not having:
        # What is not known now is known once the result's manifest is there.
        return found
    require_frames(frames, having)
    kept = list[JobStatus]()
    for status in found:
        with outcomes.of(job_id=status.job.id):
            own = having[status.job.id]
            if set(frames).isdisjoint(own):
                raise SettingsError(f"Job {status.job.id} has none of these frames, but {_words(own)}.")
            kept.append(status)
    return kept


def require_frames(wanted: Sequence[int], having: Mapping[int, Sequence[int]]) -> None:
    """Raise `SettingsError` if one of the `wanted` frames is in no job; `having` are the frames of each."""
    absent = sorted(set(wanted).difference(*having.values()))
    if not absent:
        return
    has = "; ".join(f"job {number} has {_words(own)}" for number, own in [*having.items()][:_MOST_JOBS])
    more = f"; and {len(having) - _MOST_JOBS} more" if len(having) > _MOST_JOBS else ""
    raise SettingsError(f"--frames: there is no {_words(absent)} here: {has}{more}.")


def _words(frames: Sequence[int]) -> str:
    return f"{plural(len(frames), 'frame')} {format_frames(tuple(frames))}"


async def _with_result(orders: Orders, number: int) -> JobStatus:
    status = await orders.jobs.status(number)
    if not status.job.result_cid:
        raise MoveRefused(
            "NO_RESULT", f"Job {number} has no result yet. Wait with: veriframe job watch {number}."
        )
    return status


async def _frames(orders: Orders, job: Job) -> tuple[int, ...] | None:
    """The frames of a job, by its order's `job.json`; None if that cannot be used, which is told later."""
    try:
        bundle = await orders.bundle(job.order)
    except JobRejected:
        return None
    return (1,) if bundle is None else frames_of(bundle, job.part)
