"""The checks of `veriframe doctor`, in the order in which their faults should be fixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from veriframe import doctor
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.kubo.gateways.gateway import Gateways
from veriframe.adapters.kubo.replicas.replica import ReplicatedStore
from veriframe.model.registry.job import Head
from veriframe.ports.registry import ChainFacts, WorkerRegistry
from veriframe.settings import Settings
from veriframe.wiring.limits import scene_limits
from veriframe.wiring.registries import knows_workers
from veriframe.wiring.renderers import build_for_one
from veriframe.wiring.stores import Store
from veriframe.wiring.workers import stakes
from veriframe.worker.reservations import picture_bytes

if TYPE_CHECKING:
    from veriframe.adapters.starknet.trust.trust import Trust


def examinations(
    settings: Settings, account: str, registry: WorkerRegistry, content: Store, *, engines: bool
) -> Sequence[tuple[str, doctor.Examination]]:
    """The checks, in the order in which their faults should be fixed."""
    made: list[BlenderRenderer] = []

    async def blender() -> BlenderRenderer:
        # Built once, and only when needed: it may be missing, which is a finding.
        if not made:
            made.append(await build_for_one(settings))
        return made[0]

    async def about_stakes() -> doctor.Finding:
        return doctor.stakes(await stakes(settings, account, registry))

    async def about_blender() -> doctor.Finding:
        return await doctor.blender(await blender())

    async def about_sandbox() -> doctor.Finding:
        return await doctor.sandbox(await blender())

    async def about_engines() -> doctor.Finding:
        return doctor.engines(await (await blender()).check_engines())

    wanted: list[tuple[str, doctor.Examination]] = [
        ("home", partial(doctor.home, settings.home)),
        ("disk", partial(doctor.disk, settings.home, settings.disk_free_bytes)),
        ("memory", partial(doctor.memory, settings.memory_bytes, settings.slots)),
        ("registry", partial(doctor.registry, registry, _chain_facts(registry))),
        ("content store", partial(doctor.store, content, picture_bytes(scene_limits(settings).pixels))),
        *_about_copies(settings, content),
        ("account", partial(doctor.account, registry, account, registry.account)),
        *_about_standing(registry),
        ("stakes", about_stakes),
        ("Blender", about_blender),
        ("sandbox", about_sandbox),
    ]
    return [*wanted, ("engines", about_engines)] if engines else wanted


def _about_copies(settings: Settings, content: Store) -> Sequence[tuple[str, doctor.Examination]]:
    if not isinstance(content, ReplicatedStore):
        return []

    async def reach() -> Mapping[str, str]:
        faults = dict(await content.reach())
        for source in content.node.sources:
            if isinstance(source, Gateways):
                faults |= await source.reach()
        return faults

    return [("copies", partial(doctor.copies, reach, settings.replica_required))]


def _about_standing(registry: WorkerRegistry) -> Sequence[tuple[str, doctor.Examination]]:
    account = registry.account
    return (
        [("standing", partial(doctor.standing, registry.standing, account))]
        if knows_workers(registry)
        else []
    )


def _chain_facts(registry: WorkerRegistry) -> Callable[[Head], ChainFacts] | None:
    trust: Trust | None = getattr(registry, "trust", None)
    return None if trust is None else trust.facts
