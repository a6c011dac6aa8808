"""The embedded job registry, and facts about the configured one."""

from __future__ import annotations

from veriframe.adapters.local_registry import LocalRegistry
from veriframe.ports.registry import RegistryFacts
from veriframe.settings import Settings


def embedded(settings: Settings, account: str) -> LocalRegistry:
    """The embedded job registry for one account."""
    return LocalRegistry(settings.home / "registry.sqlite", account)


async def registry_facts(settings: Settings) -> RegistryFacts:
    """Facts about the configured registry, without an account. Raises `RegistryUnavailable`."""
    if settings.registry == "starknet":
        # Imported here because it takes half a second, and most commands do not need it.
        from veriframe.wiring import chain  # noqa: PLC0415

        return await chain.registry_facts(settings)
    reader = embedded(settings, "reader")
    totals = await reader.totals()
    return RegistryFacts(
        kind="embedded",
        place=str(settings.home / "registry.sqlite"),
        jobs=(await reader.snapshot(1, 0)).job_counter,
        held_fri=totals.token_fri,
        totals=totals,
    )
