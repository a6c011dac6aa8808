"""Our contract on StarkNet as one account uses it.

Transactions are sent one after the other; frequent moves of workers share transactions (`moves`). The model
first checks a move against the registry's current state, and only legal moves are sent. If a move binds more
than the credit, the same transaction approves and deposits the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from veriframe.adapters.starknet.cairo.codec import Value, refuse, short_string
from veriframe.adapters.starknet.contract.contract import Batch, Node, View
from veriframe.adapters.starknet.contract.move_batches import MoveBatcher, MoveRequest
from veriframe.adapters.starknet.contract.moves import Moves, Skipped
from veriframe.adapters.starknet.contract.sending import Sender, log_refusal, make_job_move, make_move
from veriframe.adapters.starknet.job_registry.decoding import number, put_terms
from veriframe.adapters.starknet.job_registry.events import jobs_of, posted_jobs
from veriframe.adapters.starknet.job_registry.moves import (
    ACCEPT,
    CANCEL,
    CLAIM,
    FINALIZE,
    SUBMIT,
    MoveKind,
    MoveSnapshot,
)
from veriframe.adapters.starknet.job_registry.reader import StarknetReader
from veriframe.adapters.starknet.job_registry.witnessed_claims import WitnessedSnapshots
from veriframe.adapters.starknet.transactions.fees import JOB_L2_GAS, reserve_fri
from veriframe.adapters.starknet.transactions.transaction import Call as ContractCall
from veriframe.adapters.starknet.trust.trust import Trust
from veriframe.errors import Code, MoveRefused, RegistryUnavailable, VeriFrameError
from veriframe.model.registry import escrow, ledger, order
from veriframe.model.registry.job import Address, Job, Terms, Verdict, format_address
from veriframe.model.registry.ledger import Call
from veriframe.ports.registry import CreatorRegistry, Funds, JobRegistry, Treasury

T = TypeVar("T")

FOREIGN_CLASS = "FOREIGN_CLASS"
"""The rule that sends no money to a contract whose class is not ours."""
PRICE_SECONDS = 60.0
"""How old the gas price may be from which the reserve is computed."""


TOGETHER_SECONDS = 0.01
"""How long a creator's decision, or a claim, waits for others that come at the same time."""


