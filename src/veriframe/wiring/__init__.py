"""Joins the parts as the settings say. Nothing else names adapters."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeGuard

from veriframe import doctor
from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox import choose
from veriframe.adapters.blender.sandbox.cell import Level
from veriframe.adapters.kubo.address import parse_address
from veriframe.adapters.kubo.api import KuboApi
from veriframe.adapters.kubo.gateway import Gateways
from veriframe.adapters.kubo.pinning_service import PinningService
from veriframe.adapters.kubo.replica import Replica, Spread, SpreadStore, second_node
from veriframe.adapters.kubo.store import KuboStore
from veriframe.adapters.kubo.swarm import Swarm
from veriframe.adapters.local_registry import LocalRegistry
from veriframe.adapters.local_store import LocalStore
from veriframe.adapters.sqlite_journal import SqliteJournal
from veriframe.creator import Creator
from veriframe.errors import SettingsError
from veriframe.model.checks import read_header
from veriframe.model.frames import RenderLimits
from veriframe.model.job import Address, Head
from veriframe.model.policy import Policy
from veriframe.model.scene import SceneLimits
from veriframe.model.stakes import StakeLimits, Stakes
from veriframe.ports import ChainFacts, JobRegistry, OrderDesk, RegistryFacts, Renderer, Treasury
from veriframe.settings import Settings, to_fri
from veriframe.worker.exposure import Exposure
from veriframe.worker.lock import account_lock
from veriframe.worker.parts import Parts
from veriframe.worker.room import Reservations, picture_bytes
from veriframe.worker.service import Service
from veriframe.worker.watch import Withdrawal
from veriframe.worker.workspace import Workspace

if TYPE_CHECKING:
    from veriframe.adapters.starknet.foreign import ForeignRegistry
    from veriframe.adapters.starknet.keystore import Key
    from veriframe.adapters.starknet.trust import Trust

Store = LocalStore | KuboStore | SpreadStore


TOKEN_BYTES = 4096
"""No bearer token is longer."""


class Registry(JobRegistry, Treasury, Protocol):
    """What any registry is to its worker: moves, and the money for bonds."""


class FullRegistry(Registry, OrderDesk, Protocol):
    """What our own registries are: for the creator too."""


def registry(settings: Settings, account: str) -> LocalRegistry:
    """The embedded job registry, as one account sees it."""
    return LocalRegistry(settings.home / "registry.sqlite", account)


def store(settings: Settings) -> Store:
    """The content store: a Kubo node where the settings name one, else the embedded folder.

    Raises `SettingsError` for an address that is none. To be closed by `close`.
    """
    if settings.store != "kubo":
        return LocalStore(settings.home / "store", settings.store_bytes)
    sources = (Gateways(settings.ipfs_gateways),) if settings.ipfs_gateways else ()
    token = _token(settings.ipfs_token_file, "ipfs_token_file")
    node = KuboStore(settings.ipfs_api, token=token, sources=sources)
    replicas = _replicas(settings, token)
    if not replicas and not sources:
        return node
    spread = Spread(seconds=settings.replica_seconds, required=settings.replica_required)
    return SpreadStore(node, replicas, sources, spread)


def _replicas(settings: Settings, token: str | None) -> Sequence[Replica]:
    """Who keeps copies. `token` is the node's own."""
    replicas = list[Replica]()
    if settings.ipfs_replica_api is not None:
        second_token = _token(settings.ipfs_replica_token_file, "ipfs_replica_token_file")
        replicas.append(second_node(settings.ipfs_replica_api, second_token))
    if settings.pinning_service is not None:
        service_token = _token(settings.pinning_token_file, "pinning_token_file")
        if service_token is None:
            raise SettingsError("pinning_service needs its token: name a file with it in pinning_token_file.")
        api = KuboApi(parse_address(settings.ipfs_api), token)
        replicas.append(PinningService(settings.pinning_service, service_token, Swarm(api)))
    return replicas


async def close(opened: Store) -> None:
    """Let go of a store's connections."""
    if not isinstance(opened, LocalStore):
        await opened.close()
        node = opened.node if isinstance(opened, SpreadStore) else opened
        for source in node.sources:
            if isinstance(source, Gateways):
                await source.close()


def _token(file: Path | None, setting: str) -> str | None:
    """The one line of a file that is its owner's alone. Raises `SettingsError`."""
    if file is None:
        return None
    # Here, since it takes half a second to import, and most commands do without.
    from veriframe.adapters.starknet.keystore import read_private  # noqa: PLC0415

    try:
        return read_private(file.expanduser(), setting, TOKEN_BYTES).decode("ascii").strip()
    except UnicodeDecodeError:
        # Without the cause: it would show the token.
        raise SettingsError(f"The {setting} {file} holds no token: a token is one line of ASCII.") from None


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


def render_limits(settings: Settings) -> RenderLimits:
    """What one render may use."""
    return RenderLimits(
        frame_seconds=settings.frame_seconds,
        loading_seconds=settings.loading_seconds,
        memory_bytes=settings.memory_bytes,
        pids=settings.pids,
        output_bytes=settings.output_bytes,
    )


def scene_limits(settings: Settings) -> SceneLimits:
    """What a scene may ask for."""
    return SceneLimits(file_bytes=settings.scene_bytes, engines=settings.engines)


def policy(settings: Settings, account: Address) -> Policy:
    """What the worker takes."""
    return Policy(
        account=account,
        minimum_reward_fri=to_fri(settings.minimum_reward_strk),
        creators_allowed=frozenset(settings.creators_allowed),
        creators_denied=frozenset(settings.creators_denied),
        arbiters=frozenset(settings.arbiters),
        maximum_wait_seconds=settings.maximum_wait_seconds,
        limits=render_limits(settings),
        stakes=stake_limits(settings),
        fetch_seconds=settings.fetch_seconds,
        copies_seconds=settings.replica_seconds if _spreads(settings) else 0.0,
        release_fee_share=settings.release_fee_share,
    )


def stake_limits(settings: Settings) -> StakeLimits:
    """What a worker may lose."""
    return StakeLimits(
        reward_share=Fraction(settings.bond_reward_share),
        bond_days=Fraction(settings.bond_days),
        means_share=Fraction(settings.bond_means_share),
        free_share=Fraction(settings.free_means_share),
        loss_share=Fraction(settings.loss_budget_share),
        new_creator_jobs=settings.new_creator_jobs,
    )


def _spreads(settings: Settings) -> bool:
    """Whether others are asked for what is added."""
    others = (settings.ipfs_replica_api, settings.pinning_service, settings.ipfs_gateways)
    return settings.store == "kubo" and any(others)


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
    return Parts(
        registry=purse,
        store=content,
        renderer=blender,
        journal=journal(settings, account),
        workspace=Workspace(_worker_home(settings, account) / "work", settings.fetched_bytes),
        policy=policy(settings, purse.account),
        scene_limits=scene_limits(settings),
        disk_free_bytes=settings.disk_free_bytes,
        room=Reservations(
            share=float(settings.creator_store_share), scene_pixels=scene_limits(settings).pixels
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
