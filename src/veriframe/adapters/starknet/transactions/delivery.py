"""Delivers one signed transaction: sends it, polls its status, and sends the same bytes again if needed.

A node's answer to sending is never the outcome. Before a transaction counts as lost, its hash is looked up;
before a nonce counts as taken, the nodes are queried several times, since they may lag.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from veriframe.adapters.starknet.rpc.endpoints import Endpoints, RpcError
from veriframe.adapters.starknet.transactions.fees import FeeTooHigh
from veriframe.adapters.starknet.transactions.outbox import Entry, Outbox, State
from veriframe.adapters.starknet.transactions.receipt import Receipt, parse_receipt
from veriframe.adapters.starknet.transactions.revert_reason import clean, reason_of
from veriframe.adapters.starknet.transactions.transaction import submission
from veriframe.errors import AccountNotDeployed, MoveRefused, RegistryUnavailable

log = structlog.get_logger()

TTL_SECONDS = 300.0
"""How long a node's mempool keeps a transaction (Starknet: 5 min)."""
CHECKS = 3
"""How often the nodes must report that the transaction is unknown and its nonce taken."""

CONTRACT_NOT_FOUND = 20
DUPLICATE = 59
HASH_NOT_FOUND = 29
BAD_NONCE = 52
BOUNDS_TOO_LOW = 53
BALANCE_TOO_LOW = 54
VALIDATION = 55
UNEXPECTED = 63
UNDERPRICED = 64
FEE_TOO_LOW = 65

