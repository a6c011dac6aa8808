"""What a worker has earned: the journal's attempts, with the registry's figures where only it is exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.earnings import Settled, needs_events, settled
from veriframe.model.registry.history import told_from_start
from veriframe.model.registry.job import Address, Job
from veriframe.ports.registry import JobReader


async def read_settled(
    registry: JobReader, account: Address, attempts: Sequence[Attempt]
) -> Mapping[int, Settled]:
    """What the registry says of the money of those attempts whose journal may be inexact, by their number.

    An attempt is left out if the registry does not have all events of its job. Raises `RegistryUnavailable`.
    """
    claimed = {a.job_id: a for a in attempts if Stage.CLAIMED in a.reached and a.stage.is_end}
    found: dict[int, Settled] = {}
    for job, now in await _read(registry, sorted(claimed)):
        attempt = claimed[job.id]
        if needs_events(attempt, job):
            history = await registry.history(job)
            if not history.gap:
                events = told_from_start(job, history.events, now)
                found[attempt.number] = settled(events, account, job)
    return found


async def _read(registry: JobReader, ids: Sequence[int]) -> list[tuple[Job, int]]:
    """These jobs, each with its time in chain seconds, in as few calls as their numbers allow."""
    jobs: list[tuple[Job, int]] = []
    size, left = registry.jobs_at_once, list(ids)
    while left:
        first = left[0]
        snapshot = await registry.snapshot(first, size)
        shown = {job.id: job for job in snapshot.jobs}
        jobs += [(shown[n], snapshot.head.time) for n in left if n < first + size and n in shown]
        left = [job_id for job_id in left if job_id >= first + size]
    return jobs
