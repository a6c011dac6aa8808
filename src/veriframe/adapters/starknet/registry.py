"""Our contract on StarkNet as one account sees it, each move one transaction.

A revert costs a fee and a nonce. So a move is first judged by the model, on what the registry shows now; only
what the model finds legal is sent. The contract has the last word: what changed in between it reverts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from veriframe.adapters.starknet.codec import Value, short_string
from veriframe.adapters.starknet.contract import Node
from veriframe.adapters.starknet.job_reading import put_terms
from veriframe.adapters.starknet.reader import StarknetReader
from veriframe.adapters.starknet.sending import Sender, make_move, note_refusal
from veriframe.adapters.starknet.transaction import Call as Transfer
from veriframe.errors import Code, MoveRefused, RegistryUnavailable
from veriframe.model import escrow, ledger, order
from veriframe.model.job import Address, Job, Terms, Verdict, format_address
from veriframe.model.ledger import Call
from veriframe.ports import JobRegistry, OrderDesk, Treasury

FOREIGN_CLASS = "FOREIGN_CLASS"
"""The rule by which money is kept from a contract whose class is not ours."""


class StarknetRegistry(StarknetReader, JobRegistry, OrderDesk, Treasury):
    """The registry at `address`, its token at `token`, by the account of `sender`.

    `class_hashes` are those of our contract's builds: money goes to no other class.
    """

    def __init__(
        self, node: Node, sender: Sender, address: int, *, token: int, class_hashes: Collection[int]
    ) -> None:
        super().__init__(node, address, token=token)
        self._sender, self._class_hashes = sender, frozenset(class_hashes)

    @property
    def account(self) -> Address:
        """Who makes the moves."""
        return Address(self._sender.account)

    async def claim(self, job_id: int) -> None:
        """Take a job."""
        job = await self._known("claim", job_id)
        is_barred = bool(await self._contract.view("is_barred", job_id, self.account))
        rule = partial(escrow.claim, job, barred=is_barred)
        await self._move_job("claim", job, rule, "claim_job", job_id)

    async def release(self, job_id: int, reason: Code) -> None:
        """Give a claim back."""
        job = await self._known("release", job_id)
        word = short_string(reason.value.encode())
        rule = partial(escrow.release, job, reason=reason)
        await self._move_job("release", job, rule, "release_job", job_id, word)

    async def submit_result(self, job_id: int, result_cid: str) -> None:
        """Hand in a result."""
        job = await self._known("submit_result", job_id)
        rule = partial(escrow.submit_result, job, result_cid=result_cid)
        await self._move_job("submit_result", job, rule, "submit_result", job_id, _bytes(result_cid))

    async def finalize(self, job_id: int) -> None:
        """End a job whose time has come."""
        job = await self._known("finalize", job_id)
        await self._move_job("finalize", job, partial(escrow.finalize, job), "finalize_job", job_id)

    async def accept_result(self, job_id: int) -> None:
        """Pay the worker now."""
        job = await self._known("accept_result", job_id)
        await self._move_job(
            "accept_result", job, partial(escrow.accept_result, job), "accept_result", job_id
        )

    async def cancel_job(self, job_id: int) -> None:
        """Take a job back."""
        job = await self._known("cancel_job", job_id)
        await self._move_job("cancel_job", job, partial(escrow.cancel_job, job), "cancel_job", job_id)

    async def dispute_result(self, job_id: int, evidence_cid: str) -> None:
        """Ask the arbiter."""
        job = await self._known("dispute_result", job_id)
        rule = partial(escrow.dispute_result, job, evidence_cid=evidence_cid)
        await self._move_job("dispute_result", job, rule, "dispute_result", job_id, _bytes(evidence_cid))

    async def resolve_dispute(self, job_id: int, verdict: Verdict, evidence_cid: str) -> None:
        """Decide as the arbiter."""
        job = await self._known("resolve_dispute", job_id)
        rule = partial(escrow.resolve_dispute, job, verdict=verdict, evidence_cid=evidence_cid)
        values: tuple[Value, ...] = (job_id, (verdict.value.capitalize(), []), _bytes(evidence_cid))
        await self._move_job("resolve_dispute", job, rule, "resolve_dispute", *values)

    async def create_order(self, asset_cid: str, terms: Terms, jobs: int) -> Sequence[int]:
        """Post an order, out of credit."""
        call = await self._call()
        rule = partial(order.create_order, call, asset_cid, terms, jobs, None)
        self._judge("create_order", rule, jobs=jobs)
        before = await self.job_counter()
        post = await self._contract.move("create_order", _bytes(asset_cid), put_terms(terms), jobs)
        await make_move(self._sender, "create_order", [post], jobs=jobs)
        return await self._posted(before)

    async def deposit(self, amount_fri: int) -> None:
        """From the own wallet into credit: allowed to the contract and taken by it in one transaction."""
        held = await self.totals()
        wallet_fri = (await self.funds(self.account)).wallet_fri
        token_fri = held.escrow_fri + held.credit_fri + held.burned_fri
        rule = partial(
            ledger.deposit,
            self.account,
            amount_fri,
            wallet_fri=wallet_fri,
            token_fri=token_fri,
        )
        self._judge("deposit", rule, amount_fri=amount_fri)
        await make_move(self._sender, "deposit", await self._deposit(amount_fri), amount_fri=amount_fri)

    async def withdraw(self, amount_fri: int, recipient: Address) -> None:
        """From the own credit to anyone's wallet."""
        credit_fri = (await self.funds(self.account)).credit_fri
        rule = partial(
            ledger.withdraw,
            self.account,
            amount_fri,
            recipient,
            credit_fri=credit_fri,
        )
        self._judge("withdraw", rule, amount_fri=amount_fri)
        call = await self._contract.move("withdraw", amount_fri, recipient)
        await make_move(self._sender, "withdraw", [call], amount_fri=amount_fri)

    async def _deposit(self, amount_fri: int) -> list[Transfer]:
        if await self._contract.class_hash() not in self._class_hashes:
            raise MoveRefused(
                FOREIGN_CLASS,
                f"The contract {format_address(self._contract.address)} is not VeriFrame's job registry:"
                " no money goes there. Check the registry's address.",
            )
        allow = await self._token.move("approve", self._contract.address, amount_fri)
        return [allow, await self._contract.move("deposit", amount_fri)]

    async def _call(self) -> Call:
        """Who would make a move now, as the model wants to know it."""
        head = await self.head()
        credit_fri = (await self.funds(self.account)).credit_fri
        return Call(caller=self.account, now=head.time, block=head.number, credit_fri=credit_fri)

    async def _known(self, name: str, job_id: int) -> Job:
        try:
            return await self.get_job(job_id)
        except MoveRefused as error:
            note_refusal(self._sender, name, error, job_id=job_id)
            raise

    async def _move_job(
        self, name: str, job: Job, rule: Callable[[Call], object], function: str, *values: Value
    ) -> None:
        call = await self._call()
        self._judge(name, partial(rule, call), job_id=job.id)
        transfer = await self._contract.move(function, *values)
        await make_move(self._sender, name, [transfer], job_id=job.id)

    def _judge(self, name: str, rule: Callable[[], object], **facts: object) -> None:
        """Refuse here what the registry would refuse, with the model's sentence."""
        try:
            rule()
        except MoveRefused as error:
            note_refusal(self._sender, name, error, **facts)
            raise

    async def _posted(self, before: int) -> Sequence[int]:
        """The jobs of our newest order above the id `before`: others may have posted after it."""
        last = await self.job_counter()
        while last > before:
            posted = (await self.get_job(last)).order
            if posted.creator == self.account:
                return range(posted.first_job, posted.first_job + posted.jobs)
            last = posted.first_job - 1
        raise RegistryUnavailable(
            "The order was accepted, and the node does not show it yet. See `veriframe job list` in a while."
        )


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")
