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
from veriframe.adapters.starknet.contract.moves import Moves
from veriframe.adapters.starknet.contract.sending import Sender, log_refusal, make_job_move, make_move
from veriframe.adapters.starknet.foreign.dialect import Dialect
from veriframe.adapters.starknet.foreign.job import MoveRecord
from veriframe.adapters.starknet.foreign.move_records import MoveRecords
from veriframe.adapters.starknet.foreign.moves import (
    CLAIM,
    FINALIZE,
    SUBMIT,
    MoveKind,
    MovePlan,
    Observed,
    observed,
)
from veriframe.adapters.starknet.foreign.queries import read_block
from veriframe.adapters.starknet.foreign.reader import ForeignReader
from veriframe.adapters.starknet.transactions.fees import SUBMIT_L2_GAS, reserve_fri
from veriframe.adapters.starknet.transactions.receipt import Receipt
from veriframe.adapters.starknet.transactions.transaction import Call
from veriframe.adapters.starknet.trust.trust import Trust
from veriframe.errors import Code, MoveRefused
from veriframe.model.quantities import format_strk
from veriframe.model.registry.job import Address
from veriframe.model.registry.ledger import Rule
from veriframe.model.registry.standing import WorkerStanding
from veriframe.ports.registry import Funds, JobRegistry, Membership, Snapshot, Totals, Treasury

REGISTRATION_INFO = "VeriFrame"
"""The default description of a worker."""

_REGISTERED = re.compile(r"(?<!NOT[ _])(?<!UN)REGISTERED|ALREADY|EXISTS", re.IGNORECASE)
"""What a contract says of an account that it knows."""

