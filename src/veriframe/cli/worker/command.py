"""`veriframe worker`: claims jobs, renders them and is paid, until it is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any

import stamina
import structlog
import typer

from veriframe import logs, stderr
from veriframe.causes import cause_of, may_pass
from veriframe.cli import context, opening
from veriframe.cli.worker import views
from veriframe.cli.worker.watching import Watching
from veriframe.errors import HostUnavailable, SettingsError
from veriframe.model.quantities import format_strk
from veriframe.model.registry.job import Address, format_address
from veriframe.ports.registry import OpenedRegistry
from veriframe.ports.renderer import RendererFacts
from veriframe.retry import log_wait, retrying
from veriframe.settings import Loaded, Settings
from veriframe.wiring import registries, renderers, workers
from veriframe.worker import report
from veriframe.worker.admission import log_admission, require_admission
from veriframe.worker.service import Service

if TYPE_CHECKING:
    from veriframe.wiring.keys import Key

log = structlog.get_logger()

BUG = 1

_GONE = "the worker goes on: `veriframe status` shows it, and SIGTERM stops it"


def worker(
    once: Annotated[
        bool, typer.Option("--once", help="Stop when no open job is left and all claimed ones are submitted.")
    ] = False,
    slots: Annotated[
        int | None, typer.Option(min=1, max=64, help="Jobs that are rendered at the same time.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Sentences line by line instead of a live screen.")
    ] = False,
) -> None:
    """Claim jobs, render them, submit the results and get paid.

    Ctrl-C (or SIGTERM) once: finish claimed jobs and stop. Twice: stop now; a restart resumes the jobs.
    """
    stderr.protect_stdout()
    loaded = context.current()
    account = context.account(context.WORKER)
    with workers.lock_account(loaded.settings, account):
        key = opening.registry_key(loaded.settings)
        with _watching(loaded, account, plain=plain) as watching:
            work = partial(_work, loaded, account, key, watching, once, slots)
            raise typer.Exit(context.run(_until_stopped(work, watching)))


@contextmanager
def _watching(loaded: Loaded, account: str, *, plain: bool) -> Iterator[Watching]:
    """Chooses how the worker is seen. With a screen or sentences, the log goes to a file."""
    settings = loaded.settings
    who, file = workers.who(settings, account), workers.status_file(settings, account)
    if not plain and not (loaded.is_default("log_format") and views.is_screen_possible()):
        yield Watching(who, views.LogOnly(), file)
        return
    log_file = workers.log_file(settings, account)
    who = replace(who, log=str(log_file))
    try:
        target = logs.RotatingFile(log_file)
    except OSError as error:
        kind = HostUnavailable if may_pass(error) else SettingsError
        raise kind(
            f"The log {log_file} cannot be opened: {cause_of(error)}. Set home to a folder that this user can"
            " write."
        ) from error
    with views.sentences() if plain else views.screen() as view:
        watching = Watching(who, view, file)
        logs.configure("json", settings.log_level, target, watching.on_log)
        yield watching


async def _work(
    loaded: Loaded,
    account: str,
    key: Key | None,
    watching: Watching,
    once: bool,
    slots: int | None,
    begun: Callable[[Service], None],
) -> bool:
    """Do the whole work of one run. `begun` receives the service. Returns False after a bug."""
    settings = loaded.settings.model_copy(update={} if slots is None else {"slots": slots})
    stamina.instrumentation.set_on_retry_hooks((log_wait,))
    os.nice(settings.nice)  # for every Blender that is started from here
    async with watching.shown():
        opened = await _opened(settings, account, key, watching, once)
        registry = opened.worker
        watching.observer.say("testing the sandbox with attacks, starting Blender …")
        renderer = await renderers.build_renderer(settings)
        parts = workers.build_context(settings, account, registry, renderer, context.open_store(settings))
        parts.listener.add(report.WorkerLog())
        watching.listen(parts)
        service = workers.build_service(settings, parts)
        facts = await renderer.facts()
        watching.introduce(facts, registry.account, renderer.capacity)
        _log_start(loaded, account, facts, renderer.capacity, registry.account)
        begun(service)
        try:
            if once:
                await parts.store.ready()
            is_well = await service.run(once=once)
            if once:
                await require_admission(opened)
                watching.observer.end_once()
            return is_well
        finally:
            await renderer.close()
            await parts.journal.close()


async def _opened(
    settings: Settings, account: str, key: Key | None, watching: Watching, once: bool
) -> OpenedRegistry:
    """Open the registry, and log what its owner wants of this account. Unless `once`, wait for it."""

    async def open_it() -> OpenedRegistry:
        opened = await opening.opened(settings, account, key, _log_new_account)
        await log_admission(opened)
        return opened

    return await (open_it() if once else retrying(open_it, watching.observer.on_idle))


async def _until_stopped(
    work: Callable[[Callable[[Service], None]], Coroutine[Any, Any, bool]], watching: Watching
) -> int:
    """Run until the work ends or a signal stops it: the first drains, the second stops at once.

    Before `work` has passed on its service nothing is claimed, so that the first signal stops at once, too.
    """
    services: list[Service] = []
    working = asyncio.create_task(work(services.append))
    received: list[int] = []

    def on_signal(number: int) -> None:
        received.append(number)
        if len(received) == 1:
            log.info("worker_stopping", signal=signal.Signals(number).name, again="to stop at once")
            watching.observer.stop()
        if len(received) == 1 and services:
            services[0].drain()
        else:
            working.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    # A closed terminal must not cost the bonds of claimed jobs. It may send its signal more than once.
    loop.add_signal_handler(signal.SIGHUP, cache(lambda: log.warning("terminal_gone", remedy=_GONE)))
    try:
        return 0 if await working else BUG
    except asyncio.CancelledError:
        if not received:
            raise
        if not services:
            return 0
        log.warning("worker_cut_off", remedy="start it again: it resumes where it stopped")
        return context.INTERRUPTED


def _log_new_account(name: str) -> None:
    # Not a sentence on stderr: the log may be JSON there.
    if context.current().settings.account is None:
        log.info("account_created", account=name)
        return
    log.warning(
        "account_created",
        reason=f"“{name}” is new, with {format_strk(registries.NEW_ACCOUNT_FRI)} of play money",
        remedy="if its name is misspelt, stop the worker; `veriframe account list` lists all accounts",
        account=name,
    )


def _log_start(loaded: Loaded, account: str, facts: RendererFacts, slots: int, address: Address) -> None:
    settings = loaded.settings
    log.info(
        "worker_started",
        account=account,
        address=format_address(address),
        registry=settings.registry,
        store=settings.store,
        home=str(settings.home),
        blender=facts.version_text,
        program=facts.program,
        sandbox=facts.sandbox_level,
        memory_held_by=facts.memory_held_by,
        slots=slots,
    )
    if facts.sandbox_level != "STRICT":
        log.warning("weak_sandbox", level=facts.sandbox_level, see="docs/security.md")
