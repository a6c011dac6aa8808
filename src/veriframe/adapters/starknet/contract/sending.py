"""Makes a move in one transaction: sends it, waits, logs hash and fee, turns a revert into a refusal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import structlog

from veriframe.adapters.starknet.contract.contract import refusal
from veriframe.adapters.starknet.transactions.receipt import Receipt, Reverted
from veriframe.adapters.starknet.transactions.transaction import Call
from veriframe.errors import MoveRefused
from veriframe.model.registry.job import Address, format_address

log = structlog.get_logger()


class Sender(Protocol):
    """Sends one account's transactions, one after the other."""

    @property
    def account(self) -> int:
        """The account's address."""

    async def send(self, calls: Sequence[Call], label: str) -> Receipt:
        """Sends these calls in one transaction and waits until it is accepted.

        Raises `Reverted`, `RegistryUnavailable`.
        """

    async def refusal(self, calls: Sequence[Call]) -> Reverted | None:
        """Why these calls would be reverted now, or None. Sends nothing. Raises `RegistryUnavailable`."""


async def make_move(sender: Sender, name: str, calls: Sequence[Call], **facts: object) -> Receipt:
    """Sends the calls as one move. Raises `MoveRefused`, `RegistryUnavailable`."""
    started = time.monotonic()
    # By this label the sender recognises a move with an unknown outcome and does not make it twice.
    label = " ".join((name, *(str(fact) for fact in facts.values())))
    account = format_address(Address(sender.account))
    try:
        receipt = await sender.send(calls, label)
    except Reverted as error:
        refused = refusal(error.reason)
        log.info(
            "registry_move",
            move=name,
            account=account,
            refused=refused.rule,
            reason=str(refused),
            transaction=f"{error.hash:#x}",
            fee_fri=error.fee_fri,
            **facts,
        )
        refused.fee_fri = error.fee_fri
        raise refused from error
    log.info(
        "registry_move",
        move=name,
        account=account,
        seconds=round(time.monotonic() - started, 4),
        transaction=f"{receipt.hash:#x}",
        fee_fri=receipt.fee_fri,
        **facts,
    )
    return receipt


async def make_job_move(sender: Sender, name: str, calls: Sequence[Call], ids: Sequence[int]) -> Receipt:
    """Sends the calls as one move on these jobs. Raises as `make_move` does."""
    facts: dict[str, object] = {"job_id": ids[0]} if len(ids) == 1 else {"job_ids": ids}
    return await make_move(sender, name, calls, **facts)


def log_refusal(sender: Sender, name: str, error: MoveRefused, **facts: object) -> None:
    """Logs a move that was not sent because the registry would refuse it."""
    account = format_address(Address(sender.account))
    log.info("registry_move", move=name, account=account, refused=error.rule, sent=False, **facts)
