"""`veriframe arbiter`: decides the disputes that name its account, until it is stopped."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import Annotated

import stamina
import structlog
import typer

from veriframe.arbiter.arbiter import ArbiterOptions
from veriframe.arbiter.outcome import OnOutcome, Outcome, OutcomeKind
from veriframe.cli import context, opening
from veriframe.cli.arbiter import dispute_view
from veriframe.cli.display import show
from veriframe.model.quantities import format_strk
from veriframe.model.registry.job import format_address
from veriframe.ports.registry import FullRegistry, read_disputes
from veriframe.retry import log_wait, retrying
from veriframe.wiring import arbiters, registries

log = structlog.get_logger()

ACCOUNT = "arbiter"
"""The acting account if none was named."""
UNDECIDED = 12
"""The exit code if a dispute could not be decided here."""


def arbiter(
    once: Annotated[
        bool, typer.Option("--once", help="Stop when no dispute is left that can be decided here.")
    ] = False,
    job_id: Annotated[
        int | None, typer.Option("--job", min=1, help="Decide only this job's dispute, and stop.")
    ] = None,
    is_dry: Annotated[
        bool, typer.Option("--dry-run", help="Judge each dispute once and stop; publish and send nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Decide the disputes that name this account as their arbiter, the most urgent first.

    Each result is verified by rendering drawn parts of it again. The report becomes public, and the verdict
    goes to the registry. What cannot be decided here is left to you.
    """
    settings, account = context.current().settings, context.account(ACCOUNT)
    is_over = once or is_dry or job_id is not None
    if not is_over:
        # The log of a service shows what it does; that of a command is quiet, as elsewhere.
        context.begin_log(settings.log_level)
    opening.refuse_other_makers("resolve")
    if is_dry:
        # It changes nothing, and so makes no account.
        opening.require_account(ACCOUNT)
    with arbiters.lock_account(settings, account):
        registry = opening.open_creator_registry(ACCOUNT, say_new)
        options = ArbiterOptions(
            poll_seconds=settings.poll_seconds,
            idle_seconds=settings.idle_seconds,
            dispute_seconds=settings.dispute_seconds,
            only=job_id,
            is_dry=is_dry,
        )
        outcomes = context.run(_until_stopped(registry, account, options, once=is_over, as_json=as_json))
    if is_over and any(one.kind in (OutcomeKind.UNDECIDED, OutcomeKind.REFUSED) for one in outcomes):
        raise typer.Exit(UNDECIDED)


def say_new(account: str) -> None:
    """Say on stderr that the account is new: it may be misspelt, or not the one that orders name."""
    show.err.print(
        f"“{show.clean(account)}” is a new account, with {format_strk(registries.NEW_ACCOUNT_FRI)} of play "
        "money, so that no order names it yet. `veriframe --account NAME arbiter` serves another one, "
        "`veriframe account list` lists them.",
        markup=False,
        soft_wrap=True,
    )


async def _until_stopped(
    registry: FullRegistry, account: str, options: ArbiterOptions, *, once: bool, as_json: bool
) -> list[Outcome]:
    """Serve until the work is done, or until SIGTERM, which ends it in order. Returns what became of it."""
    outcomes: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if as_json:
            show.json_line(dispute_view.as_object(outcome))
        else:
            show.line(show.clean(dispute_view.sentence(outcome)))

    stopped: list[int] = []
    working = asyncio.create_task(_serve(registry, account, options, tell, once=once, lists=not as_json))

    def stop() -> None:
        stopped.append(signal.SIGTERM)
        working.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    try:
        await working
    except asyncio.CancelledError:
        if not stopped:
            working.cancel()
            raise
        log.info("arbiter_stopped", signal="SIGTERM")
    return outcomes


async def _serve(
    registry: FullRegistry,
    account: str,
    options: ArbiterOptions,
    tell: OnOutcome,
    *,
    once: bool,
    lists: bool,
) -> None:
    stamina.instrumentation.set_on_retry_hooks((log_wait,))
    settings = context.current().settings
    disputes = await retrying(partial(read_disputes, registry, registry.account))
    log.info(
        "arbiter_started", account=account, address=format_address(registry.account), disputes=len(disputes)
    )
    now = (await registry.snapshot(1, 0)).head.time
    for job in disputes if lists else ():
        if options.only in (None, job.id):
            show.line(dispute_view.listed(job, now))
    # Whether the only job can be decided is said by the arbiter itself.
    if lists and not disputes and options.only is None:
        show.line(f"No dispute names the account “{show.clean(account)}” now.")
    store = context.open_store(settings)
    async with arbiters.opened_arbiter(settings, account, registry, store, options, tell) as opened:
        await opened.run(once=once)
