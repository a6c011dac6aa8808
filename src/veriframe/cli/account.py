"""`veriframe account`: what an account holds, and moving money in and out of the registry."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from veriframe import wiring
from veriframe.cli import arguments, context, show
from veriframe.errors import SettingsError
from veriframe.model.job import Address, format_address, format_strk

app = typer.Typer(help="An account's money.", no_args_is_help=True)

Amount = Annotated[str, typer.Argument(metavar="STRK", help="An amount in STRK, such as 1.5.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]

DEFAULT = "worker"


@app.command("show")
def show_account(as_json: AsJson = False) -> None:
    """Who the account is and what it holds."""
    context.run(_show(as_json))


@app.command()
def deposit(amount: Amount, as_json: AsJson = False) -> None:
    """Move money from the wallet into the registry's credit, for bonds and rewards."""
    context.run(_treasury().deposit(_positive(amount)))
    context.run(_show(as_json))


@app.command()
def withdraw(
    amount: Amount,
    to: Annotated[str | None, typer.Option(help="The receiving address; the own wallet by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Move money from the registry's credit to a wallet."""
    treasury = _treasury()
    recipient = treasury.account if to is None else Address(arguments.address(to))
    context.run(treasury.withdraw(_positive(amount), recipient))
    context.run(_show(as_json))


def _treasury() -> wiring.Registry:
    return wiring.registry(context.current().settings, context.account(DEFAULT))


async def _show(as_json: bool) -> None:
    treasury = _treasury()
    funds = await treasury.funds(treasury.account)
    name, address = context.account(DEFAULT), format_address(treasury.account)
    if as_json:
        show.as_json({"account": name, "address": address, **asdict(funds)})
        return
    show.facts(
        "",
        {
            "account": name,
            "address": address,
            "wallet": format_strk(funds.wallet_fri),
            "credit": format_strk(funds.credit_fri),
        },
    )


def _positive(text: str) -> int:
    if (amount_fri := arguments.strk(text)) == 0:
        raise SettingsError("Nothing cannot be moved. Name an amount of STRK, such as 1.5.")
    return amount_fri
