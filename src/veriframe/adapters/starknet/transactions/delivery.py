"""Bringing one signed transaction to its end: send it, look for it, send the same bytes again.

What a node says on sending is never the outcome by itself. Before anything is believed lost, the own digest
is looked up; before a nonce is believed taken, the nodes are asked several times, as they may lag.
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
from veriframe.adapters.starknet.transactions.receipt import Receipt, clean, parse_receipt, reason_of
from veriframe.adapters.starknet.transactions.transaction import submission
from veriframe.errors import MoveRefused, RegistryUnavailable

log = structlog.get_logger()

TTL_SECONDS = 300.0
"""How long a node's mempool keeps a transaction (Starknet: 5 min)."""
LOOKS = 3
"""How often the nodes must say that the own transaction is unknown and its nonce taken."""

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
    VALIDATION: ("VALIDATION", "The account does not accept the signature. See that the key is its own."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTimeouts:
    """How long to wait for a block, and how often to look. Times in seconds."""

    wait_seconds: float = 180.0
    """How long one `send` waits; then the outcome stays open, and is found later."""
    poll_seconds: float = 0.1
    poll_max_seconds: float = 3.0
    ttl_seconds: float = TTL_SECONDS


class NonceTaken(Exception):
    """Another transaction has the nonce: this one can never be in the chain."""


Reprice = Callable[[Entry], Awaitable[Entry]]
"""Makes the dearer transaction on the same nonce, on the disk."""


class Delivery:
    """Brings entries of one account's outbox to their ends. Not for use side by side."""

    def __init__(self, endpoints: Endpoints, outbox: Outbox, reprice: Reprice, pace: SendTimeouts) -> None:
        self._endpoints = endpoints
        self._outbox = outbox
        self._reprice = reprice
        self._pace = pace

    async def finish(self, entry: Entry) -> Receipt:
        """Send where needed and wait for an accepted block. Cancelled, it leaves the entry as it is.

        Raises `NonceTaken`, `MoveRefused` where the nodes refuse it for good, and `RegistryUnavailable`
        where the outcome stays open.
        """
        until = time.monotonic() + self._pace.wait_seconds
        pause = self._pace.poll_seconds
        while True:
            status = None if entry.state is State.SIGNED else await self._status(entry.hash)
            if status in _ACCEPTED and (receipt := await self._receipt(entry)):
                self._outbox.mark(entry, State.FAILED if receipt.revert_reason else State.DONE)
                return receipt
            entry = await self._go_on(entry, status)
            if time.monotonic() >= until:
                raise RegistryUnavailable(
                    f"The transaction {entry.hash:#x} is sent, but in no accepted block yet. It is kept, and"
                    " looked for again; it is never sent twice."
                )
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, self._pace.poll_max_seconds)

    async def nonce(self, account: int, block: str) -> int:
        """The account's next nonce as of `block`. Raises `RegistryUnavailable`, also where it is unknown."""
        params = {"block_id": block, "contract_address": hex(account)}
        try:
            return int(await self._endpoints.call("starknet_getNonce", params), 16)
        except (RpcError, TypeError, ValueError) as error:
            raise RegistryUnavailable(
                f"The StarkNet node tells no nonce of the account {account:#x} ({error}). See that this"
                " account is deployed on this chain."
            ) from error

    async def _go_on(self, entry: Entry, status: str | None) -> Entry:
        if status is None or status == "REJECTED":
            return await self._deliver(entry)
        # Received, but in no block for longer than a mempool keeps it: the price is too low.
        return await self._raise_fee(entry) if status == "RECEIVED" and self._gone(entry) else entry

    async def _deliver(self, entry: Entry) -> Entry:
        """Send the bytes. Returns the entry to look for; it may be a sibling on the same nonce."""
        before, failures = entry.sent_at, self._endpoints.failures
        # Noted before: from here on it may be out, whatever is heard.
        entry = self._outbox.note_sending(entry, time.time())
        try:
            answer = await self._endpoints.call(*submission(entry.payload))
        except RpcError as error:
            if failures == self._endpoints.failures and error.code not in {DUPLICATE, UNEXPECTED}:
                # One node was asked, and it did not take it: only an earlier delivery can be out.
                entry = self._outbox.note_sending(entry, before)
            return await self._judge(entry, error)
        _check_hash(answer, entry)
        return entry

    async def _judge(self, entry: Entry, error: RpcError) -> Entry:
        """What an error on sending means. The own digest is looked for before anything is believed."""
        if error.code == DUPLICATE:
            return entry
        if known := await self._known(entry):
            return known
        reason = clean(f"{error.message} {reason_of(error.data)}")
        log.warning("transaction_not_taken", hash=hex(entry.hash), code=error.code, reason=reason)
        if error.code == BAD_NONCE or (error.code == VALIDATION and "nonce" in reason.lower()):
            return await self._reconcile(entry)
        if error.code in _DEARER:
            return await self._raise_fee(entry)
        if error.code == UNEXPECTED or not self._gone(entry):
            raise RegistryUnavailable(f"The StarkNet node did not take the transaction: {reason}") from error
        self._give_up(entry)
        rule, sentence = _REFUSALS.get(error.code, (f"CODE_{error.code}", f"The nodes refuse it: {reason}"))
        raise MoveRefused(rule, sentence) from error

    def _gone(self, entry: Entry) -> bool:
        """Whether no mempool should have it any more: it was never taken, or too long ago."""
        return time.time() - entry.sent_at > self._pace.ttl_seconds

    async def _raise_fee(self, entry: Entry) -> Entry:
        try:
            return await self._reprice(entry)
        except (MoveRefused, FeeTooHigh) as error:
            # Under way it stays open; what no node can have is over, so that it blocks nothing.
            if await self._known(entry) or not self._gone(entry):
                raise RegistryUnavailable(f"A transaction waits for a block. {error}") from error
            self._give_up(entry)
            raise

    def _give_up(self, entry: Entry) -> None:
        """No node has it, and none will: whoever asked for it hears so now."""
        self._outbox.mark(entry, State.REFUSED)
        self._outbox.tell(entry)

    async def _reconcile(self, entry: Entry) -> Entry:
        """After “bad nonce”: found after all, or too early, or the nonce is another transaction's."""
        for _ in range(LOOKS):
            nonce = await self.nonce(entry.account, "latest")
            if nonce == entry.nonce:
                return entry  # The node lagged, or a block was on its way: the same bytes again.
            if known := await self._known(entry):
                return known
            await asyncio.sleep(self._pace.poll_seconds)
        if nonce < entry.nonce:
            return await self._wait_for_turn(entry)
        self._outbox.mark(entry, State.REPLACED)
        raise NonceTaken(f"nonce {entry.nonce} of {entry.account:#x} went to another transaction")

    async def _wait_for_turn(self, entry: Entry) -> Entry:
        """Its nonce is not due yet. Where waiting does not help, it is over: it would block the rest."""
        if await self.nonce(entry.account, "pre_confirmed") >= entry.nonce or not self._gone(entry):
            return entry
        self._give_up(entry)
        raise RegistryUnavailable(
            f"The account's nonce went back below {entry.nonce}, so the transaction waits for what is gone."
            " It was never taken, and is given up; what it was for can be asked for anew."
        )

    async def _known(self, entry: Entry) -> Entry | None:
        """Which of the transactions for this purpose on this nonce the nodes know, if any."""
        for sibling in self._outbox.siblings(entry):
            if await self._status(sibling.hash) not in {None, "REJECTED"}:
                if sibling.hash != entry.hash:
                    self._outbox.exchange(entry, sibling)
                return replace(sibling, state=State.SENT)
        return None

    async def _status(self, digest: int) -> str | None:
        """How far a transaction is; `None` where the node does not know it (RECEIVED is node-local)."""
        try:
            answer = await self._endpoints.call(
                "starknet_getTransactionStatus", {"transaction_hash": hex(digest)}
            )
        except RpcError as error:
            if error.code == HASH_NOT_FOUND:
                return None
            raise RegistryUnavailable(f"The StarkNet node tells no status: {error}") from error
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
                return None  # Another node behind the same address, or a reorganisation just now.
            raise RegistryUnavailable(f"The StarkNet node tells no receipt: {error}") from error
        return parse_receipt(answer, entry.hash, entry.label)


def _check_hash(answer: object, entry: Entry) -> None:
    try:
        found = int(answer["transaction_hash"], 16)  # type: ignore[index]
    except (TypeError, ValueError, KeyError) as error:
        raise RegistryUnavailable("The StarkNet node's answer to a transaction cannot be read.") from error
    if found != entry.hash:
        raise RegistryUnavailable(
            f"The StarkNet node calls the transaction {found:#x}, not {entry.hash:#x}: it is of another"
            " version, or of another chain. Try another node in STARKNET_RPC."
        )
