"""Joins the parts as the settings say. Nothing else names adapters."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeGuard

from veriframe import doctor
from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox import choose
from veriframe.adapters.blender.sandbox.cell import Level
from veriframe.adapters.kubo.gateways.gateway import Gateways
from veriframe.adapters.kubo.replicas.replica import SpreadStore
from veriframe.adapters.local_registry import LocalRegistry
from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.creator import Creator
from veriframe.model.attempt.stakes import Stakes
from veriframe.model.registry.job import Address, Head
from veriframe.model.rendering.checks import read_header
from veriframe.ports.registry import ChainFacts, JobRegistry, OrderDesk, RegistryFacts, Treasury
from veriframe.ports.renderer import Renderer
from veriframe.settings import Settings, to_fri
from veriframe.wiring.limits import policy, render_limits, scene_limits, stake_limits
from veriframe.wiring.stores import Store, close, store
from veriframe.worker.context import Parts
from veriframe.worker.intake.exposure import Exposure
from veriframe.worker.lock import account_lock
from veriframe.worker.service import Service
from veriframe.worker.settlement.watch import Withdrawal
from veriframe.worker.store_room import Reservations, picture_bytes
from veriframe.worker.workspace import Workspace

if TYPE_CHECKING:
    from veriframe.adapters.starknet.account.keystore import Key
    from veriframe.adapters.starknet.foreign.registry import ForeignRegistry
    from veriframe.adapters.starknet.trust.trust import Trust

__all__ = [
    "FullRegistry",
    "Registry",
    "Store",
    "close",
    "creator",
    "examinations",
    "is_full",
    "journal",
    "knows_workers",
    "lock",
    "open_starknet",
    "opened_journal",
    "parts",
    "policy",
    "registry",
    "registry_facts",
    "render_limits",
    "renderer",
    "scene_limits",
    "service",
    "stake_limits",
    "stakes",
    "store",
]


class Registry(JobRegistry, Treasury, Protocol):
    """What any registry is to its worker: moves, and the money for bonds."""


class FullRegistry(Registry, OrderDesk, Protocol):
    """What our own registries are: for the creator too."""


def registry(settings: Settings, account: str) -> LocalRegistry:
    """The embedded job registry, as one account sees it."""
    return LocalRegistry(settings.home / "registry.sqlite", account)


def journal(settings: Settings, account: str) -> SqliteJournal:
    """What one worker account has done."""
    return SqliteJournal(_journal_file(settings, account))


def _journal_file(settings: Settings, account: str) -> Path:
    return _worker_home(settings, account) / "journal.sqlite"


@contextmanager
def opened_journal(settings: Settings, account: str) -> Iterator[SqliteJournal]:
    """The same for the length of a command; a worker may be using it meanwhile."""
    with closing(journal(settings, account)) as opened:
        yield opened


async def stakes(settings: Settings, account: str, purse: Registry) -> Stakes:
    """What a worker account has, and what of it is at stake. Raises `RegistryUnavailable`."""
    funds = await purse.funds(purse.account)
    limits = stake_limits(settings)
    if not _journal_file(settings, account).exists():
        return Stakes(free_fri=funds.means_fri, job_fees_fri=funds.job_fees_fri, limits=limits)
    with opened_journal(settings, account) as opened:
        return Exposure(opened, limits, time.time).stakes(funds)


async def renderer(settings: Settings) -> BlenderRenderer:
    """Blender behind the strongest walls that prove themselves here, at least those of the settings.

    Raises `SettingsError` with the remedy where there is no Blender or no such walls.
    """
    runtime = runtimes.select(settings.blender_path)
    needed = sorted(set(runtime.visible().values()))
    sandbox = await choose.build(Level[settings.sandbox.upper()], needed=needed)
    return BlenderRenderer(runtime, sandbox, limits=render_limits(settings))


def creator(settings: Settings, purse: FullRegistry, content: Store) -> Creator:
    """The creator's side of one account."""
    return Creator(
        account=purse.account,
        desk=purse,
        treasury=purse,
        store=content,
        gate=partial(read_header, limits=scene_limits(settings)),
    )


def parts(settings: Settings, account: str, purse: Registry, blender: Renderer, content: Store) -> Parts:
    """All that one worker account works with; nobody listens yet."""
    workspace = Workspace(_worker_home(settings, account) / "work", settings.fetched_bytes)
    return Parts(
        registry=purse,
        store=content,
        renderer=blender,
        journal=journal(settings, account),
        workspace=workspace,
        policy=policy(settings, purse.account),
        scene_limits=scene_limits(settings),
        disk_free_bytes=settings.disk_free_bytes,
        room=Reservations(
            share=float(settings.creator_store_share),
            new_share=float(settings.new_creators_store_share),
            scene_pixels=scene_limits(settings).pixels,
            disk_room=partial(workspace.room, settings.disk_free_bytes),
        ),
    )


