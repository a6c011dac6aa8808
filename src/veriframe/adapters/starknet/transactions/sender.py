"""One account's transactions, one after the other, each in the chain exactly once or not at all.

Nonce and signed bytes are in the outbox before anything is sent. What was begun is brought to its end before
something new is signed, so that a nonce is never decided twice. See `delivery` for the way to that end.
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
    Bounds,
    FeeTooHigh,
    fee_too_high,
    parse_estimates,
    with_margin,
)
from veriframe.adapters.starknet.transactions.outbox import Entry, Outbox, State
from veriframe.adapters.starknet.transactions.receipt import Event, Receipt, Reverted, clean, reason_of
from veriframe.adapters.starknet.transactions.transaction import (
    Act,
    Call,
    Declare,
    Invoke,
    Signer,
    Unsigned,
    encode_calls,
)
from veriframe.errors import MoveRefused, RegistryUnavailable

__all__ = ["Call", "Event", "Receipt", "Reverted", "SendTimeouts", "Sender", "Signer"]

log = structlog.get_logger()

REORG_SECONDS = 6 * 3600.0
"""How long back a transaction in an accepted block may be undone. Reorganisations took an hour in 2025."""
TRIES = 3
"""How often a new nonce is taken where another program was faster."""
SIBLINGS_MAX = 5
"""How often one transaction is made dearer."""

_REVERTS = 41
_CLASS_REFUSALS = frozenset({51, 56, 57, 60, 62})
"""Known already, does not compile, too large, another compiled class, unknown version."""


class Sender:
    """Sends calls from one account. `max_fee_fri` is the most that one transaction may ever cost.

    Calls of `send` may come side by side, also in processes that share the outbox: they wait for each other.
    """

    def __init__(  # noqa: PLR0913 - what it is made of
        self,
        endpoints: Endpoints,
        outbox: Outbox,
        account_address: int,
        signer: Signer,
        *,
        max_fee_fri: int,
        pace: SendTimeouts = SendTimeouts(),  # noqa: B008 - immutable
    ) -> None:
        self._endpoints = endpoints
        self._outbox = outbox
        self._account = account_address
        self._signer = signer
        self._max_fee_fri = max_fee_fri
        self._delivery = Delivery(endpoints, outbox, self._reprice, pace)
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
        """Make all calls in one transaction, all of them or none. Returns once it is in an accepted block.

        Raises `Reverted` where the contract refuses (mostly before anything is sent), `MoveRefused` where the
        nodes do, `RegistryUnavailable` where it cannot be sent or its outcome is open. After the latter,
        the same calls with the same `label` may be given again: what is under way is waited for, not doubled.
        """
        return await self._once(Invoke(encode_calls(calls)), label)

    async def declare(self, built: Declare, label: str) -> Receipt:
        """Make a class known to the chain. Raises as `send` does, and is safe to repeat as that is."""
        return await self._once(built, label)

    async def estimate(self, acts: Sequence[Act]) -> Sequence[Bounds]:
        """What each of these transactions costs, made one after the other, without margins.

        Raises `Reverted` or `MoveRefused` where one cannot be, `RegistryUnavailable`.
        """
        chain_id = await self._endpoints.chain_id()
        nonce = await self._delivery.nonce(self._account, "pre_confirmed")
        drafts = [self._draft(chain_id, nonce + place, act) for place, act in enumerate(acts)]
        return await self._estimate(drafts)

    async def _once(self, act: Act, label: str) -> Receipt:
        async with self._lock, self._outbox.turn():
            chain_id = await self._endpoints.chain_id()
            await self._finish_open(chain_id)
            for entry in self._outbox.untold(chain_id, self._account):
                if entry.label == label and Unsigned.parse(chain_id, entry.payload).act == act:
                    return self._tell(entry, await self._delivery.finish(replace(entry, state=State.SENT)))
            for _ in range(TRIES):
                entry = await self._sign_new(chain_id, act, label)
                try:
                    receipt = await self._delivery.finish(entry)
                except NonceTaken as error:
                    log.warning("nonce_taken", reason=str(error))
                    continue
                return self._tell(entry, receipt)
        raise RegistryUnavailable(
            f"Another program sends from the account {self._account:#x} too. Let only one use it, or those of"
            " one home folder."
        )

    async def recover(self) -> Sequence[Receipt]:
        """Bring to its end what an earlier run began, and send again what a reorganisation undid.

        Returns what ended in an accepted block without anyone having heard of it, reverts among them. Call it
        at the start, and where the chain's state went back. Raises `RegistryUnavailable`.
        """
        async with self._lock, self._outbox.turn():
            chain_id = await self._endpoints.chain_id()
            nonce = await self._delivery.nonce(self._account, "pre_confirmed")
            self._reopen_undone(chain_id, nonce, told=False)
            await self._finish_open(chain_id)
            receipts = []
            for entry in self._outbox.untold(chain_id, self._account):
                receipts.append(await self._delivery.finish(replace(entry, state=State.SENT)))
                self._tell_all(receipts[-1], entry)
            return receipts

    async def _finish_open(self, chain_id: int) -> None:
        """Nothing new while something is open. What is refused here is only logged: its caller is gone."""
        for entry in self._outbox.open(chain_id, self._account):
            try:
                await self._delivery.finish(entry)
            except (MoveRefused, NonceTaken) as error:
                log.warning("open_transaction_refused", label=entry.label, reason=str(error))

    def _reopen_undone(self, chain_id: int, nonce: int, *, told: bool) -> bool:
        """Where the nonce went back, what had it is open again; where the node only lags, it is found."""
        since = time.time() - REORG_SECONDS
        taken = {entry.nonce for entry in self._outbox.open(chain_id, self._account)}
        ended = self._outbox.ended_from(chain_id, self._account, nonce, since)
        undone = {entry.nonce: entry for entry in ended if entry.nonce not in taken}
        # After a gap nothing can follow: that is another chain's past, or too old.
        again = list(takewhile(lambda entry: entry is not None, map(undone.get, count(nonce))))
        for entry in filter(None, again):
            log.warning("nonce_went_back", label=entry.label, hash=hex(entry.hash), nonce=entry.nonce)
            self._outbox.reopen(entry, told=told)
        return bool(again)

    async def _free_nonce(self, chain_id: int) -> int:
        for _ in range(TRIES):
            nonce = await self._delivery.nonce(self._account, "pre_confirmed")
            if not self._reopen_undone(chain_id, nonce, told=True):
                return nonce
            await self._finish_open(chain_id)
        raise RegistryUnavailable("The StarkNet node lags behind its own past. It is tried again later.")

    def _draft(self, chain_id: int, nonce: int, act: Act) -> Unsigned:
        return Unsigned(chain_id=chain_id, account=self._account, nonce=nonce, act=act, bounds=NONE)

    async def _sign_new(self, chain_id: int, act: Act, label: str) -> Entry:
        """A transaction on the next nonce, signed and on the disk."""
        draft = self._draft(chain_id, await self._free_nonce(chain_id), act)
        (estimate,) = await self._estimate([draft])
        entry = await self._sign(replace(draft, bounds=with_margin(estimate, self._max_fee_fri)), label)
        self._outbox.add(entry)
        return entry

    async def _sign(self, unsigned: Unsigned, label: str, origin: int | None = None) -> Entry:
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

    async def _reprice(self, older: Entry) -> Entry:
        """The same calls on the same nonce, dearer, on the disk in the place of `older`."""
        if len(self._outbox.siblings(older)) >= SIBLINGS_MAX:
            raise FeeTooHigh(
                f"The nodes find the transaction {older.hash:#x} too cheap, however dear. It is tried later."
            )
        unsigned = Unsigned.parse(older.chain_id, older.payload)
        (estimate,) = await self._estimate([unsigned])
        fresh = with_margin(estimate, self._max_fee_fri)
        bounds = fresh.over(unsigned.bounds)
        if bounds.cost_fri > self._max_fee_fri:
            raise fee_too_high(bounds.cost_fri, self._max_fee_fri)
        newer = await self._sign(replace(unsigned, bounds=bounds), older.label, older.origin)
        self._outbox.supersede(older, newer)
        return newer

    async def _estimate(self, drafts: Sequence[Unsigned]) -> Sequence[Bounds]:
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
                told = clean(f"{error.message} {reason}")
                raise MoveRefused("CLASS", f"The chain does not take this class: {told}") from error
            raise RegistryUnavailable(f"The StarkNet node cannot estimate the fee now: {error}") from error

    def _tell(self, entry: Entry, receipt: Receipt) -> Receipt:
        self._tell_all(receipt, entry)
        if receipt.revert_reason:
            raise Reverted(receipt.revert_reason, transaction_hash=receipt.hash, fee_fri=receipt.fee_fri)
        return receipt

    def _tell_all(self, receipt: Receipt, entry: Entry) -> None:
        """The caller hears of it now, under whichever of its digests it came into the chain."""
        for sibling in self._outbox.siblings(entry):
            if sibling.hash in {receipt.hash, entry.hash}:
                self._outbox.tell(sibling)
