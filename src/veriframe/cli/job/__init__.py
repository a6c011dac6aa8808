"""`veriframe job`: the creator's commands."""

from __future__ import annotations

import typer

from veriframe.cli.job import deciding, fetching, following, packing, posting, reading

app = typer.Typer(
    help="Post scenes, follow their jobs, and fetch, accept or dispute the results.", no_args_is_help=True
)
app.command()(packing.pack)
app.command()(posting.create)
app.command("list")(reading.list_jobs)
app.command("show")(reading.show_jobs)
app.command()(following.watch)
app.command()(fetching.fetch)
app.command()(deciding.accept)
app.command()(deciding.cancel)
app.command()(deciding.dispute)
app.command()(deciding.resolve)
