"""Who acts in commands about orders: their creator, or anyone who reads them."""

from __future__ import annotations

from veriframe.cli import context, opening
from veriframe.cli.display import job_view
from veriframe.cli.job import acting
from veriframe.creator.orders.deciding import Decisions
from veriframe.creator.orders.notes import OrderNotes
from veriframe.creator.orders.orders import Orders
from veriframe.creator.orders.posting import OrderPosting
from veriframe.wiring import orders as building


def notes() -> OrderNotes:
    """What this home noted of the acting account's orders."""
    return OrderNotes(context.current().settings.home, context.account(job_view.DEFAULT_ACCOUNT))


def orders() -> Orders:
    """Build the reading of orders, which needs no key. Raises `SettingsError`, `RegistryUnavailable`."""
    opening.refuse_other_makers("order")
    return building.build_orders(acting.jobs(), notes())


def posting() -> OrderPosting:
    """Build the posting of orders. Raises `SettingsError`."""
    return building.build_posting(acting.creator(), notes())


def decisions() -> Decisions:
    """Build the decisions on orders. Raises `SettingsError`."""
    opening.refuse_other_makers("order")
    return building.build_decisions(acting.creator(), notes())
