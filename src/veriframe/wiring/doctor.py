"""The checks of `veriframe doctor`, in the order in which their faults should be fixed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.renderer import BlenderRenderer, engines_of
from veriframe.doctor import account as accounts
from veriframe.doctor import machine, rendering, services
from veriframe.doctor.finding import Examination, Finding, not_examined
from veriframe.errors import AccountNotDeployed, SettingsError
from veriframe.model.attempt.stakes import Stakes
from veriframe.ports.registry import OpenedRegistry, WorkerRegistry, read_jobs
from veriframe.ports.store import ContentStore
from veriframe.settings import Settings
from veriframe.wiring.limits import policy, scene_limits
from veriframe.wiring.registries import registry_facts
from veriframe.wiring.renderers import build_for_one
from veriframe.wiring.workers import stakes
from veriframe.worker.shared.lanes import inspections
from veriframe.worker.shared.reservations import picture_bytes

NEWEST_JOBS = 200
"""How many of the newest jobs are read to say what there is to earn."""

_REGISTRY, _ACCOUNT, _STORE, _BLENDER, _SANDBOX = "registry", "account", "content store", "Blender", "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTests:
    """Which engines to test: none, or those of the settings (`are_chosen` by the owner), or all."""

    any: bool = True
    all: bool = False
    are_chosen: bool = False


class Examinations:
    """The checks of one run. What several of them need is opened once, by the first.

    `open_registry` opens the registry for the account, `store` is the content store; either may be the error
    that prevents it, and then its row shows that. `account_fault` says why there is no key.
    """

    def __init__(  # noqa: PLR0913 - each is opened elsewhere
        self,
        settings: Settings,
        account: str,
        *,
        open_registry: Callable[[], Awaitable[OpenedRegistry]],
        store: ContentStore | SettingsError,
        account_fault: SettingsError | None = None,
        engines: EngineTests = EngineTests(),
    ) -> None:
        self._settings, self._account, self._store = settings, account, store
        self._open_registry, self._engines = open_registry, engines
        self._account_fault: SettingsError | AccountNotDeployed | None = account_fault
        self._registry: OpenedRegistry | None = None
        self._held: Stakes | None = None
        self._renderer: BlenderRenderer | None = None
        self._sandbox_fault: SettingsError | None = None

    def all(self) -> Sequence[tuple[str, Examination]]:
        """All checks with the names of their parts."""
        settings = self._settings
        with_account = self._with_account
        return [
            ("home", partial(machine.home, settings.home)),
            ("disk", partial(machine.disk, settings.home, settings.disk_free_bytes)),
            ("processors", partial(machine.processors, settings.slots)),
            ("memory", partial(machine.memory, settings.memory_bytes, *_memory(settings))),
            ("GPUs", machine.gpus),
            (_REGISTRY, self._examine_registry),
            (_STORE, self._examine_store),
            *self._copies(),
            (_ACCOUNT, self._examine_account),
            *([("standing", with_account(_examine_standing))] if settings.registry == "starknet" else []),
            ("stakes", with_account(self._examine_stakes)),
            ("jobs", with_account(self._examine_jobs)),
            (_BLENDER, self._examine_blender),
            (_SANDBOX, self._examine_sandbox),
            *([("engines", self._examine_engines)] if self._engines.any else []),
        ]

    async def _examine_registry(self) -> Finding:
        if self._account_fault is None:
            try:
                opened = await self._open_registry()
            except AccountNotDeployed as error:
                self._account_fault = error
            else:
                finding = await services.registry(opened.worker, opened.chain_facts)
                # Only now: what needs a registry that cannot be used would repeat its error.
                self._registry = opened
                return finding
        return services.registry_without_account(await registry_facts(self._settings))

    def _with_account(self, examination: Callable[[OpenedRegistry], Awaitable[Finding]]) -> Examination:
        """A check that needs the registry as the account uses it."""

        async def examined() -> Finding:
            if self._registry is not None:
                return await examination(self._registry)
            return not_examined(f"the {_REGISTRY if self._account_fault is None else _ACCOUNT}")

        return examined

    async def _examine_account(self) -> Finding:
        if self._account_fault is not None:
            raise self._account_fault
        if self._registry is None:
            return not_examined(f"the {_REGISTRY}")
        worker = self._registry.worker
        return await accounts.money(worker, self._account, worker.account)

    async def _examine_stakes(self, opened: OpenedRegistry) -> Finding:
        return accounts.stakes(await self._stakes(opened.worker))

    async def _examine_jobs(self, opened: OpenedRegistry) -> Finding:
        registry = opened.worker
        held, rules = await self._stakes(registry), policy(self._settings, registry.account)
        seen = await registry.snapshot(1, 0)
        first = max(1, seen.job_counter - NEWEST_JOBS + 1)
        found = accounts.choose(
            await read_jobs(registry, first, NEWEST_JOBS),
            seen.head.time,
            lambda job, now: (
                rules.objection(job, now) or held.lasting_objection(job) or held.passing_objection(job)
            ),
        )
        return accounts.jobs(found, held)

    async def _stakes(self, registry: WorkerRegistry) -> Stakes:
        if self._held is None:
            self._held = await stakes(self._settings, self._account, registry)
        return self._held

    async def _examine_store(self) -> Finding:
        if isinstance(self._store, SettingsError):
            raise self._store
        return await services.store(self._store, picture_bytes(scene_limits(self._settings).pixels))

    def _copies(self) -> Sequence[tuple[str, Examination]]:
        if isinstance(self._store, SettingsError):
            return ()
        return [(check.name, partial(services.places, check)) for check in self._store.checks()]

    async def _examine_blender(self) -> Finding:
        runtimes.select(self._settings.blender_path)
        try:
            self._renderer = await build_for_one(self._settings)
        except SettingsError as error:
            # Blender is there, so the sandbox is at fault. Its own row says why.
            self._sandbox_fault = error
            return not_examined(f"the {_SANDBOX}", where="below")
        return await rendering.blender(self._renderer)

    async def _examine_sandbox(self) -> Finding:
        if self._sandbox_fault is not None:
            raise self._sandbox_fault
        if self._renderer is None:
            return not_examined(_BLENDER)
        return await rendering.sandbox(self._renderer)

    async def _examine_engines(self) -> Finding:
        if self._renderer is None:
            return not_examined(_BLENDER if self._sandbox_fault is None else f"the {_SANDBOX}")
        own, wanted = engines_of((await self._renderer.facts()).version), self._settings.engines
        tested = rendering.to_test(own, wanted, every=self._engines.all, is_chosen=self._engines.are_chosen)
        untested = [engine for engine in own if engine in wanted and engine not in tested]
        results = await self._renderer.check_engines(tested) if tested else {}
        return rendering.engines(results, untested)


async def _examine_standing(opened: OpenedRegistry) -> Finding:
    if opened.membership is None:
        return Finding("this registry takes any worker")
    return accounts.standing(await opened.membership.standing(), opened.worker.account)


def _memory(settings: Settings) -> tuple[int, int]:
    """How many Blenders may use all of their memory at once, and the bytes of those that wait."""
    processes = settings.slots + inspections(settings.slots)
    return processes, (settings.spares + settings.slots) * settings.spare_bytes
