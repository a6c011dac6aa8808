"""`veriframe scene failures` and `scene forget`: scenes that the worker does not try again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from veriframe.cli import context
from veriframe.cli.display import show
from veriframe.errors import SettingsError
from veriframe.model.attempt.failure import Failure
from veriframe.model.content.cid import canonical
from veriframe.model.quantities import counted
from veriframe.model.registry.job import format_address
from veriframe.wiring import workers


def failures(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """List scenes that failed on this worker. It retries them with other limits or another Blender."""
    found = context.run(_failures())
    if as_json:
        failed = [{**asdict(one), "creator": format_address(one.creator)} for one in found]
        show.as_json({"failures": failed})
        return
    if not found:
        show.line("No scene has failed here.")
        return
    rows = [
        (
            one.asset_cid,
            one.code.value,
            datetime.fromtimestamp(one.at, UTC).strftime("%Y-%m-%d %H:%M"),
            show.short(format_address(one.creator)),
            one.detail,
        )
        for one in found
    ]
    show.table("Scenes that failed here", ("scene", "code", "when (UTC)", "creator", "why"), rows)
    show.err.print("To retry one: veriframe scene forget CID")


def forget(
    cid: Annotated[str | None, typer.Argument(metavar="[CID]", help="The scene's CID, as listed.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All scenes.")] = False,
) -> None:
    """Forget that a scene failed, so that the worker tries it again within a minute."""
    if (cid is None) != every:
        raise SettingsError(
            "Pass one scene's CID, or --all for all of them. `veriframe scene failures` lists them."
        )
    forgotten = context.run(_forget(None if cid is None else canonical(cid)))
    show.line(f"Forgotten: {counted(forgotten, 'failure')}.")


async def _failures() -> Sequence[Failure]:
    async with workers.opened_journal(context.current().settings, context.account(context.WORKER)) as journal:
        return await journal.failures()


async def _forget(asset_cid: str | None) -> int:
    async with workers.opened_journal(context.current().settings, context.account(context.WORKER)) as journal:
        return await journal.forget_failures(asset_cid)
