"""What a creator's store keeps for a job, and until when: released once nobody needs it any more."""

from __future__ import annotations

from contextlib import suppress

from veriframe.errors import Unavailable
from veriframe.model.job import Job
from veriframe.ports import ContentStore, OrderDesk, Pin


def asset_pin(asset_cid: str, first_job: int) -> Pin:
    """Why a scene is kept: the order that begins with this job."""
    return Pin(cid=asset_cid, name=f"order-asset-{first_job}")


def evidence_name(job_id: int) -> str:
    """Under which name the evidence of a dispute is kept."""
    return f"job-evidence-{job_id}"


async def release_ended(job: Job, desk: OrderDesk, store: ContentStore) -> None:
    """Release what was kept for a final job: evidence, and the scene where it was its order's last job.

    A registry or a store that is away is no error: at worst a file is kept too long.
    """
    with suppress(Unavailable):
        name = evidence_name(job.id)
        for pin in [pin for pin in await store.pins() if pin.name == name]:
            await store.unpin(pin)
        if await _is_over(job, desk):
            await store.unpin(asset_pin(job.order.asset_cid, job.order.first_job))


async def _is_over(job: Job, desk: OrderDesk) -> bool:
    """Whether every job of this one's order is final."""
    found = await desk.get_jobs(job.order.first_job, job.order.jobs)
    return len(found) == job.order.jobs and all(other.state.is_final for other in found)
