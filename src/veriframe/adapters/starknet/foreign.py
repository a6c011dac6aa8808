"""A registry that is not ours, as one account sees it: whatever its ABI offers, behind the same ports.

Such a registry keeps no bonds and no credit for us. Where it has no claims, a claim is noted here and nowhere
else: the first to submit is paid, and whoever reads a result's CID may copy it. What its views do not tell
about a job is derived, in `foreign_job`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from veriframe.adapters.starknet.codec import short_string
from veriframe.adapters.starknet.contract import TOKEN_ABI, Contract, Node
from veriframe.adapters.starknet.foreign_job import Facts, Note
from veriframe.adapters.starknet.foreign_notes import Notes
from veriframe.adapters.starknet.foreign_reading import ForeignReader
from veriframe.adapters.starknet.receipt import Receipt, Reverted
from veriframe.adapters.starknet.sending import Sender, make_move
from veriframe.adapters.starknet.transaction import Call
from veriframe.errors import Code, MoveRefused
from veriframe.model.job import Address, Job, JobState
from veriframe.model.ledger import Rule
from veriframe.ports import Funds, JobRegistry, Membership, Totals, Treasury

AGAIN_SECONDS = 3600
"""How long a job is left alone whose finalizing was refused: a revert may cost a fee."""
NOT_ELIGIBLE = "NOT_ELIGIBLE"
NO_CREDIT = "NO_CREDIT"
_OVER = re.compile(r"ALREADY|(?<!NOT_)(?:COMPLETED|FINALI[SZ]ED|PAID|CLOSED)")
NO_REGISTRATION = "NO_REGISTRATION"


class ForeignRegistry(ForeignReader, JobRegistry, Treasury, Membership):
    """The registry at `address`, spoken to as its ABI wants. What the account did there is in `notes`."""

    def __init__(self, node: Node, sender: Sender, address: int, *, token: int, notes: Notes) -> None:
        super().__init__(node, address, Address(sender.account), notes)
        self._token, self._sender = Contract(node, token, TOKEN_ABI), sender

    @property
    def account(self) -> Address:
        """Who makes the moves."""
        return Address(self._sender.account)

    def hear(self, receipts: Sequence[Receipt]) -> None:
        """Note what an earlier run had begun to send and never heard of."""
        for receipt in receipts:
            name, *ids = receipt.label.split()
            if receipt.revert_reason or name not in ("submit_result", "finalize"):
                continue
            for job_id in map(int, ids):
                if (note := self._notes.jobs.get(job_id)) is not None:
                    submitted = note.is_submitted or name == "submit_result"
                    ended = note.has_ended or name == "finalize"
                    self._note(job_id, replace(note, is_submitted=submitted, has_ended=ended))

    async def claim(self, job_id: int) -> None:
        """Take a job; where the registry has no claims, only note it."""
        job, objection = await self._get(job_id)
        now = (await self.head()).time
        if not job.is_open(now):
            raise MoveRefused(Rule.NOT_OPEN.value, f"Job {job_id} is {job.state}. Look for another one.")
        if objection:
            raise MoveRefused(NOT_ELIGIBLE, f"Job {job_id} is not for this account: {objection}.")
        if (await self.dialect()).has("claim"):
            await self._move("claim", job_id)
        self._note(job_id, Note(facts=_facts_of(job), claimed_at=now))

    async def release(self, job_id: int, reason: Code) -> None:
        """Give a claim back, as far as the registry knows of claims."""
        spoken = await self.dialect()
        if spoken.has("release"):
            wants_reason = len(spoken.functions["release"].inputs) > 1
            await self._move(
                "release", job_id, *([short_string(reason.value.encode())] if wants_reason else [])
            )
        elif spoken.has("claim"):
            raise MoveRefused(Rule.LIVE_CLAIM.value, "This registry takes no claim back.")
        self._notes.drop(job_id)

    async def submit_result(self, job_id: int, result_cid: str) -> None:
        """Hand in a result, its CID written as the ABI wants it."""
        job = await self.get_job(job_id)
        if job.state is not JobState.CLAIMED or job.worker != self.account:
            raise MoveRefused(
                Rule.NOT_CLAIMANT.value, f"Job {job_id} is {job.state}, and not claimed by this account."
            )
        # Noted before: a registry may not show who handed in, and we may not live to hear how it ended.
        note = Note(facts=_facts_of(job), claimed_at=job.claimed_at, result_cid=result_cid)
        call = await self._call("submit", job_id, result_cid)
        self._note(job_id, note)
        await make_move(self._sender, "submit_result", [call], job_id=job_id)
        self._note(job_id, replace(note, is_submitted=True))

    async def finalize(self, job_id: int) -> None:
        """End a job whose time has come. After a refusal not again for an hour."""
        job, now = await self.get_job(job_id), (await self.head()).time
        note = self._notes.get(job_id, _facts_of(job)) or Note(facts=_facts_of(job))
        if now < note.again_at:
            raise MoveRefused(
                Rule.NOT_DUE.value, f"The registry has refused to finalize job {job_id} lately."
            )
        if not (await self.dialect()).has("finalize"):
            raise MoveRefused(Rule.NOT_DUE.value, "This registry finalizes nothing.")
        try:
            await self._move("finalize", job_id)
        except MoveRefused as error:
            again_at = now + AGAIN_SECONDS
            self._note(job_id, replace(note, has_ended=_says_over(error), again_at=again_at))
            raise
        self._note(job_id, replace(note, has_ended=True))

    async def register(self, info: str) -> None:
        """Ask the registry to take in this account."""
        spoken = await self.dialect()
        if not spoken.has("register"):
            raise MoveRefused(NO_REGISTRATION, "This registry has no function by which a worker registers.")
        try:
            calldata = spoken.registration(info)
        except ValueError as error:
            raise MoveRefused(
                NO_REGISTRATION,
                f"“{info}” cannot be registered here: {error}. Give a shorter text, or use its own tools.",
            ) from error
        call = self._contract.move_of(spoken.name("register"), calldata)
        await make_move(self._sender, "register", [call])

    async def funds(self, account: Address) -> Funds:
        """What an account holds: all of it in its wallet."""
        return Funds(wallet_fri=await self._balance(account), credit_fri=0)

    async def totals(self) -> Totals:
        """What the registry holds; it does not tell what for."""
        held = await self._balance(self._contract.address)
        return Totals(token_fri=held, escrow_fri=held, credit_fri=0, burned_fri=0)

    async def deposit(self, amount_fri: int) -> None:
        """Refused: no money goes to a contract that is not ours."""
        raise MoveRefused(NO_CREDIT, f"This registry is not VeriFrame's: no {amount_fri} fri go there.")

    async def withdraw(self, amount_fri: int, recipient: Address) -> None:
        """Refused: there is no credit."""
        raise MoveRefused(NO_CREDIT, "This registry keeps no credit: pay goes to the account's wallet.")

    async def _balance(self, account: Address) -> int:
        answer = await self._token.view("balance_of", account)
        return answer if isinstance(answer, int) else 0

    async def _move(self, word: str, job_id: int, *values: int) -> None:
        await make_move(self._sender, word, [await self._call(word, job_id, *values)], job_id=job_id)

    async def _call(self, word: str, job_id: int, *values: int | str) -> Call:
        spoken, their_id = await self.dialect(), self._walk.their_id(job_id)
        try:
            calldata = spoken.calldata(word, their_id, *values)
        except ValueError as error:
            raise MoveRefused(Rule.BAD_CID.value, f"The registry cannot hold this value: {error}") from error
        return self._contract.move_of(spoken.name(word), calldata)

    def _note(self, job_id: int, note: Note) -> None:
        self._notes.put(job_id, note, first_id=self._walk.their_id(1))


def _says_over(error: MoveRefused) -> bool:
    """Whether a contract refuses because somebody has ended the job before. It may show that nowhere else."""
    cause = error.__cause__
    words = cause.words if isinstance(cause, Reverted) else ()
    return any(_OVER.search(word.upper().replace(" ", "_")) for word in words)


def _facts_of(job: Job) -> Facts:
    terms = job.terms
    return Facts(job.order.creator, terms.reward_fri, job.order.asset_cid, terms.deadline)
