"""Builds the arbiter of one account, with a verifier as its judge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

from veriframe.account_lock import account_lock
from veriframe.arbiter.arbiter import Arbiter, ArbiterOptions
from veriframe.arbiter.decisions import Decisions
from veriframe.arbiter.outcome import OnOutcome
from veriframe.ports.registry import FullRegistry
from veriframe.ports.store import ContentStore
from veriframe.settings import Settings
from veriframe.wiring.judges import VerifierJudge
from veriframe.wiring.renderers import build_for_one
from veriframe.wiring.verifiers import build_verifier


@asynccontextmanager
async def opened_arbiter(  # noqa: PLR0913, PLR0917 - its parts
    settings: Settings,
    account: str,
    registry: FullRegistry,
    store: ContentStore,
    options: ArbiterOptions,
    tell: OnOutcome,
) -> AsyncIterator[Arbiter]:
    """Build the arbiter, and a Blender in its sandbox for it. Raises `SettingsError` if there is none."""
    renderer = await build_for_one(settings)
    try:
        async with build_verifier(settings, registry, store, renderer) as verifier:
            yield Arbiter(
                registry=registry,
                store=store,
                judge=VerifierJudge(verifier=verifier, registry=registry, store=store),
                decisions=Decisions(_home(settings, account) / "decisions"),
                options=options,
                tell=tell,
            )
    finally:
        await renderer.close()


def lock_account(settings: Settings, account: str) -> AbstractContextManager[None]:
    """Allow one arbiter per account. Raises `SettingsError` if another one is running."""
    return account_lock(_home(settings, account) / f"{account}.lock", "arbiter")


def _home(settings: Settings, account: str) -> Path:
    # Decisions belong to one registry: another one has other jobs with the same ids.
    where = "" if settings.registry != "starknet" else f"-{settings.job_registry_address or 0:x}"[:13]
    return settings.home / "arbiters" / (account + where)
