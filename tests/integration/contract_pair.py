"""Makes each move in the deployed contract and in the model, and compares the visible state."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tests.fakes import plural
from tests.fakes.registry import Shared
from tests.integration.contract_world import Chain, EmittedEvent, Receipt

from veriframe.adapters.starknet.cairo.codec import Value
from veriframe.adapters.starknet.job_registry.decoding import put_terms, read_job, read_order
from veriframe.errors import Code, MoveRefused
from veriframe.model.registry import escrow, ledger, order
from veriframe.model.registry.job import Address, Job, Terms, Verdict
from veriframe.model.registry.ledger import Call
from veriframe.model.registry.outcome import Outcome

CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
EVIDENCE = "bafyevidence"
MOVES: dict[str, tuple[str, tuple[Value, ...], Callable[[Job, Call], Outcome]]] = {
    "release": ("release_job", (int.from_bytes(b"CRASH", "big"),),
                lambda job, call: escrow.release(job, call, Code.CRASH)),
    "submit": ("submit_result", (CID.encode(),), lambda job, call: escrow.submit_result(job, call, CID)),
    "accept": ("accept_result", (), escrow.accept_result),
    "dispute": ("dispute_result", (EVIDENCE.encode(),),
                lambda job, call: escrow.dispute_result(job, call, EVIDENCE)),
    "WORKER": ("resolve_dispute", (("Worker", []), EVIDENCE.encode()),
               lambda job, call: escrow.resolve_dispute(job, call, Verdict.WORKER, EVIDENCE)),
    "NEITHER": ("resolve_dispute", (("Neither", []), EVIDENCE.encode()),
                lambda job, call: escrow.resolve_dispute(job, call, Verdict.NEITHER, EVIDENCE)),
    "CREATOR": ("resolve_dispute", (("Creator", []), EVIDENCE.encode()),
                lambda job, call: escrow.resolve_dispute(job, call, Verdict.CREATOR, EVIDENCE)),
    "finalize": ("finalize_job", (), escrow.finalize),
    "cancel": ("cancel_job", (), escrow.cancel_job),
}  # fmt: skip
"""Every move but a claim: the contract's function, its arguments after the job, the model's rule."""


class Pair:
    """The two registries. `made` and `refused` list the moves that succeeded and failed."""

    def __init__(self, chain: Chain) -> None:
        self.chain, self.shared = chain, Shared(strict=True)
        self.people = tuple(Address(address) for address in chain.people)
        self.made: set[tuple[str, str, str]] = set()
        self.refused: set[str] = set()

    async def deposit(self, caller: int, amount: int) -> None:
        """Deposits money from the wallet into credit."""
        person, shared = self.people[caller], self.shared
        shared.wallets[person] = self.chain.balance(person)

        def rule(_: Call) -> None:
            wallet = shared.wallets[person]
            done = ledger.deposit(person, amount, wallet_fri=wallet, token_fri=shared.token_fri)
            shared.write(done.postings, done.events)

        await self._both(caller, "deposit", (amount,), rule)

    async def withdraw(self, caller: int, amount: int, recipient: Address) -> None:
        """Withdraws money from credit to a wallet."""
        person, shared = self.people[caller], self.shared
        before = self.chain.balance(recipient)

        def rule(call: Call) -> None:
            done = ledger.withdraw(person, amount, recipient, credit_fri=call.credit_fri)
            shared.write(done.postings, done.events)

        receipt = await self._both(caller, "withdraw", (amount, recipient), rule)
        # The caller's wallet pays the caller's fee.
        fee = receipt.fee if recipient == person else 0
        came = 0 if receipt.rule else amount
        assert before + came - fee == self.chain.balance(recipient)

    async def post(self, caller: int, terms: Terms, jobs: int, cid: str = CID) -> int:
        """Posts an order. Returns its first job, or the one that it would have had."""
        shared = self.shared
        first = max(shared.jobs, default=0) + 1

        def rule(call: Call) -> None:
            shared.create(order.create_order(call, cid, terms, jobs, shared.newest_order))

        await self._both(caller, "create_order", (cid.encode(), put_terms(terms), jobs), rule)
        return first

    async def move(self, move: str, caller: int, job_id: int) -> str:
        """Makes a move on a job. Returns the rule that refused it, if any."""
        before = self._standing(job_id)

        def rule(call: Call) -> None:
            if move == "claim":
                outcome = self.shared.claim(job_id, call)
            else:
                outcome = MOVES[move][2](self.shared.job(job_id), call)
            self.shared.apply(outcome)

        function, more = ("claim_job", ()) if move == "claim" else MOVES[move][:2]
        receipt = await self._both(caller, function, (job_id, *more), rule)
        if not receipt.rule:
            lapsed = before(receipt.time)
            self.made.add((lapsed, move, self.shared.jobs[job_id].state.value))
        return receipt.rule

    async def claim_jobs(self, caller: int, ids: Sequence[int]) -> None:
        """Claims several jobs at once."""
        barred = {job_id for job_id, person in self.shared.bars if person == self.people[caller]}
        await self._plural(
            caller, "claim_jobs", (ids,), lambda jobs, call: plural.claim_jobs(jobs, ids, call, barred=barred)
        )

    async def submit_results(self, caller: int, ids: Sequence[int], cids: Sequence[str]) -> None:
        """Submits several results at once."""
        encoded = [cid.encode() for cid in cids]
        await self._plural(
            caller,
            "submit_results",
            (ids, encoded),
            lambda jobs, call: plural.submit_results(jobs, ids, cids, call),
        )

    async def finalize_jobs(self, caller: int, ids: Sequence[int]) -> None:
        """Finalizes several jobs at once."""
        await self._plural(
            caller, "finalize_jobs", (ids,), lambda jobs, call: plural.finalize_jobs(jobs, ids, call)
        )

    def wait_until(self, chain_seconds: int) -> None:
        """Sets the time of the next transaction, unless it is past."""
        if chain_seconds > self.chain.node.now():
            self.chain.node.set_time(chain_seconds)

    async def tell(self, job_id: int, tale: str, people: Sequence[str]) -> list[str]:
        """Plays moves on one job: `claim:worker`, or `@lease_end-1` for a time. Returns the refusals."""
        answers = []
        for step in tale.split():
            if step.startswith("@"):
                found = re.fullmatch(r"@(\w+)([+-]\d+)", step)
                assert found is not None
                job = self.shared.jobs[job_id]
                end = job.terms.deadline if found[1] == "deadline" else getattr(job, found[1])
                self.wait_until(end + int(found[2]))
            else:
                move, caller = step.split(":")
                answers.append(await self.move(move, people.index(caller), job_id))
        return answers

    def compare(self) -> None:
        """Compares jobs with their orders, credits and totals, and checks that the token covers them."""
        known = self.chain.view("get_job_counter")
        listed = [
            job for first in range(1, known + 1, 200) for job in self.chain.view("get_jobs", first, 200)
        ]
        orders = {
            number: read_order(self.chain.view("get_order", number))
            for number in {job["order"] for job in listed}
        }
        jobs = {job["id"]: read_job(job, orders[job["order"]]) for job in listed}
        assert {**self.shared.jobs} == jobs
        credits_fri = {person: self.chain.view("get_credit", person) for person in self.people}
        assert {person: self.shared.credits[person] for person in self.people} == credits_fri
        shared = self.shared
        totals = {"escrow": shared.escrow_fri, "credits": shared.credits.total(), "burned": shared.burned_fri}
        assert totals == self.chain.view("get_totals")
        assert shared.token_fri == self.chain.balance(self.chain.address)

    async def _plural(
        self,
        caller: int,
        function: str,
        values: tuple[Value, ...],
        rule: Callable[[dict[int, Job], Call], Sequence[Outcome]],
    ) -> None:
        def apply(call: Call) -> None:
            for outcome in rule(dict(self.shared.jobs), call):
                self.shared.apply(outcome)

        await self._both(caller, function, values, apply)

    def _standing(self, job_id: int) -> Callable[[int], str]:
        job = self.shared.jobs.get(job_id)
        return lambda now: "" if job is None else "lapsed" if job.is_lapsed(now) else job.state.value

    async def _both(
        self, caller: int, function: str, values: tuple[Value, ...], rule: Callable[[Call], None]
    ) -> Receipt:
        receipt = await self.chain.send(caller, (function, values))
        shared, before = self.shared, len(self.shared.events)
        shared.now, shared.block = receipt.time, receipt.block - 1
        refused = ""
        try:
            rule(shared.call(self.people[caller]))
        except MoveRefused as refusal:
            refused = refusal.rule
            self.refused.add(refused)
        assert refused == receipt.rule, (function, values, refused, receipt)
        expected = tuple(
            EmittedEvent(event.kind, event.subject, event.party, event.amount_fri)
            for event in shared.events[before:]
        )
        assert expected == receipt.events
        return receipt
