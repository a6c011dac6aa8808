"""`veriframe worker`: claims jobs, renders them and is paid, until it is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import stamina
import structlog
import typer

from veriframe import logs, stderr
from veriframe.cli import context, opening
from veriframe.cli.worker import views
from veriframe.cli.worker.watching import Watching
from veriframe.errors import HostUnavailable
from veriframe.model.registry.job import Address, format_address
from veriframe.ports.registry import WorkerRegistry
from veriframe.ports.renderer import RendererFacts
from veriframe.settings import Loaded
from veriframe.wiring import renderers, workers
from veriframe.worker import report
from veriframe.worker.retry import log_wait
from veriframe.worker.service import Service

log = structlog.get_logger()

DEFAULT_ACCOUNT = "worker"
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
    account = context.account(DEFAULT_ACCOUNT)
    with workers.lock_account(loaded.settings, account):
        registry = opening.open_registry(DEFAULT_ACCOUNT, _log_new_account).worker
        with _watching(loaded, account, plain=plain) as watching:
            raise typer.Exit(context.run(_work(loaded, account, registry, watching, once, slots)))


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
        raise HostUnavailable(
            f"The log {log_file} cannot be opened: {error.strerror}. Set home to a folder of this user."
        ) from error
    with views.sentences() if plain else views.screen() as view:
        watching = Watching(who, view, file)
        logs.configure("json", settings.log_level, target, watching.on_log)
        yield watching


async def _work(
    loaded: Loaded, account: str, registry: WorkerRegistry, watching: Watching, once: bool, slots: int | None
) -> int:
    settings = loaded.settings.model_copy(update={} if slots is None else {"slots": slots})
    stamina.instrumentation.set_on_retry_hooks((log_wait,))
    os.nice(settings.nice)  # for every Blender that is started from here
    async with watching.shown():
        watching.observer.say("testing the sandbox with attacks, starting Blender …")
        renderer = await renderers.build_renderer(settings)
        parts = workers.build_context(settings, account, registry, renderer, context.open_store(settings))
        parts.listener.add(report.WorkerLog())
        watching.listen(parts)
        service = workers.build_service(settings, parts)
        facts = await renderer.facts()
        watching.introduce(facts, registry.account, renderer.capacity)
        _log_start(loaded, account, facts, renderer.capacity, registry.account)
        try:
            return await _until_stopped(service, watching, once)
        finally:
            await renderer.close()
            await parts.journal.close()


async def _until_stopped(service: Service, watching: Watching, once: bool) -> int:
    """Run until the work ends or a signal stops it: the first drains, the second stops at once."""
    work = asyncio.create_task(service.run(once=once))
    received: list[int] = []

    def on_signal(number: int) -> None:
        received.append(number)
        if len(received) == 1:
            log.info("worker_stopping", signal=signal.Signals(number).name, again="to stop at once")
            watching.observer.stop()
            service.drain()
        else:
            work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    # A closed terminal must not cost the bonds of claimed jobs.
    loop.add_signal_handler(signal.SIGHUP, lambda: log.warning("terminal_gone", remedy=_GONE))
    try:
        return 0 if await work else BUG
    except asyncio.CancelledError:
        if not received:
            raise
        log.warning("worker_cut_off", remedy="start it again: it resumes where it stopped")
        return context.INTERRUPTED


def _log_new_account(name: str) -> None:
    # Not a sentence on stderr: the log may be JSON there.
    log.info("account_created", account=name)


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
