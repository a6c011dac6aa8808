"""Builds a worker: its journal, lock, stakes, context and service."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.model.attempt.stakes import Stakes
from veriframe.model.registry.job import Address
from veriframe.ports.registry import WorkerRegistry
from veriframe.ports.renderer import Renderer
from veriframe.ports.store import ContentStore
from veriframe.settings import Settings, to_fri
from veriframe.wiring.limits import policy, scene_limits, stake_limits
from veriframe.worker.context import WorkerContext
from veriframe.worker.intake.exposure import Exposure
from veriframe.worker.lock import account_lock
from veriframe.worker.service import Service
from veriframe.worker.settlement.settling import Withdrawal
from veriframe.worker.shared.reservations import Reservations
from veriframe.worker.shared.workspace import Workspace


def open_journal(settings: Settings, account: str) -> SqliteJournal:
    """Open the journal of a worker account."""
    return SqliteJournal(_journal_file(settings, account))


def _journal_file(settings: Settings, account: str) -> Path:
    return _worker_home(settings, account) / "journal.sqlite"


@asynccontextmanager
async def opened_journal(settings: Settings, account: str) -> AsyncIterator[SqliteJournal]:
    """Open the journal for one command. A running worker may use it at the same time."""
    opened = open_journal(settings, account)
    try:
        yield opened
    finally:
        await opened.close()


async def stakes(settings: Settings, account: str, registry: WorkerRegistry) -> Stakes:
    """A worker account's means and stakes. Raises `RegistryUnavailable`."""
    funds = await registry.funds(registry.account)
    limits = stake_limits(settings)
    if not _journal_file(settings, account).exists():
        return Stakes(free_fri=funds.means_fri, job_fees_fri=funds.job_fees_fri, limits=limits)
    async with opened_journal(settings, account) as opened:
        exposure = Exposure(limits, time.time)
        exposure.read(await opened.history(), await opened.creator_totals())
        return exposure.stakes(funds)


def build_context(
    settings: Settings, account: str, registry: WorkerRegistry, blender: Renderer, content: ContentStore
) -> WorkerContext:
    """Build the context of a worker account, without listeners."""
    workspace = Workspace(_worker_home(settings, account) / "work", settings.fetched_bytes)
    return WorkerContext(
        registry=registry,
        store=content,
        renderer=blender,
        journal=open_journal(settings, account),
        workspace=workspace,
        policy=policy(settings, registry.account),
        scene_limits=scene_limits(settings),
        disk_free_bytes=settings.disk_free_bytes,
        room=Reservations(
            share=float(settings.creator_store_share),
            new_share=float(settings.new_creators_store_share),
            scene_pixels=scene_limits(settings).pixels,
            disk_room=partial(workspace.room, settings.disk_free_bytes),
        ),
    )


def build_service(settings: Settings, context: WorkerContext) -> Service:
    """Build the worker's service."""
    withdrawal = None
    if settings.withdraw_above_strk is not None:
        withdrawal = Withdrawal(
            keep_fri=to_fri(settings.withdraw_above_strk),
            recipient=Address(settings.withdraw_to or context.registry.account),
        )
    return Service(
        context,
        poll_seconds=settings.poll_seconds,
        idle_seconds=settings.idle_seconds,
        withdrawal=withdrawal,
    )


def lock_account(settings: Settings, account: str) -> AbstractContextManager[None]:
    """Allow one worker per account. Raises `SettingsError` if another one is running."""
    return account_lock(_worker_home(settings, account) / f"{account}.lock")


def _worker_home(settings: Settings, account: str) -> Path:
    # A journal belongs to one registry, because another registry has other jobs with the same ids.
    where = "" if settings.registry != "starknet" else f"-{settings.job_registry_address or 0:x}"[:13]
    return settings.home / "workers" / (account + where)
