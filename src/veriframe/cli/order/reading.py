"""`veriframe order list` and `order show`: what the registry says of orders."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from veriframe.cli import context
from veriframe.cli.display import order_view, show
from veriframe.cli.job.reading import UNKNOWN_ACCOUNT
from veriframe.cli.order import acting, facts, options
from veriframe.creator.orders.orders import MOST_JOBS, Orders
from veriframe.creator.orders.values import OrderStatus
from veriframe.errors import Unavailable
from veriframe.model.registry.history import JobHistory
from veriframe.model.registry.job import NOBODY
from veriframe.model.registry.job_status import JobStatus

UNKNOWN_ORDERS = UNKNOWN_ACCOUNT.replace("jobs", "orders")

NARROW = 80
"""Below so many characters, a list has fewer columns."""


def list_orders(
    everybody: Annotated[bool, typer.Option("--all", help="Include other creators' orders.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most orders to list.")] = 50,
    most_jobs: Annotated[
        int, typer.Option("--jobs", min=1, help="Most jobs of the registry to read, from the newest.")
    ] = MOST_JOBS,
    as_json: options.AsJson = False,
) -> None:
    """List orders, newest first: your own, or everyone's with --all."""
    orders = acting.orders()
    if not everybody and orders.jobs.account == NOBODY:
        everybody = True
        show.err.print(UNKNOWN_ORDERS, markup=False)
    found, is_cut = context.run(orders.own(limit, everybody=everybody, most_jobs=most_jobs))
    if is_cut:
        show.err.print(
            f"Only the newest {most_jobs} jobs of the registry were read. Older orders: pass a larger --jobs,"
            " or `veriframe order show ORDER`.",
            markup=False,
        )
    if as_json:
        show.as_json({"orders": [order_view.as_object(status, ()) for status in found]})
        return
    if not found and not is_cut:
        show.err.print("There is no order yet. `veriframe order create` posts one.", markup=False)
    rows = [order_view.row(status) for status in found]
    if rows or not show.out.is_terminal:
        columns: tuple[str, ...] = order_view.COLUMNS
        if show.out.is_terminal and show.out.width < NARROW:
            kept = [columns.index(name) for name in order_view.NARROW_COLUMNS]
            columns, rows = order_view.NARROW_COLUMNS, [tuple(row[at] for at in kept) for row in rows]
        show.table("Orders", columns, rows)


def show_order(number: options.Number, as_json: options.AsJson = False) -> None:
    """Show an order: its chunks, its money, and what you can do."""
    orders = acting.orders()
    status = context.run(orders.find(number))
    if as_json:
        show.as_json(order_view.as_object(status))
        return
    show.facts(f"Order {number}", facts.facts(status, context.run(_histories(orders, status))))
    colour = show.out.is_terminal and show.out.color_system is not None
    width = show.out.width if show.out.is_terminal else 100
    for line in order_view.grid(status, width, has_colour=colour):
        show.out.print(line)
    show.out.print(order_view.legend(status, has_colour=colour))


async def _histories(orders: Orders, status: OrderStatus) -> dict[int, JobHistory]:
    """The histories of jobs whose dispute is over, by number: of those that can be read."""
    found = dict[int, JobHistory]()
    for chunk in facts.disputed_before(status):
        with suppress(Unavailable):
            found[chunk.job.id] = await orders.jobs.history(JobStatus(chunk.job, chunk.now))
    return found
