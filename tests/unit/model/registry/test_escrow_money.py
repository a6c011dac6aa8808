"""Deposits, withdrawals and postings, and the bounds of their amounts."""

from __future__ import annotations

import pytest
from tests.unit.model.registry.escrow_invariants import BOUND_FRI
from tests.unit.model.registry.test_escrow import OTHER, WORKER

from veriframe.errors import MoveRefused
from veriframe.model.registry import ledger
from veriframe.model.registry.job import NOBODY, Address
from veriframe.model.registry.ledger import Reason


@pytest.mark.parametrize(
    ("amount", "wallet", "token", "rule"),
    [
        (0, 10, 0, "BAD_AMOUNT"),
        (-1, 10, 0, "BAD_AMOUNT"),
        (11, 10, 0, "INSUFFICIENT_FUNDS"),
        (BOUND_FRI + 1, BOUND_FRI * 2, 0, "OVERFLOW"),
        (2, 10, BOUND_FRI - 1, "OVERFLOW"),
    ],
)
def test_deposits_are_bounded(amount: int, wallet: int, token: int, rule: str) -> None:
    """No zero, no more than the wallet holds, and no more than the contract's integers hold."""
    with pytest.raises(MoveRefused) as raised:
        ledger.deposit(WORKER, amount, wallet_fri=wallet, token_fri=token)
    assert rule == raised.value.rule


def test_the_registry_can_be_filled_to_the_bound() -> None:
    """The last fri that fits is accepted."""
    (posting,) = ledger.deposit(WORKER, 1, wallet_fri=1, token_fri=BOUND_FRI - 1).postings
    assert (ledger.wallet(WORKER), ledger.credit(WORKER), 1) == (
        posting.source,
        posting.target,
        posting.amount_fri,
    )


@pytest.mark.parametrize(
    ("amount", "recipient", "rule"),
    [
        (0, OTHER, "BAD_AMOUNT"),
        (-5, OTHER, "BAD_AMOUNT"),
        (11, OTHER, "INSUFFICIENT_CREDIT"),
        (BOUND_FRI + 1, OTHER, "OVERFLOW"),
        (1, NOBODY, "BAD_RECIPIENT"),
        (1, Address(2**251 + 17 * 2**192 + 1), "BAD_RECIPIENT"),
        (1, Address(-1), "BAD_RECIPIENT"),
    ],
)
def test_withdrawals_are_checked(amount: int, recipient: Address, rule: str) -> None:
    """No zero, no more than the credit, and only to a valid address."""
    with pytest.raises(MoveRefused) as raised:
        ledger.withdraw(WORKER, amount, recipient, credit_fri=10)
    assert rule == raised.value.rule


def test_the_books_refuse_what_the_rules_should_have() -> None:
    """An overdrawn pot and a negative posting are bugs; a pot above the bound is an overflow."""
    source, target = ledger.credit(WORKER), ledger.escrow(1)
    with pytest.raises(RuntimeError):
        ledger.post({source: 1, target: 0}, [ledger.Posting(source, target, 2, Reason.BOND)])
    with pytest.raises(RuntimeError):
        ledger.post({source: 1, target: 9}, [ledger.Posting(source, target, -2, Reason.BOND)])
    with pytest.raises(MoveRefused) as raised:
        ledger.post({source: 1, target: BOUND_FRI}, [ledger.Posting(source, target, 1, Reason.BOND)])
    assert raised.value.rule == "OVERFLOW"
