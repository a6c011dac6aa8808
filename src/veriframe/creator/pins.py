"""The pins that a creator's store keeps for jobs, released once they are no longer needed."""

from __future__ import annotations

from contextlib import suppress

from veriframe.errors import JobRejected, Unavailable
from veriframe.model.content.cid import canonical
from veriframe.model.registry.job import Job, Order
from veriframe.model.registry.pin_names import OLD_ASSETS, PinNames, old_asset_job
from veriframe.ports.registry import JobReader, read_jobs
from veriframe.ports.store import ContentStore, Pin


async def rename_old(names: PinNames, registry: JobReader, store: ContentStore) -> None:
    """Rename the pins that an earlier version gave to the scenes of this account's orders.

    Changes only pins of exactly these scenes, because other pins with such names may belong to another
    registry. If the registry or the store is unavailable, the pins keep their names until the next call.
    """
    with suppress(Unavailable):
        for pin in await store.pins(OLD_ASSETS):
            first_job = old_asset_job(pin.name)
            if first_job is not None and await _is_own_scene(pin, first_job, names, registry):
                await store.pin(Pin(cid=pin.cid, name=names.asset(first_job)))
                await store.unpin(pin)


async def _is_own_scene(pin: Pin, first_job: int, names: PinNames, registry: JobReader) -> bool:
    for job in (await registry.snapshot(first_job, 1)).jobs:
        order = job.order
        with suppress(JobRejected):
            return (order.creator, order.first_job, canonical(order.asset_cid)) == (
                names.account,
                first_job,
                canonical(pin.cid),
            )
    return False


async def release_ended(job: Job, names: PinNames, registry: JobReader, store: ContentStore) -> None:
    """Release the evidence of a final job, and its scene if it was its order's last unfinished job.

    If the registry or the store is unavailable, at worst a file is kept too long.
    """
    with suppress(Unavailable):
        name = names.evidence(job.id)
        for pin in await store.pins(name):
            if pin.name == name:
                await store.unpin(pin)
        if await is_over(job.order, registry):
            await store.unpin(Pin(cid=job.order.asset_cid, name=names.asset(job.order.first_job)))


async def is_over(order: Order, registry: JobReader) -> bool:
    """Whether every job of an order is final."""
    found = await read_jobs(registry, order.first_job, order.jobs)
    return len(found) == order.jobs and all(other.state.is_final for other in found)
