"""The money that stays reserved for disputes while an order is reviewed."""

from __future__ import annotations

from veriframe.creator.orders.values import OrderStatus
from veriframe.creator.payment import shortfall_fri
from veriframe.errors import MoveRefused
from veriframe.model.quantities import counted
from veriframe.model.registry.job import NOBODY, JobState
from veriframe.ports.registry import Funds

SEND = "Send it more."


def disputes_left(status: OrderStatus) -> int:
    """How many results of the order may still be disputed: those under review, and those still to come."""
    if status.order.terms.arbiter == NOBODY:
        return 0
    return sum(not (job.state.is_final or job.state is JobState.DISPUTED) for job in status.jobs)


def bonds_fri(status: OrderStatus) -> int:
    """The bonds of all disputes that may still be needed."""
    return disputes_left(status) * status.order.terms.bond_fri


def bonds_missing(status: OrderStatus, funds: Funds) -> str:
    """What is missing for these bonds, as sentences with the remedy; empty if nothing is."""
    count = disputes_left(status)
    try:
        shortfall_fri(funds, bonds_fri(status), _bonds(count), SEND)
    except MoveRefused as error:
        return f"{error} A result that is wrong is paid for if its bond is missing when its review ends."
    return ""


def require_spare(status: OrderStatus, funds: Funds, reward_fri: int, *, reserved: bool) -> None:
    """Raise `MoveRefused` (INSUFFICIENT_FUNDS) if a reward would take what disputes need, if `reserved`."""
    bonds = bonds_fri(status) if reserved else 0
    what_for = "the reward" if not bonds else f"the reward and {_bonds(disputes_left(status))}"
    shortfall_fri(funds, reward_fri + bonds, what_for, SEND)


def _bonds(count: int) -> str:
    return "the dispute bond" if count == 1 else f"{counted(count, 'dispute bond')}"
