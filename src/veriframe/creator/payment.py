"""The money that a creator's move takes from the wallet."""

from __future__ import annotations

from veriframe.errors import MoveRefused
from veriframe.model.quantities import format_strk
from veriframe.ports.registry import Funds


def shortfall_fri(
    funds: Funds, needed_fri: int, what_for: str, remedy: str = "Offer less, or send it more."
) -> int:
    """The amount that a move takes from the wallet. Raises `MoveRefused` if the wallet holds less."""
    if needed_fri > funds.means_fri:
        raise MoveRefused(
            "INSUFFICIENT_FUNDS",
            f"The account lacks {format_strk(needed_fri - funds.means_fri)} for {what_for} of "
            f"{format_strk(needed_fri)}: it holds {format_strk(funds.wallet_fri)} in its wallet and "
            f"{format_strk(funds.credit_fri)} as credit{_reserved(funds)}. {remedy}",
        )
    return max(0, needed_fri - funds.credit_fri)


def _reserved(funds: Funds) -> str:
    return f", and keeps {format_strk(funds.reserve_fri)} for fees" if funds.reserve_fri else ""
