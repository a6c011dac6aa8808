"""Sends one account's transactions in turn, each executed at most once; bumps the fee of stuck ones.

Nonce and signed bytes are in the outbox before anything is sent. Open transactions are finished before a new
one is signed, so that a nonce is never decided twice. `delivery` sends and polls a single transaction.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import count, takewhile

import structlog

from veriframe.adapters.starknet.rpc.endpoints import Endpoints, RpcError
from veriframe.adapters.starknet.transactions.delivery import Delivery, NonceTaken, SendTimeouts
from veriframe.adapters.starknet.transactions.fees import (
    NONE,
    FeeBounds,
    FeeTooHigh,
    fee_too_high,
    parse_estimates,
    with_margin,
)
from veriframe.adapters.starknet.transactions.outbox import Entry, Outbox, State
from veriframe.adapters.starknet.transactions.receipt import Event, Receipt, Reverted
from veriframe.adapters.starknet.transactions.revert_reason import clean, reason_of
from veriframe.adapters.starknet.transactions.transaction import (
    Action,
    Call,
    Declare,
    Invoke,
    Signer,
    UnsignedTransaction,
    encode_calls,
)
from veriframe.errors import MoveRefused, RegistryUnavailable

__all__ = ["Call", "Event", "Receipt", "Reverted", "SendTimeouts", "Sender", "Signer"]
from veriframe.threads import wait_uninterrupted

log = structlog.get_logger()

REORG_SECONDS = 6 * 3600.0
"""How far back a reorganisation may undo an accepted block. In 2025, one spanned an hour."""
TRIES = 3
"""How often a new nonce is used after another program was faster."""
SIBLINGS_MAX = 5
"""How often one transaction is replaced by one with a higher fee."""

_REVERTS = 41
_CLASS_REFUSALS = frozenset({51, 56, 57, 60, 62})
"""Already declared, does not compile, too large, another compiled class, unknown version."""


class Sender:
    """Sends calls from one account. `max_fee_fri` is the most that one transaction may cost.

    `send` may be called concurrently, also by processes that share the outbox: the calls are serialised.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        endpoints: Endpoints,
        outbox: Outbox,
        account_address: int,
        signer: Signer,
        *,
        max_fee_fri: int,
        timeouts: SendTimeouts = SendTimeouts(),  # noqa: B008 - immutable
    ) -> None:
        self._endpoints = endpoints
        self._outbox = outbox
        self._account = account_address
        self._signer = signer
        self._max_fee_fri = max_fee_fri
        self._delivery = Delivery(endpoints, outbox, self._bump_fee, timeouts)
        self._lock = asyncio.Lock()

    @property
    def account(self) -> int:
        """The address that sends."""
        return self._account

    @property
    def max_fee_fri(self) -> int:
        """The most that one transaction may cost."""
        return self._max_fee_fri

    async def send(self, calls: Sequence[Call], label: str) -> Receipt:
        """Makes all calls in one transaction, all of them or none. Returns once it is in an accepted block.

        Raises `Reverted` if the contract refuses (usually before anything is sent), `MoveRefused` if the
        nodes do, `RegistryUnavailable` if it cannot be sent or its outcome is unknown. After the latter, the
        same calls with the same `label` may be repeated: an open transaction is awaited, not duplicated.
        """
        return await self._once(Invoke(encode_calls(calls)), label)

    async def declare(self, built: Declare, label: str) -> Receipt:
        """Declares a class. Raises as `send` does, and is as safe to repeat."""
        return await self._once(built, label)

    async def estimate(self, acts: Sequence[Action]) -> Sequence[FeeBounds]:
        """Estimates the cost of each of these transactions, executed one after the other, without margins.

        Raises `Reverted` or `MoveRefused` if one cannot be executed, `RegistryUnavailable`.
        """
        chain_id = await self._endpoints.chain_id()
        nonce = await self._delivery.nonce(self._account, "pre_confirmed")
        drafts = [self._draft(chain_id, nonce + place, act) for place, act in enumerate(acts)]
        return await self._estimate(drafts)

    async def refusal(self, calls: Sequence[Call]) -> Reverted | None:
        """Why these calls would be reverted now, or None. Sends nothing. Raises `RegistryUnavailable`."""
        try:
            await self.estimate([Invoke(encode_calls(calls))])
        except Reverted as error:
            return error
        return None

    async def _once(self, act: Action, label: str) -> Receipt:
        async with self._lock, self._outbox.turn():
            chain_id = await self._endpoints.chain_id()
            await self._finish_open(chain_id)
            for entry in await self._outbox.unreported(chain_id, self._account):
                if entry.label == label and UnsignedTransaction.parse(chain_id, entry.payload).act == act:
                    return await self._report(
                        entry, await self._delivery.finish(replace(entry, state=State.SENT))
                    )
            for _ in range(TRIES):
                entry = await self._sign_new(chain_id, act, label)
                try:
                    receipt = await self._delivery.finish(entry)
                except NonceTaken as error:
                    log.warning("nonce_taken", reason=str(error))
                    continue
                return await self._report(entry, receipt)
        raise RegistryUnavailable(
            f"Another program also sends from the account {self._account:#x}. Use an account with only one"
            " home folder."
        )

    async def recover(self) -> Sequence[Receipt]:
        """Finishes what an earlier run started, and sends again what a reorganisation undid.

        Returns the receipts of accepted blocks that were not reported yet, including reverts. Call it at the
        start, and after a reorganisation. Raises `RegistryUnavailable`.
        """
        async with self._lock, self._outbox.turn():
            chain_id = await self._endpoints.chain_id()
            nonce = await self._delivery.nonce(self._account, "pre_confirmed")
            await self._reopen_undone(chain_id, nonce, reported=False)
            await self._finish_open(chain_id)
            receipts = []
            for entry in await self._outbox.unreported(chain_id, self._account):
                receipts.append(await self._delivery.finish(replace(entry, state=State.SENT)))
                await self._mark_reported(receipts[-1], entry)
            return receipts

    async def _finish_open(self, chain_id: int) -> None:
        """Finishes open transactions before a new one. A refusal is only logged: its caller is gone."""
        for entry in await self._outbox.open(chain_id, self._account):
            try:
                await self._delivery.finish(entry)
            except (MoveRefused, NonceTaken) as error:
                log.warning("open_transaction_refused", label=entry.label, reason=str(error))

    async def _reopen_undone(self, chain_id: int, nonce: int, *, reported: bool) -> bool:
        """Reopens transactions after the nonce went back. If the node only lags, it still knows them."""
        since = time.time() - REORG_SECONDS
        taken = {entry.nonce for entry in await self._outbox.open(chain_id, self._account)}
        ended = await self._outbox.ended_from(chain_id, self._account, nonce, since)
        undone = {entry.nonce: entry for entry in ended if entry.nonce not in taken}
        # Nothing valid follows a gap: those belong to another chain's past, or are too old.
        again = list(takewhile(lambda entry: entry is not None, map(undone.get, count(nonce))))
        for entry in filter(None, again):
            log.warning("nonce_went_back", label=entry.label, hash=hex(entry.hash), nonce=entry.nonce)
            await self._outbox.reopen(entry, reported=reported)
        return bool(again)

    async def _free_nonce(self, chain_id: int) -> int:
        for _ in range(TRIES):
            nonce = await self._delivery.nonce(self._account, "pre_confirmed")
            if not await self._reopen_undone(chain_id, nonce, reported=True):
                return nonce
            await self._finish_open(chain_id)
        raise RegistryUnavailable(
            "The StarkNet node lags behind its earlier state. The move is tried again later."
        )

    def _draft(self, chain_id: int, nonce: int, act: Action) -> UnsignedTransaction:
        return UnsignedTransaction(
            chain_id=chain_id, account=self._account, nonce=nonce, act=act, bounds=NONE
        )

    async def _sign_new(self, chain_id: int, act: Action, label: str) -> Entry:
        """Signs a transaction on the next nonce and stores it."""
        draft = self._draft(chain_id, await self._free_nonce(chain_id), act)
        (estimate,) = await self._estimate([draft])
        entry = await self._sign(replace(draft, bounds=with_margin(estimate, self._max_fee_fri)), label)
        await self._outbox.add(entry)
        return entry

    async def _sign(self, unsigned: UnsignedTransaction, label: str, origin: int | None = None) -> Entry:
        def sign() -> tuple[int, tuple[int, int]]:
            digest = unsigned.digest()
            return digest, self._signer.sign(digest)

        digest, signature = await asyncio.to_thread(sign)
        return Entry(
            chain_id=unsigned.chain_id,
            account=unsigned.account,
            nonce=unsigned.nonce,
            hash=digest,
            origin=digest if origin is None else origin,
            label=label,
            state=State.SIGNED,
            payload=json.dumps(unsigned.payload(signature)),
            signed_at=time.time(),
        )

    async def _bump_fee(self, older: Entry) -> Entry:
        """Signs the same calls on the same nonce with a higher fee, and stores them in place of `older`."""
        if len(await self._outbox.siblings(older)) >= SIBLINGS_MAX:
            raise FeeTooHigh(
                f"The nodes refuse the fee of transaction {older.hash:#x} after {SIBLINGS_MAX - 1} raises."
                " It is tried later."
            )
        unsigned = UnsignedTransaction.parse(older.chain_id, older.payload)
        (estimate,) = await self._estimate([unsigned])
        fresh = with_margin(estimate, self._max_fee_fri)
        bounds = fresh.over(unsigned.bounds)
        if bounds.cost_fri > self._max_fee_fri:
            raise fee_too_high(bounds.cost_fri, self._max_fee_fri)
        newer = await self._sign(replace(unsigned, bounds=bounds), older.label, older.origin)
        await self._outbox.supersede(older, newer)
        return newer

    async def _estimate(self, drafts: Sequence[UnsignedTransaction]) -> Sequence[FeeBounds]:
        params = {
            "request": [draft.payload(()) for draft in drafts],
            "simulation_flags": ["SKIP_VALIDATE"],
            "block_id": "pre_confirmed",
        }
        try:
            return parse_estimates(await self._endpoints.call("starknet_estimateFee", params), len(drafts))
        except RpcError as error:
            reason = reason_of(error.data)
            if error.code == _REVERTS and "transaction nonce is invalid" not in reason.lower():
                raise Reverted(reason) from error
            if error.code in _CLASS_REFUSALS:
                cause = clean(f"{error.message} {reason}")
                raise MoveRefused("CLASS", f"The chain does not accept this class: {cause}") from error
            raise RegistryUnavailable(f"The StarkNet node cannot estimate the fee now: {error}") from error

    async def _report(self, entry: Entry, receipt: Receipt) -> Receipt:
        try:
            await self._mark_reported(receipt, entry)
        except asyncio.CancelledError:
            # The caller does not get it. If it repeats the call, this is the answer: nothing is sent twice.
            undone = asyncio.ensure_future(self._mark_reported(receipt, entry, reported=False))
            await wait_uninterrupted(undone)
            raise
        if receipt.revert_reason:
            raise Reverted(receipt.revert_reason, transaction_hash=receipt.hash, fee_fri=receipt.fee_fri)
        return receipt

    async def _mark_reported(self, receipt: Receipt, entry: Entry, *, reported: bool = True) -> None:
        """Records whether the outcome is reported, under the hash that was executed."""
        for sibling in await self._outbox.siblings(entry):
            if sibling.hash in {receipt.hash, entry.hash}:
                await self._outbox.mark_reported(sibling, reported=reported)