class StarknetRegistry(StarknetReader, JobRegistry, CreatorRegistry, Treasury):
    """The registry at `address` with the token at `token`, used by the account of `sender`.

    `class_hashes` are those of our contract's builds: money is sent to no other class. `max_fee_fri` is the
    most that one transaction may cost. `trust` says how far the nodes are trusted. Submissions and
    finalizations wait `gather_seconds` for others; claims hardly do, since they compete with other workers'.
    """

    def __init__(  # noqa: PLR0913 - its parts
        self,
        node: Node,
        sender: Sender,
        address: int,
        *,
        token: int,
        class_hashes: Collection[int],
        max_fee_fri: int = 10**18,
        trust: Trust | None = None,
        gather_seconds: float = 0,
    ) -> None:
        self.trust = trust or Trust()
        clock, witnesses = self.trust.clock, self.trust.witnesses
        super().__init__(node, address, token=token, account=sender.account, clock=clock, witnesses=witnesses)
        self._sender, self._class_hashes = sender, frozenset(class_hashes)
        self._max_fee_fri = max_fee_fri
        self._price: tuple[float, int] | None = None
        self._turn = asyncio.Lock()
        claiming = WitnessedSnapshots(self.move_snapshot, self.trust.clock, self.trust.witnesses)
        self._claims = MoveBatcher(self._turn, self._moves(CLAIM, claiming.read).make, TOGETHER_SECONDS)
        self._submissions, self._ends, self._acceptances, self._cancellations = (
            MoveBatcher(self._turn, self._moves(kind, self.move_snapshot).make, seconds)
            for kind, seconds in (
                (SUBMIT, gather_seconds),
                (FINALIZE, gather_seconds),
                (ACCEPT, TOGETHER_SECONDS),
                (CANCEL, TOGETHER_SECONDS),
            )
        )

    @property
    def account(self) -> Address:
        """The account that makes the moves."""
        return Address(self._sender.account)

    async def claim(self, job_id: int) -> int:
        """Claims a job. Returns the fee."""
        return await self._claims.make(MoveRequest(job_id))

    async def submit_result(self, job_id: int, result_cid: str) -> int:
        """Submits a result. Returns the fee."""
        return await self._submissions.make(MoveRequest(job_id, result_cid))

    async def finalize(self, job_id: int) -> int:
        """Finalizes a job that is due. Returns the fee."""
        return await self._ends.make(MoveRequest(job_id))

    async def release(self, job_id: int, reason: Code) -> int:
        """Releases a claim. Returns the fee."""
        word, rule = short_string(reason.value.encode()), partial(escrow.release, reason=reason)
        return await self._move("release", job_id, rule, word, function="release_job")

    async def accept_result(self, job_id: int) -> None:
        """Accepts a result: pays the worker now."""
        await self._acceptances.make(MoveRequest(job_id))

    async def cancel_job(self, job_id: int) -> None:
        """Cancels a job."""
        await self._cancellations.make(MoveRequest(job_id))

    async def dispute_result(self, job_id: int, evidence_cid: str) -> None:
        """Disputes a result: asks the arbiter to decide."""
        rule = partial(escrow.dispute_result, evidence_cid=evidence_cid)
        await self._move("dispute_result", job_id, rule, _bytes(evidence_cid), binds=True)

    async def resolve_dispute(self, job_id: int, verdict: Verdict, evidence_cid: str) -> None:
        """Resolves a dispute, as the arbiter."""
        rule = partial(escrow.resolve_dispute, verdict=verdict, evidence_cid=evidence_cid)
        values: tuple[Value, ...] = ((verdict.value.capitalize(), []), _bytes(evidence_cid))
        await self._move("resolve_dispute", job_id, rule, *values)

    async def create_order(self, asset_cid: str, terms: Terms, jobs: int) -> Sequence[int]:
        """Posts an order and deposits what the credit lacks, in one transaction. Returns the jobs' ids."""
        async with self._turn:
            snapshot = await self.move_snapshot(())
            rule = partial(order.create_order, snapshot.call, asset_cid, terms, jobs, None)
            self._judge("create_order", rule, jobs=jobs)
            post = await self._contract.move("create_order", _bytes(asset_cid), put_terms(terms), jobs)
            top_up = await self._top_up(terms.reward_fri * jobs - snapshot.credit_fri)
            receipt = await make_move(self._sender, "create_order", [*top_up, post], jobs=jobs)
        if not (posted := posted_jobs(receipt, self._contract.address)):
            raise RegistryUnavailable(
                "The order was accepted, but the node does not return its jobs. See `veriframe job list`."
            )
        return posted

    async def funds(self, account: Address) -> Funds:
        """An account's money; for our own account, also what must stay in its wallet for future fees."""
        held = await super().funds(account)
        if account != self.account:
            return held
        price_fri = await self._price_fri()
        reserved_fri = reserve_fri(price_fri, self._max_fee_fri)
        return replace(held, reserve_fri=reserved_fri, job_fees_fri=JOB_L2_GAS * price_fri)

    async def deposit(self, amount_fri: int) -> None:
        """Deposits money from the wallet into credit: approval and deposit in one transaction."""
        async with self._turn:
            held = await self.totals()
            rule = partial(
                ledger.deposit,
                self.account,
                amount_fri,
                wallet_fri=(await super().funds(self.account)).wallet_fri,
                token_fri=held.escrow_fri + held.credit_fri + held.burned_fri,
            )
            self._judge("deposit", rule, amount_fri=amount_fri)
            await make_move(self._sender, "deposit", await self._top_up(amount_fri), amount_fri=amount_fri)

    async def withdraw(self, amount_fri: int, recipient: Address) -> None:
        """Withdraws money from the account's credit to any wallet."""
        async with self._turn:
            credit_fri = (await super().funds(self.account)).credit_fri
            rule = partial(ledger.withdraw, self.account, amount_fri, recipient, credit_fri=credit_fri)
            self._judge("withdraw", rule, amount_fri=amount_fri)
            call = await self._contract.move("withdraw", amount_fri, recipient)
            await make_move(self._sender, "withdraw", [call], amount_fri=amount_fri)

    async def move_snapshot(self, ids: Collection[int], batch: Batch | None = None) -> MoveSnapshot:
        """Reads the current state of these jobs and the account's money, in one request."""
        asked = sorted({job_id for job_id in ids if 0 < job_id < 2**64})
        windows = [(job_id, 1) for job_id in asked] or [(1, 0)]
        reserved_fri = reserve_fri(await self._price_fri(), self._max_fee_fri)
        answers = await self._contract.views(
            View(self._contract, "get_credit", (self.account,)),
            View(self._token, "balance_of", (self.account,)),
            *(View(self._contract, "look", (first, count, True)) for first, count in windows),
            *(View(self._contract, "is_barred", (job_id, self.account)) for job_id in asked),
            batch=batch,
        )
        credit, wallet, *rest = answers
        snapshots = [self._read(one, *window) for one, window in zip(rest, windows, strict=False)]
        seen = [shown for shown in snapshots if shown is not None] or refuse("an order of a job is missing")
        head = seen[-1].head
        held = Funds(wallet_fri=number(wallet), credit_fri=number(credit), reserve_fri=reserved_fri)
        jobs = {job.id: job for shown in seen for job in shown.jobs}
        return MoveSnapshot(
            jobs=jobs,
            barred={job_id for job_id, bar in zip(asked, rest[len(windows) :], strict=True) if bar},
            call=Call(caller=self.account, now=head.time, block=head.number, credit_fri=held.means_fri),
            credit_fri=held.credit_fri,
            changed={job.id for job in jobs.values() if self._shown.differs(job.order)},
        )

    def _moves(
        self, kind: MoveKind, read: Callable[[Collection[int]], Awaitable[MoveSnapshot]]
    ) -> Moves[MoveSnapshot]:
        return Moves(
            read=read,
            judge=kind.judge,
            send=partial(self._send, kind),
            is_done=kind.is_made,
            refuse=lambda request, error: log_refusal(self._sender, kind.name, error, job_id=request.job_id),
        )

    async def _send(
        self, kind: MoveKind, requests: Sequence[MoveRequest], before: MoveSnapshot, after: MoveSnapshot
    ) -> Mapping[int, MoveRefused | int]:
        """Sends one transaction for all requests, and for what their bonds lack."""
        bound_fri, ids = before.call.credit_fri - after.call.credit_fri, [one.job_id for one in requests]
        top_up = await self._top_up(bound_fri - before.credit_fri)
        moves = [await self._contract.move(name, *values) for name, values in kind.calls(requests)]
        calls = [*top_up, *moves]
        try:
            receipt = await make_job_move(self._sender, kind.name, calls, ids)
        except MoveRefused as error:
            # Each move bears its share of the fee, also of a reverted transaction.
            error.fee_fri = -(-error.fee_fri // len(ids))
            return dict.fromkeys(ids, error)
        fee_fri = -(-receipt.fee_fri // len(ids))
        done = ids if len(moves) == len(ids) else jobs_of(receipt, self._contract.address, kind.event)
        return {job_id: fee_fri if job_id in done else Skipped(job_id, fee_fri) for job_id in ids}

    async def _top_up(self, amount_fri: int) -> list[ContractCall]:
        """The calls that deposit an amount from the wallet into credit. Raises `MoveRefused`."""
        if amount_fri <= 0:
            return []
        if await self._contract.class_hash() not in self._class_hashes:
            raise MoveRefused(
                FOREIGN_CLASS,
                f"The contract {format_address(self._contract.address)} is not VeriFrame's job registry:"
                " no money is sent to it. Check the registry's address.",
            )
        allow = await self._token.move("approve", self._contract.address, amount_fri)
        return [allow, await self._contract.move("deposit", amount_fri)]

    async def _price_fri(self) -> int:
        if self._price is None or time.monotonic() - self._price[0] > PRICE_SECONDS:
            self._price = time.monotonic(), await self._contract.gas_price_fri()
        return self._price[1]

    async def _move(
        self,
        name: str,
        job_id: int,
        rule: Callable[[Job, Call], object],
        *values: Value,
        function: str = "",
        binds: bool = False,
    ) -> int:
        """Makes a move on a job, which `binds` a bond or not. Returns its fee."""
        kind = MoveKind(
            name=name,
            single=function or name,
            rule=lambda _, job, snapshot: rule(job, snapshot.call),
            values=lambda _: values,
            binds_fri=lambda job: job.terms.bond_fri if binds else 0,
        )
        async with self._turn:
            (outcome,) = await self._moves(kind, self.move_snapshot).make([MoveRequest(job_id)])
        if isinstance(outcome, VeriFrameError):
            raise outcome
        return outcome

    def _judge(self, name: str, rule: Callable[[], T], **facts: object) -> T:
        """Refuses what the registry would refuse, with the model's message."""
        try:
            return rule()
        except MoveRefused as error:
            log_refusal(self._sender, name, error, **facts)
            raise


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
