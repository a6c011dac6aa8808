"""The checks of `veriframe doctor`, in the order in which their faults should be fixed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from veriframe import doctor
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.ports.registry import OpenedRegistry
from veriframe.ports.store import ContentStore
from veriframe.settings import Settings
from veriframe.wiring.limits import scene_limits
from veriframe.wiring.renderers import build_for_one
from veriframe.wiring.workers import stakes
from veriframe.worker.shared.lanes import inspections
from veriframe.worker.shared.reservations import picture_bytes


def examinations(
    settings: Settings, account: str, opened: OpenedRegistry, content: ContentStore, *, engines: bool
) -> Sequence[tuple[str, doctor.Examination]]:
    """The checks, in the order in which their faults should be fixed."""
    registry, membership = opened.worker, opened.membership
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
        ("memory", partial(doctor.memory, settings.memory_bytes, *_memory(settings))),
        ("registry", partial(doctor.registry, registry, opened.chain_facts)),
        ("content store", partial(doctor.store, content, picture_bytes(scene_limits(settings).pixels))),
        *((check.name, partial(doctor.places, check)) for check in content.checks()),
        ("account", partial(doctor.account, registry, account, registry.account)),
        *(
            [("standing", partial(doctor.standing, membership.standing, registry.account))]
            if membership
            else ()
        ),
        ("stakes", about_stakes),
        ("Blender", about_blender),
        ("sandbox", about_sandbox),
    ]
    return [*wanted, ("engines", about_engines)] if engines else wanted


def _memory(settings: Settings) -> tuple[int, int]:
    """How many Blenders may use all of their memory at once, and the bytes of those that wait."""
    processes = settings.slots + inspections(settings.slots)
    return processes, (settings.spares + settings.slots) * settings.spare_bytes
