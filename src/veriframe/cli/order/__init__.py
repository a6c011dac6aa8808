"""`veriframe order`: whole productions, in an artist's words."""

from __future__ import annotations

import typer

from veriframe.cli.order import creating, deciding, fetching, filming, reading, verifying, watching

app = typer.Typer(
    help="Have scenes and animations rendered: post them, watch them, get frames and film.",
    no_args_is_help=True,
)
app.command()(creating.create)
app.command("list")(reading.list_orders)
app.command("show")(reading.show_order)
app.command()(watching.watch)
app.command()(verifying.verify)
app.command()(fetching.fetch)
app.command()(filming.film)
app.command()(deciding.accept)
app.command()(deciding.cancel)
