"""A foreign registry as one account uses it: the functions in its ABI, behind the same ports.

Such a registry has no bonds and no credit. If it has no claims, a claim is only recorded here: the first to
submit is paid, and anyone who reads a result's CID may copy it. What its views do not show about a job is
derived in `foreign.job`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from veriframe.adapters.starknet.cairo.codec import short_string
from veriframe.adapters.starknet.contract.contract import TOKEN_ABI, Contract, Node
from veriframe.adapters.starknet.contract.move_batches import MoveBatcher, MoveRequest, Outcome
from veriframe.adapters.starknet.contract.sending import Sender, make_move
from veriframe.adapters.starknet.foreign.dialect import Dialect
from veriframe.adapters.starknet.foreign.job import MoveRecord
from veriframe.adapters.starknet.foreign.move_records import MoveRecords
from veriframe.adapters.starknet.foreign.moves import (
    CLAIM,
    FINALIZE,
    SUBMIT,
    MoveKind,
    MovePlan,
    ObservedJob,
    asked_twice,
    paused,
)
from veriframe.adapters.starknet.foreign.reader import ForeignReader
from veriframe.adapters.starknet.transactions.fees import submissions_fri
from veriframe.adapters.starknet.transactions.receipt import Receipt
from veriframe.adapters.starknet.transactions.transaction import Call
from veriframe.adapters.starknet.trust.trust import Trust
from veriframe.errors import Code, MoveRefused, VeriFrameError
from veriframe.model.registry.job import Address
from veriframe.model.registry.ledger import Rule
from veriframe.ports.registry import Funds, JobRegistry, Membership, Snapshot, Totals, Treasury

NO_CREDIT = "NO_CREDIT"
NO_REGISTRATION = "NO_REGISTRATION"
SUBMISSIONS = 2
"""This many must be affordable at any time, or a rendered result could not be submitted (fault 68)."""


class ForeignRegistry(ForeignReader, JobRegistry, Treasury, Membership):
    """The registry at `address`, called as its ABI requires. `notes` records the account's moves there."""

    def __init__(  # noqa: PLR0913 - its parts
        self,
        node: Node,
        sender: Sender,
        address: int,
        *,
        token: int,
        notes: MoveRecords,
        max_fee_fri: int = 10**18,
        trust: Trust | None = None,
    ) -> None:
        super().__init__(node, address, Address(sender.account), notes)
        self.trust = trust or Trust()
        self._token, self._sender = Contract(node, token, TOKEN_ABI), sender
        self._max_fee_fri = max_fee_fri
        self._turn = asyncio.Lock()
        self._claims, self._submissions, self._ends = (
            MoveBatcher[MoveRequest](self._turn, partial(self._make, kind))
            for kind in (CLAIM, SUBMIT, FINALIZE)
        )

    @property
    def account(self) -> Address:
        """The account that makes the moves."""
        return Address(self._sender.account)

    def settle(self, receipts: Sequence[Receipt]) -> None:
        """Records moves of an earlier run that were sent, but whose outcome it did not see."""
        for receipt in receipts:
            name, _, ids = receipt.label.partition(" ")
            if receipt.revert_reason or name not in (SUBMIT.name, FINALIZE.name):
                continue
            for job_id in map(int, re.findall(r"\d+", ids)):
                if (note := self._notes.jobs.get(job_id)) is not None:
                    submitted = note.is_submitted or name == SUBMIT.name
                    ended = note.has_ended or name == FINALIZE.name
                    self._note(job_id, replace(note, is_submitted=submitted, has_ended=ended))

    async def snapshot(self, first: int, count: int) -> Snapshot:
        """As in any reader; also compares the chain's time with this machine's clock."""
        snapshot = await super().snapshot(first, count)
        self.trust.clock.note(snapshot.head)
        return snapshot

    async def claim(self, job_id: int) -> int:
        """Claims a job; if the registry has no claims, only records it."""
        self.trust.clock.require_right(await self._contract.head())
        return await self._claims.make(MoveRequest(job_id))

    async def submit_result(self, job_id: int, result_cid: str) -> int:
        """Submits a result, with its CID encoded as the ABI requires."""
        return await self._submissions.make(MoveRequest(job_id, result_cid))

    async def finalize(self, job_id: int) -> int:
        """Finalizes a job that is due. After a refusal, not again for an hour."""
        if not (await self.dialect()).has("finalize"):
            raise MoveRefused(Rule.NOT_DUE.value, "This registry has no finalizing move.")
        return await self._ends.make(MoveRequest(job_id))

    async def release(self, job_id: int, reason: Code) -> int:
        """Releases a claim, if the registry has claims."""
        fee_fri, dialect = 0, await self.dialect()
        if dialect.has("release"):
            wants_reason = len(dialect.functions["release"].inputs) > 1
            values = [short_string(reason.value.encode())] if wants_reason else []
            async with self._turn:
                call = self._call(dialect, "release", job_id, *values)
                fee_fri = (await make_move(self._sender, "release", [call], job_id=job_id)).fee_fri
        elif dialect.has("claim"):
            raise MoveRefused(Rule.LIVE_CLAIM.value, "This registry does not allow a claim to be released.")
        self._notes.drop(job_id)
        return fee_fri

    async def register(self, info: str) -> None:
        """Registers this account as a worker."""
        dialect = await self.dialect()
        if not dialect.has("register"):
            raise MoveRefused(NO_REGISTRATION, "This registry has no function to register a worker.")
        try:
            calldata = dialect.registration(info)
        except ValueError as error:
            raise MoveRefused(
                NO_REGISTRATION,
                f"“{info}” cannot be registered here: {error}. Use a shorter text, or its own tools.",
            ) from error
        call = self._contract.move_of(dialect.name("register"), calldata)
        async with self._turn:
            await make_move(self._sender, "register", [call])

    async def funds(self, account: Address) -> Funds:
        """An account's money, all in its wallet. For our own account, also the reserve for fees."""
        held_fri = await self._balance(account)
        if account != self.account:
            return Funds(wallet_fri=held_fri, credit_fri=0)
        price_fri = await self._contract.gas_price_fri()
        # No fees of a job: its reward may be in any token, so the two cannot be compared.
        return Funds(
            wallet_fri=held_fri,
            credit_fri=0,
            reserve_fri=submissions_fri(SUBMISSIONS, price_fri, self._max_fee_fri),
        )

    async def totals(self) -> Totals:
        """The registry's balance; its purpose is not known."""
        held = await self._balance(self._contract.address)
        return Totals(token_fri=held, escrow_fri=held, credit_fri=0, burned_fri=0)

    async def deposit(self, amount_fri: int) -> None:
        """Refused: no money goes to a contract that is not ours."""
        raise MoveRefused(
            NO_CREDIT, f"This registry is not VeriFrame's: {amount_fri} fri are not sent to it."
        )

    async def withdraw(self, amount_fri: int, recipient: Address) -> None:
        """Refused: there is no credit."""
        raise MoveRefused(NO_CREDIT, "This registry has no credit: pay goes to the account's wallet.")

    async def _balance(self, account: Address) -> int:
        answer = await self._token.view("balance_of", account)
        return answer if isinstance(answer, int) else 0

    async def _make(self, kind: MoveKind, requests: Sequence[MoveRequest]) -> list[Outcome]:
        """Makes the moves, in one transaction if possible. Returns how each ended, in order."""
        dialect = await self.dialect()
        seen = await self._seen([request.job_id for request in requests])
        outcomes: list[Outcome] = [0] * len(requests)
        moves: dict[int, tuple[MovePlan, Call | None]] = {}
        for at, request in enumerate(requests):
            try:
                snapshot = seen[request.job_id]
                if isinstance(snapshot, VeriFrameError):
                    raise snapshot
                if snapshot.is_paused and kind is not CLAIM:
                    raise paused()
                if request.job_id in {plan.job_id for plan, _ in moves.values()}:
                    raise asked_twice(request)
                plan = kind.plan(request, snapshot, self.account)
                has_call = dialect.has(kind.word)
                call = self._call(dialect, kind.word, request.job_id, *plan.values) if has_call else None
                moves[at] = plan, call
            except VeriFrameError as error:
                outcomes[at] = error
        for plan, _ in moves.values():
            if plan.during is not None:
                self._note(plan.job_id, plan.during)
        for at, outcome in (await self._send(kind, moves, together=dialect.has("worker"))).items():
            outcomes[at] = outcome
            if isinstance(outcome, MoveRefused):
                outcomes[at] = await self._explain(kind, requests[at], moves[at][0], seen, outcome)
        return outcomes

    async def _send(
        self, kind: MoveKind, moves: Mapping[int, tuple[MovePlan, Call | None]], *, together: bool
    ) -> dict[int, MoveRefused | int]:
        """Returns each move's cost or refusal. If one transaction for all is refused, sends each move alone.

        Moves are sent together only if the registry shows afterwards who made them: the transaction of a
        single move can be found again by its job, even if its outcome was not seen.
        """
        if together and len(moves) > 1 and all(call is not None for _, call in moves.values()):
            calls = [call for _, call in moves.values() if call is not None]
            ids = [plan.job_id for plan, _ in moves.values()]
            try:
                receipt = await make_move(self._sender, kind.name, calls, job_ids=ids)
            except MoveRefused:
                return await self._send(kind, moves, together=False)
            for plan, _ in moves.values():
                self._note(plan.job_id, plan.after)
            return dict.fromkeys(moves, -(-receipt.fee_fri // len(moves)))
        outcomes: dict[int, MoveRefused | int] = {}
        for at, (plan, call) in moves.items():
            try:
                outcomes[at] = 0
                if call is not None:
                    receipt = await make_move(self._sender, kind.name, [call], job_id=plan.job_id)
                    outcomes[at] = receipt.fee_fri
                self._note(plan.job_id, plan.after)
            except MoveRefused as error:
                outcomes[at] = error
        return outcomes

    async def _explain(
        self,
        kind: MoveKind,
        request: MoveRequest,
        plan: MovePlan,
        seen: Mapping[int, ObservedJob | VeriFrameError],
        error: MoveRefused,
    ) -> Outcome:
        """Returns the fee if an earlier transaction of ours made the move; else records the refusal."""
        snapshot, before = (await self._seen([request.job_id]))[request.job_id], seen[request.job_id]
        if isinstance(snapshot, ObservedJob) and kind.is_done(request, snapshot.job, self.account):
            self._note(request.job_id, plan.after)
            return error.fee_fri
        if isinstance(before, ObservedJob) and (note := kind.refused(before, error)) is not None:
            self._note(request.job_id, note)
        return error

    def _call(self, dialect: Dialect, word: str, job_id: int, *values: int | str) -> Call:
        try:
            calldata = dialect.calldata(word, self._walk.their_id(job_id), *values)
        except ValueError as error:
            raise MoveRefused(Rule.BAD_CID.value, f"The registry cannot store this value: {error}") from error
        return self._contract.move_of(dialect.name(word), calldata)

    def _note(self, job_id: int, note: MoveRecord) -> None:
        self._notes.put(job_id, note, first_id=self._walk.their_id(1))