def service(settings: Settings, made_of: Parts, slots: int | None = None) -> Service:
    """The worker itself."""
    withdrawal = None
    if settings.withdraw_above_strk is not None:
        withdrawal = Withdrawal(
            keep_fri=to_fri(settings.withdraw_above_strk),
            recipient=Address(settings.withdraw_to or made_of.registry.account),
        )
    return Service(
        made_of,
        slots=slots or settings.slots,
        poll_seconds=settings.poll_seconds,
        idle_seconds=settings.idle_seconds,
        withdrawal=withdrawal,
    )


def lock(settings: Settings, account: str) -> AbstractContextManager[None]:
    """One worker for each account: raises `SettingsError` where another one runs."""
    return account_lock(_worker_home(settings, account) / f"{account}.lock")


def examinations(
    settings: Settings, account: str, purse: Registry, content: Store, *, engines: bool
) -> Sequence[tuple[str, doctor.Examination]]:
    """What `doctor` looks at, in the order in which a person would mend it."""
    made: list[BlenderRenderer] = []

    async def blender() -> BlenderRenderer:
        # Made once, and only when it is asked for: it may not be there, which is a finding.
        if not made:
            made.append(await renderer(settings))
        return made[0]

    async def about_stakes() -> doctor.Finding:
        return doctor.stakes(await stakes(settings, account, purse))

    async def about_blender() -> doctor.Finding:
        return await doctor.blender(await blender())

    async def about_walls() -> doctor.Finding:
        return await doctor.sandbox(await blender())

    async def about_engines() -> doctor.Finding:
        return doctor.engines(await (await blender()).prove_engines())

    wanted: list[tuple[str, doctor.Examination]] = [
        ("home", partial(doctor.home, settings.home)),
        ("disk", partial(doctor.disk, settings.home, settings.disk_free_bytes)),
        ("memory", partial(doctor.memory, settings.memory_bytes, settings.slots)),
        ("registry", partial(doctor.registry, purse, _chain_facts(purse))),
        ("content store", partial(doctor.store, content, picture_bytes(scene_limits(settings).pixels))),
        *_about_copies(settings, content),
        ("account", partial(doctor.account, purse, account, purse.account)),
        *_about_standing(purse),
        ("stakes", about_stakes),
        ("Blender", about_blender),
        ("sandbox", about_walls),
    ]
    return [*wanted, ("engines", about_engines)] if engines else wanted


def _about_copies(settings: Settings, content: Store) -> Sequence[tuple[str, doctor.Examination]]:
    if not isinstance(content, SpreadStore):
        return []

    async def reach() -> Mapping[str, str]:
        told = dict(await content.reach())
        for source in content.node.sources:
            if isinstance(source, Gateways):
                told |= await source.reach()
        return told

    return [("copies", partial(doctor.copies, reach, settings.replica_required))]


def _about_standing(purse: Registry) -> Sequence[tuple[str, doctor.Examination]]:
    account = purse.account
    return [("standing", partial(doctor.standing, purse.standing, account))] if knows_workers(purse) else []


def _chain_facts(purse: Registry) -> Callable[[Head], ChainFacts] | None:
    trust: Trust | None = getattr(purse, "trust", None)
    return None if trust is None else trust.facts


def _worker_home(settings: Settings, account: str) -> Path:
    # A journal belongs to one registry: job 1 of another one is another job.
    where = "" if settings.registry != "starknet" else f"-{settings.job_registry_address or 0:x}"[:13]
    return settings.home / "workers" / (account + where)


async def open_starknet(
    settings: Settings, key: Key | None
) -> tuple[Registry, Callable[[], Awaitable[None]]]:
    """The contract at job_registry_address by the account of `key`, and what closes it.

    Without a key the account is devnet's number `devnet_account`. What an earlier run had begun to send is
    brought to its end first. Raises `SettingsError`, `RegistryUnavailable`.
    """
    # Here, since it takes half a second to import, and most commands do without.
    from veriframe.wiring import chain  # noqa: PLC0415

    return await chain.open_registry(settings, key)


async def registry_facts(settings: Settings) -> RegistryFacts:
    """What the registry of the settings is; no account is needed. Raises `RegistryUnavailable`."""
    if settings.registry == "starknet":
        from veriframe.wiring import chain  # noqa: PLC0415 - half a second

        return await chain.registry_facts(settings)
    embedded = registry(settings, "reader")
    totals = await embedded.totals()
    return RegistryFacts(
        kind="embedded",
        place=str(settings.home / "registry.sqlite"),
        jobs=await embedded.job_counter(),
        held_fri=totals.token_fri,
        totals=totals,
    )


def knows_workers(opened: object) -> TypeGuard[ForeignRegistry]:
    """Whether a registry may want its workers registered; our own kinds take anyone."""
    return hasattr(opened, "standing")


def is_full(opened: Registry) -> TypeGuard[FullRegistry]:
    """Whether a registry serves creators too."""
    return hasattr(opened, "create_order")
