"""Builds a worker: its journal, lock, stakes, context and service."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from veriframe.account_lock import account_lock, holder
from veriframe.adapters.blender.sandbox.limits.others import OtherPrograms
from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.logs import redact_text
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.stakes import CreatorTotals, Stakes
from veriframe.model.attempt.work_hours import parse_work_hours
from veriframe.model.registry.job import Address
from veriframe.ports.registry import WorkerRegistry
from veriframe.ports.renderer import Renderer
from veriframe.ports.store import ContentStore
from veriframe.settings import Settings, to_fri
from veriframe.wiring import registries
from veriframe.wiring.limits import policy, scene_limits, stake_limits, worker_scene_limits
from veriframe.worker.context import WorkerContext
from veriframe.worker.intake.exposure import Exposure
from veriframe.worker.manners.manners import Manners
from veriframe.worker.overview.overview import Overview, Who, at_rest, jobs_at_work, rewards_due, sums_of_day
from veriframe.worker.service import Service
from veriframe.worker.settlement.settling import Withdrawal
from veriframe.worker.shared.reservations import Reservations
from veriframe.worker.shared.workspace import Workspace


def open_journal(settings: Settings, account: str) -> SqliteJournal:
    """Open the journal of a worker account."""
    return SqliteJournal(_journal_file(settings, account))


def _journal_file(settings: Settings, account: str) -> Path:
    return _worker_home(settings, account) / "journal.sqlite"


def who(settings: Settings, account: str) -> Who:
    """What is known of a worker from its settings alone."""
    on_chain = settings.registry == "starknet"
    embedded = f"embedded, {registries.file(settings)}"
    return Who(
        account=account,
        home=str(settings.home),
        registry=f"StarkNet, {settings.job_registry_address or 0:#x}" if on_chain else embedded,
        store=redact_text(f"Kubo, {settings.ipfs_api}") if settings.store == "kubo" else "embedded",
        slots=settings.slots,
    )


async def past(settings: Settings, account: str) -> tuple[Sequence[Attempt], Mapping[Address, CreatorTotals]]:
    """All that the journal has: its attempts, and each creator's sums of older ones. Makes no journal.

    Raises `SettingsError`, `HostUnavailable`.
    """
    if not _journal_file(settings, account).exists():
        return (), {}
    async with opened_journal(settings, account) as opened:
        return await opened.history(), await opened.creator_totals()


async def overview_at_rest(settings: Settings, account: str, kept: Overview | None) -> Overview:
    """What a worker that does not run has left to do, and what it is to be paid: see its journal.

    `kept` is what it last wrote about itself. Raises `SettingsError`, `HostUnavailable`.
    """
    now, known = time.time(), kept or Overview(who=who(settings, account), now=0.0)
    attempts, _ = await past(settings, account)
    last = Overview(
        who=known.who,
        now=known.now,
        happened=known.happened,
        jobs=jobs_at_work(attempts),
        today=sums_of_day(attempts, now),
        due=rewards_due(attempts),
    )
    return replace(at_rest(last), now=now)


def status_file(settings: Settings, account: str) -> Path:
    """Where a running worker keeps its overview, for `veriframe status`."""
    return _worker_home(settings, account) / "status.json"


def log_file(settings: Settings, account: str) -> Path:
    """Where a worker with a screen keeps its log."""
    return _worker_home(settings, account) / "worker.log"


def running_process(settings: Settings, account: str) -> str | None:
    """The process id of the account's running worker; None if none runs."""
    return holder(_lock_file(settings, account))


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
    exposure = Exposure(stake_limits(settings), time.time)
    exposure.read(*await past(settings, account))
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
        scene_limits=worker_scene_limits(settings),
        disk_free_bytes=settings.disk_free_bytes,
        checks_tile=settings.check_tile,
        manners=build_manners(settings),
        room=Reservations(
            share=float(settings.creator_store_share),
            new_share=float(settings.new_creators_store_share),
            scene_pixels=scene_limits(settings).pixels,
            disk_room=partial(workspace.room, settings.disk_free_bytes),
        ),
    )


def build_manners(settings: Settings) -> Manners:
    """Build what keeps the worker out of the way."""
    hours = parse_work_hours(settings.work_hours) if settings.work_hours else None
    if settings.pause_when_busy is None:
        return Manners(hours)
    return Manners(hours, settings.pause_when_busy, others=OtherPrograms().share)


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
    return account_lock(_lock_file(settings, account))


def _lock_file(settings: Settings, account: str) -> Path:
    return _worker_home(settings, account) / f"{account}.lock"


def _worker_home(settings: Settings, account: str) -> Path:
    # A journal belongs to one registry, because another registry has other jobs with the same ids.
    where = "" if settings.registry != "starknet" else f"-{settings.job_registry_address or 0:x}"[:13]
    return settings.home / "workers" / (account + where)
