"""`veriframe worker`: claims jobs, renders them and is paid, until it is stopped."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import stamina
import structlog
import typer

from veriframe.cli import context, opening
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


def worker(
    once: Annotated[
        bool, typer.Option("--once", help="Stop when no open job is left and all claimed ones are submitted.")
    ] = False,
    slots: Annotated[
        int | None, typer.Option(min=1, max=64, help="Jobs that are rendered at the same time.")
    ] = None,
) -> None:
    """Claim jobs, render them, submit the results and get paid.

    Ctrl-C (or SIGTERM) once: finish claimed jobs and stop. Twice: stop now; a restart resumes the jobs.
    """
    loaded = context.current()
    account = context.account(DEFAULT_ACCOUNT)
    with workers.lock_account(loaded.settings, account):
        registry = opening.open_registry(DEFAULT_ACCOUNT, _log_new_account).worker
        raise typer.Exit(context.run(_work(loaded, account, registry, once, slots)))


async def _work(loaded: Loaded, account: str, registry: WorkerRegistry, once: bool, slots: int | None) -> int:
    settings = loaded.settings.model_copy(update={} if slots is None else {"slots": slots})
    renderer = await renderers.build_renderer(settings)
    stamina.instrumentation.set_on_retry_hooks((log_wait,))
    parts = workers.build_context(settings, account, registry, renderer, context.open_store(settings))
    parts.listener.add(report.WorkerLog())
    service = workers.build_service(settings, parts)
    _log_start(loaded, account, await renderer.facts(), renderer.capacity, parts.registry.account)
    try:
        return await _until_stopped(service, once)
    finally:
        await renderer.close()
        await parts.journal.close()


async def _until_stopped(service: Service, once: bool) -> int:
    """Run until the work ends or a signal stops it: the first drains, the second stops at once."""
    work = asyncio.create_task(service.run(once=once))
    received: list[int] = []

    def on_signal(number: int) -> None:
        received.append(number)
        if len(received) == 1:
            log.info("worker_stopping", signal=signal.Signals(number).name, again="to stop at once")
            service.drain()
        else:
            work.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
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