_DEARER = frozenset({BOUNDS_TOO_LOW, UNDERPRICED, FEE_TOO_LOW})
_ACCEPTED = frozenset({"ACCEPTED_ON_L2", "ACCEPTED_ON_L1"})
_REFUSALS = {
    BALANCE_TOO_LOW: ("BALANCE", "The account holds too little STRK for the fee. Send STRK to it."),
    VALIDATION: (
        "VALIDATION",
        "The account does not accept the signature. Check that the key belongs to it.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTimeouts:
    """How long to wait for a block, and how often to poll. Times in seconds."""

    wait_seconds: float = 180.0
    """How long one `send` waits; then the outcome stays open and is found later."""
    poll_seconds: float = 0.01
    poll_max_seconds: float = 3.0
    ttl_seconds: float = TTL_SECONDS


class NonceTaken(Exception):
    """Another transaction used the nonce: this one can never be executed."""


BumpFee = Callable[[Entry], Awaitable[Entry]]
"""Signs a transaction with a higher fee on the same nonce and stores it."""


class Delivery:
    """Delivers the entries of one account's outbox. Not for concurrent use."""

    def __init__(
        self, endpoints: Endpoints, outbox: Outbox, bump_fee: BumpFee, timeouts: SendTimeouts
    ) -> None:
        self._endpoints = endpoints
        self._outbox = outbox
        self._bump_fee = bump_fee
        self._timeouts = timeouts

    async def finish(self, entry: Entry) -> Receipt:
        """Sends the transaction if needed and waits for an accepted block. If cancelled, it stays open.

        Raises `NonceTaken`, `MoveRefused` if the nodes refuse it for good, and `RegistryUnavailable` if the
        outcome stays open.
        """
        until = time.monotonic() + self._timeouts.wait_seconds
        pause = self._timeouts.poll_seconds
        while True:
            status = None if entry.state is State.SIGNED else await self._status(entry.hash)
            if status in _ACCEPTED and (receipt := await self._receipt(entry)):
                await self._outbox.mark(entry, State.FAILED if receipt.revert_reason else State.DONE)
                return receipt
            entry = await self._advance(entry, status)
            if time.monotonic() >= until:
                raise RegistryUnavailable(
                    f"The transaction {entry.hash:#x} was sent, but is in no accepted block yet. It is stored"
                    " and checked again; it is never executed twice."
                )
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._timeouts.poll_max_seconds)

    async def nonce(self, account: int, block: str) -> int:
        """The account's next nonce as of `block`. Raises `AccountNotDeployed`, `RegistryUnavailable`."""
        params = {"block_id": block, "contract_address": hex(account)}
        try:
            return int(await self._endpoints.call("starknet_getNonce", params), 16)
        except (RpcError, TypeError, ValueError) as error:
            if isinstance(error, RpcError) and error.code == CONTRACT_NOT_FOUND:
                raise AccountNotDeployed(
                    f"The account {account:#x} is not on this chain yet. Send it STRK for the fee, and run"
                    " `veriframe account deploy`. If it is another account, correct account_address."
                ) from error
            raise RegistryUnavailable(
                f"The StarkNet node returns no nonce of the account {account:#x} ({error}). Try another node"
                " in STARKNET_RPC."
            ) from error

    async def _advance(self, entry: Entry, status: str | None) -> Entry:
        if status is None or status == "REJECTED":
            return await self._deliver(entry)
        # Received, but in no block for longer than a mempool keeps it: the fee is too low.
        return await self._bump_fee_and_send(entry) if status == "RECEIVED" and self._gone(entry) else entry

    async def _deliver(self, entry: Entry) -> Entry:
        """Sends the bytes. Returns the entry to poll, which may be a sibling on the same nonce."""
        before, failures = entry.sent_at, self._endpoints.failures
        # Recorded before sending: from here on, a node may have it, whatever it answers.
        entry = await self._outbox.note_sending(entry, time.time())
        try:
            answer = await self._endpoints.call(*submission(entry.payload))
        except RpcError as error:
            if failures == self._endpoints.failures and error.code not in {DUPLICATE, UNEXPECTED}:
                # One node was called and did not accept it: only an earlier delivery can have reached a node.
                entry = await self._outbox.note_sending(entry, before)
            return await self._judge(entry, error)
        _check_hash(answer, entry)
        return entry

    async def _judge(self, entry: Entry, error: RpcError) -> Entry:
        """Handles an error on sending. The transaction's own hash is looked up first."""
        if error.code == DUPLICATE:
            return entry
        if known := await self._known(entry):
            return known
        reason = clean(f"{error.message} {reason_of(error.data)}")
        log.warning("transaction_not_taken", hash=hex(entry.hash), code=error.code, reason=reason)
        if error.code == BAD_NONCE or (error.code == VALIDATION and "nonce" in reason.lower()):
            return await self._reconcile(entry)
        if error.code in _DEARER:
            return await self._bump_fee_and_send(entry)
        if error.code == UNEXPECTED or not self._gone(entry):
            raise RegistryUnavailable(
                f"The StarkNet node did not accept the transaction: {reason}"
            ) from error
        await self._give_up(entry)
        rule, sentence = _REFUSALS.get(
            error.code, (f"CODE_{error.code}", f"The nodes refuse the transaction: {reason}")
        )
        raise MoveRefused(rule, sentence) from error

    def _gone(self, entry: Entry) -> bool:
        """Whether no mempool should have it any more: it was never accepted, or too long ago."""
        return time.time() - entry.sent_at > self._timeouts.ttl_seconds

    async def _bump_fee_and_send(self, entry: Entry) -> Entry:
        try:
            return await self._bump_fee(entry)
        except (MoveRefused, FeeTooHigh) as error:
            # If a node may have it, it stays open. If none can, it is given up, so that it blocks nothing.
            if await self._known(entry) or not self._gone(entry):
                raise RegistryUnavailable(f"A transaction waits for a block. {error}") from error
            await self._give_up(entry)
            raise

    async def _give_up(self, entry: Entry) -> None:
        """Closes an entry that no node has or will accept; the caller gets the error."""
        await self._outbox.mark(entry, State.REFUSED)
        await self._outbox.mark_reported(entry)

    async def _reconcile(self, entry: Entry) -> Entry:
        """Handles “bad nonce”: the transaction is known, too early, or another one used the nonce."""
        for _ in range(CHECKS):
            nonce = await self.nonce(entry.account, "latest")
            if nonce == entry.nonce:
                return (
                    entry  # The node lagged, or a block was about to be produced: send the same bytes again.
                )
            if known := await self._known(entry):
                return known
            await asyncio.sleep(self._timeouts.poll_seconds)
        if nonce < entry.nonce:
            return await self._wait_for_turn(entry)
        await self._outbox.mark(entry, State.REPLACED)
        raise NonceTaken(f"nonce {entry.nonce} of {entry.account:#x} went to another transaction")

    async def _wait_for_turn(self, entry: Entry) -> Entry:
        """Waits for a nonce that is not due yet. Gives up if waiting cannot help: it would block the rest."""
        if await self.nonce(entry.account, "pre_confirmed") >= entry.nonce or not self._gone(entry):
            return entry
        await self._give_up(entry)
        raise RegistryUnavailable(
            f"The account's nonce went back below {entry.nonce}, so the transaction can no longer be"
            " executed. It was never accepted and is given up; the move can be made again."
        )

    async def _known(self, entry: Entry) -> Entry | None:
        """The transaction for this purpose on this nonce that the nodes know, if any."""
        for sibling in await self._outbox.siblings(entry):
            if await self._status(sibling.hash) not in {None, "REJECTED"}:
                if sibling.hash != entry.hash:
                    await self._outbox.exchange(entry, sibling)
                return replace(sibling, state=State.SENT)
        return None

    async def _status(self, digest: int) -> str | None:
        """A transaction's status; `None` if the node does not know it (RECEIVED is local to a node)."""
        try:
            answer = await self._endpoints.call(
                "starknet_getTransactionStatus", {"transaction_hash": hex(digest)}
            )
        except RpcError as error:
            if error.code == HASH_NOT_FOUND:
                return None
            raise RegistryUnavailable(f"The StarkNet node returns no status: {error}") from error
        status = answer.get("finality_status") if isinstance(answer, dict) else None
        if not isinstance(status, str):
            raise RegistryUnavailable("The StarkNet node's status cannot be read. Try another node.")
        return status

    async def _receipt(self, entry: Entry) -> Receipt | None:
        try:
            answer = await self._endpoints.call(
                "starknet_getTransactionReceipt", {"transaction_hash": hex(entry.hash)}
            )
        except RpcError as error:
            if error.code == HASH_NOT_FOUND:
                return None  # Another node behind the same address, or a recent reorganisation.
            raise RegistryUnavailable(f"The StarkNet node returns no receipt: {error}") from error
        return parse_receipt(answer, entry.hash, entry.label)


def _check_hash(answer: object, entry: Entry) -> None:
    try:
        found = int(answer["transaction_hash"], 16)  # type: ignore[index]
    except (TypeError, ValueError, KeyError) as error:
        raise RegistryUnavailable("The StarkNet node's answer to a transaction cannot be read.") from error
    if found != entry.hash:
        raise RegistryUnavailable(
            f"The StarkNet node calls the transaction {found:#x}, not {entry.hash:#x}: it has another"
            " version or serves another chain. Try another node in STARKNET_RPC."
        )