NO_CREDIT = "NO_CREDIT"
NO_REGISTRATION = "NO_REGISTRATION"


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
        self.trust = trust or Trust()
        super().__init__(node, address, Address(sender.account), notes, self.trust.witnesses)
        self._token, self._sender = Contract(node, token, TOKEN_ABI), sender
        self._max_fee_fri = max_fee_fri
        self._turn = asyncio.Lock()
        self._claims, self._submissions, self._ends = (
            MoveBatcher(self._turn, partial(self._make, kind)) for kind in (CLAIM, SUBMIT, FINALIZE)
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

    @property
    def has_claims(self) -> bool:
        """Whether the registry has claims, once its dialect is known."""
        return self._dialect is None or self._dialect.has("claim")

    async def standing(self) -> WorkerStanding:
        """The account's standing. If no view tells whether it is registered, another registration is tried.

        That is only estimated, not sent: a registry that would refuse it knows the account.
        """
        found = await super().standing()
        if found.is_registered is None and found.is_verified is False and found.may_register:
            dialect = await self.dialect()
            calldata = dialect.registration(REGISTRATION_INFO)
            call = Call.named(self._contract.address, dialect.name("register"), calldata)
            refused = await self._sender.refusal([call])
            if refused is not None and _REGISTERED.search(" ".join(refused.words)):
                return replace(found, is_registered=True)
        return found

    async def claim(self, job_id: int) -> int:
        """Claims a job; if the registry has no claims, only records it."""
        self.trust.clock.require_right(read_block(await self._contract.newest_block()).head)
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
        call = Call.named(self._contract.address, dialect.name("register"), calldata)
        async with self._turn:
            await make_move(self._sender, "register", [call])

    async def funds(self, account: Address) -> Funds:
        """An account's money, all in its wallet. For our own account, also the reserve for fees."""
        held_fri = await self._balance(account)
        if account != self.account:
            return Funds(wallet_fri=held_fri, credit_fri=0)
        price_fri = await self._contract.gas_price_fri()
        reserved_fri, dialect = reserve_fri(price_fri, self._max_fee_fri), await self.dialect()
        moves = sum(dialect.has(word) for word in ("claim", "submit", "finalize"))
        self._job_fees_fri = moves * SUBMIT_L2_GAS * price_fri
        return Funds(
            wallet_fri=held_fri,
            credit_fri=0,
            reserve_fri=reserved_fri,
            job_fees_fri=self._job_fees_fri,
            # Its rewards may be in any token.
            is_paid_in_fri=False,
        )

    async def totals(self) -> Totals:
        """The registry's balance; its purpose is not known."""
        held = await self._balance(self._contract.address)
        return Totals(token_fri=held, escrow_fri=held, credit_fri=0, burned_fri=0)

    async def deposit(self, amount_fri: int) -> None:
        """Refused: no money goes to a contract that is not ours."""
        raise MoveRefused(
            NO_CREDIT, f"This registry is not VeriFrame's: {format_strk(amount_fri)} are not sent to it."
        )

    async def withdraw(self, amount_fri: int, recipient: Address) -> None:
        """Refused: there is no credit."""
        raise MoveRefused(NO_CREDIT, "This registry has no credit: pay goes to the account's wallet.")

    async def _balance(self, account: Address) -> int:
        answer = await self._token.view("balance_of", account)
        return answer if isinstance(answer, int) else 0

    async def _make(self, kind: MoveKind, requests: Sequence[MoveRequest]) -> list[Outcome]:
        """Makes the moves, in one transaction if possible. Returns how each ended, in order."""
        dialect, plans = await self.dialect(), dict[int, MovePlan]()

        def judge(request: MoveRequest, seen: Observed) -> Observed:
            plan = kind.plan(request, observed(request, seen, is_claim=kind is CLAIM), self.account)
            has_call = dialect.has(kind.word)
            call = self._call(dialect, kind.word, request.job_id, *plan.values) if has_call else None
            plans[request.job_id] = replace(plan, call=call)
            return seen

        async def send(
            sent: Sequence[MoveRequest], _: Observed, __: Observed
        ) -> Mapping[int, MoveRefused | int]:
            chosen = [plans[request.job_id] for request in sent]
            for plan in chosen:
                if plan.during is not None:
                    self._note(plan.job_id, plan.during)
            return await self._send(kind, chosen, together=dialect.has("worker"))

        def note(request: MoveRequest, before: Observed, outcome: Outcome) -> None:
            if isinstance(outcome, int):
                self._note(request.job_id, plans[request.job_id].after)
            elif isinstance(outcome, MoveRefused):
                refused = kind.refused(observed(request, before, is_claim=True), outcome)
                if refused is not None:
                    self._note(request.job_id, refused)

        return await Moves(
            read=self._seen,
            judge=judge,
            send=send,
            is_done=partial(kind.is_made, account=self.account),
            refuse=lambda request, error: log_refusal(self._sender, kind.name, error, job_id=request.job_id),
            explained=note,
        ).make(requests)

    async def _send(
        self, kind: MoveKind, plans: Sequence[MovePlan], *, together: bool
    ) -> dict[int, MoveRefused | int]:
        """Returns each move's cost or refusal. If one transaction for all is refused, sends each move alone.

        Moves are sent together only if the registry shows afterwards who made them: the transaction of a
        single move can be found again by its job, even if its outcome was not seen.
        """
        ids, calls = [plan.job_id for plan in plans], [plan.call for plan in plans if plan.call]
        if together or len(plans) == 1:
            try:
                fee_fri = (await make_job_move(self._sender, kind.name, calls, ids)).fee_fri if calls else 0
                for plan in plans:
                    self._note(plan.job_id, plan.after)
                return dict.fromkeys(ids, -(-fee_fri // len(ids)))
            except MoveRefused as error:
                if len(plans) == 1:
                    return {ids[0]: error}
        alone = [await self._send(kind, [plan], together=False) for plan in plans]
        return {job_id: outcome for one in alone for job_id, outcome in one.items()}

    def _call(self, dialect: Dialect, word: str, job_id: int, *values: int | str) -> Call:
        try:
            calldata = dialect.calldata(word, self._walk.their_id(job_id), *values)
        except ValueError as error:
            raise MoveRefused(Rule.BAD_CID.value, f"The registry cannot store this value: {error}") from error
        return Call.named(self._contract.address, dialect.name(word), calldata)

    def _note(self, job_id: int, note: MoveRecord) -> None:
        self._notes.put(job_id, note, first_id=self._walk.their_id(1))
