"""A registry in memory: the model's rules on dictionaries, with a clock that tests set.

`reads` counts the calls that only read, `moves` lists the others, the next reads raise `faults`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from tests.fakes.blocks import hash_of_block

from veriframe.errors import Code
from veriframe.model.registry import escrow, ledger, order
from veriframe.model.registry.history import JobHistory, job_event
from veriframe.model.registry.job import Address, Head, Job, Order, Terms, Verdict
from veriframe.model.registry.ledger import Call, Event, EventKind, Posting, Pot, PotKind
from veriframe.model.registry.outcome import Outcome
from veriframe.ports.registry import CreatorRegistry, Funds, JobRegistry, Snapshot, Totals, Treasury

START = 1_700_000_000
_OF_OTHERS = (EventKind.ORDER_CREATED, EventKind.DEPOSITED, EventKind.WITHDRAWN)
"""Events whose subject is not a job."""


@dataclass
class Shared:
    """The state that all accounts share. `now` is chain seconds; `bars` are pairs of job id and account.

    Unless `strict`, orders with any number of jobs, any CID and any terms are accepted, as a foreign registry
    may accept them.
    """

    strict: bool = False
    identity: str = "fake"
    now: int = START
    block: int = 1
    jobs: dict[int, Job] = field(default_factory=dict)
    wallets: Counter[Address] = field(default_factory=Counter)
    credits: Counter[Address] = field(default_factory=Counter)
    escrows: Counter[int] = field(default_factory=Counter)
    burned_fri: int = 0
    bars: set[tuple[int, Address]] = field(default_factory=set)
    postings: list[Posting] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    """The block of each event."""
    reads: int = 0
    moves: list[str] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    """Raised by the next reads, one each."""
    has_no_events: bool = False
    """Whether events are lost, as on some nodes."""
    fee_fri: int = 0
    """The fee of each move; taken from no pot."""
    job_fees_fri: int = 0
    """The fees of one job that it reports."""

    @property
    def escrow_fri(self) -> int:
        """The money bound to all jobs."""
        return self.escrows.total()

    @property
    def token_fri(self) -> int:
        """The money that the registry holds."""
        return self.escrow_fri + self.credits.total() + self.burned_fri

    @property
    def newest_order(self) -> Order | None:
        """The order of the newest job."""
        return self.jobs[max(self.jobs)].order if self.jobs else None

    def call(self, caller: Address) -> Call:
        """The next move, in a separate block."""
        return Call(caller=caller, now=self.now, block=self.block + 1, credit_fri=self.credits[caller])

    def job(self, job_id: int) -> Job:
        """One job."""
        if job_id in self.jobs:
            return self.jobs[job_id]
        raise ledger.unknown_job(job_id)

    def jobs_of(self, event: Event) -> Iterable[int]:
        """The jobs that an event concerns."""
        if event.kind is EventKind.ORDER_CREATED:
            return [job.id for job in self.jobs.values() if job.order.id == event.subject]
        return (event.subject,) if event.subject else ()

    def claim(self, job_id: int, call: Call) -> Outcome:
        """The outcome of a claim."""
        barred = (job_id, call.caller) in self.bars
        return escrow.claim(self.job(job_id), call, barred=barred)

    def apply(self, outcome: Outcome) -> None:
        """Stores the outcome of a move on a job."""
        self.jobs[outcome.job.id] = outcome.job
        self.bars.update((outcome.job.id, address) for address in outcome.barred)
        self.write(outcome.postings, outcome.events)

    def create(self, posted: order.Posted) -> None:
        """Stores a new order."""
        self.jobs.update((job.id, job) for job in posted.jobs)
        self.write(posted.postings, posted.events)

    def write(self, postings: Iterable[Posting], events: Iterable[Event]) -> None:
        """Moves the money without checks, and stores the events."""
        for posting in postings:
            self._add(posting.source, -posting.amount_fri)
            self._add(posting.target, posting.amount_fri)
            self.postings.append(posting)
        self.block += 1
        for event in events:
            self.events.append(event)
            self.heads.append(Head(number=self.block, time=self.now))

    def _add(self, pot: Pot, amount_fri: int) -> None:
        match pot.kind:
            case PotKind.WALLET:
                self.wallets[Address(pot.owner)] += amount_fri
            case PotKind.CREDIT:
                self.credits[Address(pot.owner)] += amount_fri
            case PotKind.ESCROW:
                self.escrows[pot.owner] += amount_fri
            case PotKind.BURNED:
                self.burned_fri += amount_fri
            case PotKind.ISSUED:
                raise AssertionError("no rule issues money")


class FakeRegistry(JobRegistry, CreatorRegistry, Treasury):
    """One account's view of a shared registry in memory."""

    def __init__(self, account: int, shared: Shared | None = None, *, wallet_fri: int = 0) -> None:
        self._account = Address(account)
        self.shared = shared or Shared()
        self._events: int | None = None
        self.shared.wallets[self._account] += wallet_fri

    @property
    def account(self) -> Address:
        """The account that makes the moves."""
        return self._account

    @property
    def jobs_at_once(self) -> int:
        """The contract's limit."""
        return 200

    async def identity(self) -> str:
        """The identity that the test set."""
        return self.shared.identity

    async def snapshot(self, first: int, count: int) -> Snapshot:
        """Block, counter and some jobs."""
        self._read()
        assert count <= self.jobs_at_once
        return Snapshot(
            head=Head(number=self.shared.block, time=self.shared.now),
            job_counter=max(self.shared.jobs, default=0),
            jobs=self._jobs(first, count),
        )

    async def changed(self) -> Collection[int]:
        """The jobs in the events since the last call; none at the first call, or if events are lost."""
        self._read()
        before, self._events = self._events, len(self.shared.events)
        if before is None or self.shared.has_no_events:
            return ()
        return {job_id for event in self.shared.events[before:] for job_id in self.shared.jobs_of(event)}

    async def history(self, job: Job) -> JobHistory:
        """The job's events; none, and that as a gap, if events are lost."""
        self._read()
        if self.shared.has_no_events:
            return JobHistory(gap="This registry has no events.")
        told = zip(self.shared.events, self.shared.heads, strict=True)
        of_job = (pair for pair in told if pair[0].subject == job.id and pair[0].kind not in _OF_OTHERS)
        return JobHistory(events=tuple(job_event(event, head.time) for event, head in of_job))

    async def block_hash(self, number: int) -> int | None:
        """A digest of the number. Moves add blocks, and tests that raise `shared.block`."""
        return hash_of_block(number) if 0 <= number <= self.shared.block else None

    async def create_order(self, asset_cid: str, terms: Terms, jobs: int) -> Sequence[int]:
        """Posts an order. Returns the ids of its jobs."""
        needed_fri = terms.reward_fri * jobs
        call = self.shared.call(self.account)
        call = replace(call, credit_fri=call.credit_fri + self._missing_fri(needed_fri))
        create = order.create_order if self.shared.strict else order.post_order
        posted = create(call, asset_cid, terms, jobs, self.shared.newest_order)
        self._top_up(needed_fri)
        self.shared.create(posted)
        self.shared.moves.append("create_order")
        return [job.id for job in posted.jobs]

    async def claim(self, job_id: int) -> int:
        """Claims a job. Returns the fee."""
        return self._move("claim", job_id, lambda _, call: self.shared.claim(job_id, call), binds=True)

    async def release(self, job_id: int, reason: Code) -> int:
        """Releases a claim. Returns the fee."""
        return self._move(f"release {reason}", job_id, lambda job, call: escrow.release(job, call, reason))

    async def submit_result(self, job_id: int, result_cid: str) -> int:
        """Submits a result. Returns the fee."""
        rule = partial(escrow.submit_result, result_cid=result_cid)
        return self._move("submit_result", job_id, rule)

    async def finalize(self, job_id: int) -> int:
        """Finalizes a job that is due. Returns the fee."""
        return self._move("finalize", job_id, escrow.finalize)

    async def accept_result(self, job_id: int) -> None:
        """Accepts a result."""
        self._move("accept_result", job_id, escrow.accept_result)

    async def cancel_job(self, job_id: int) -> None:
        """Cancels a job."""
        self._move("cancel_job", job_id, escrow.cancel_job)

    async def dispute_result(self, job_id: int, evidence_cid: str) -> None:
        """Disputes a result."""
        move = f"dispute_result {evidence_cid}"
        self._move(move, job_id, lambda job, call: escrow.dispute_result(job, call, evidence_cid), binds=True)

    async def resolve_dispute(self, job_id: int, verdict: Verdict, evidence_cid: str) -> None:
        """Resolves a dispute."""
        move = f"resolve_dispute {evidence_cid}"
        self._move(move, job_id, lambda job, call: escrow.resolve_dispute(job, call, verdict, evidence_cid))

    async def funds(self, account: Address) -> Funds:
        """The money that an account holds."""
        self._read()
        shared = self.shared
        return Funds(
            wallet_fri=shared.wallets[account],
            credit_fri=shared.credits[account],
            job_fees_fri=shared.job_fees_fri,
        )

    async def totals(self) -> Totals:
        """The money that the registry holds."""
        shared = self.shared
        return Totals(
            token_fri=shared.token_fri,
            escrow_fri=shared.escrow_fri,
            credit_fri=shared.credits.total(),
            burned_fri=shared.burned_fri,
        )

    async def deposit(self, amount_fri: int) -> None:
        """Deposits money from the wallet into credit."""
        self._deposit(amount_fri)

    def _deposit(self, amount_fri: int) -> None:
        shared = self.shared
        done = ledger.deposit(
            self.account, amount_fri, wallet_fri=shared.wallets[self.account], token_fri=shared.token_fri
        )
        shared.write(done.postings, done.events)
        shared.moves.append(f"deposit {amount_fri}")

    async def withdraw(self, amount_fri: int, recipient: Address) -> None:
        """Withdraws money from credit to a wallet."""
        credit_fri = self.shared.credits[self.account]
        done = ledger.withdraw(self.account, amount_fri, recipient, credit_fri=credit_fri)
        self.shared.write(done.postings, done.events)
        self.shared.moves.append(f"withdraw {amount_fri}")

    def _read(self) -> None:
        self.shared.reads += 1
        if self.shared.faults:
            raise self.shared.faults.pop(0)

    def _jobs(self, first: int, count: int) -> list[Job]:
        last = min(first + count - 1, max(self.shared.jobs, default=0))
        return [self.shared.jobs[i] for i in range(first, last + 1) if i in self.shared.jobs]

    def _move(
        self, name: str, job_id: int, rule: Callable[[Job, Call], Outcome], *, binds: bool = False
    ) -> int:
        job, call = self.shared.job(job_id), self.shared.call(self.account)
        missing_fri = self._missing_fri(needed_fri := job.terms.bond_fri if binds else 0)
        outcome = rule(job, replace(call, credit_fri=call.credit_fri + missing_fri))
        self._top_up(needed_fri)
        self.shared.apply(outcome)
        self.shared.moves.append(name)
        return self.shared.fee_fri

    def _missing_fri(self, needed_fri: int) -> int:
        """The deposit that is needed, if the wallet has it; else 0, and the rule refuses the move."""
        missing_fri = max(0, needed_fri - self.shared.credits[self.account])
        return missing_fri if missing_fri <= self.shared.wallets[self.account] else 0

    def _top_up(self, needed_fri: int) -> None:
        if missing_fri := self._missing_fri(needed_fri):
            self._deposit(missing_fri)
