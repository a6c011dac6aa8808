"""Random moves by anyone at any time, from Hypothesis or from seeds, on the rules alone.

A subclass also makes them on a deployed contract: see `tests/integration/deployed_machine.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from random import Random
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.fakes import plural
from tests.unit.model.registry.escrow_invariants import (
    BOUND_FRI,
    CHECKS,
    CID,
    FAR_SECONDS,
    MOVES,
    OUTSIDER,
    PEOPLE,
    Check,
    Step,
    World,
    make,
)

from veriframe.errors import MoveRefused
from veriframe.model.registry import ledger, order
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Terms
from veriframe.model.registry.ledger import Call
from veriframe.model.registry.outcome import Outcome

DAY = 86400
LARGE = BOUND_FRI - 10**7
"""Fits into the registry once, but not twice."""
TERMS = st.builds(
    Terms,
    reward_fri=st.integers(1, 1000),
    bond_fri=st.integers(0, 100),
    deadline=st.integers(1, 3 * DAY),  # from the posting on
    lease_seconds=st.integers(60, DAY),
    review_seconds=st.integers(0, DAY),
    arbitration_seconds=st.integers(60, DAY),
    arbiter=st.sampled_from((PEOPLE[3], PEOPLE[3], PEOPLE[2], NOBODY)),
    worker=st.sampled_from((NOBODY, NOBODY, *PEOPLE)),
)
FITTING = {
    JobState.OPEN: (*["claim"] * 20, "cancel"),
    JobState.CLAIMED: (*["submit"] * 9, "release", "claim", "cancel", "finalize"),
    JobState.SUBMITTED: (*["dispute"] * 12, "accept", "finalize"),
    JobState.DISPUTED: (*["resolve CREATOR"] * 2, "resolve WORKER", "resolve NEITHER", "finalize"),
    JobState.PAID: ("finalize",),
    JobState.REFUNDED: ("finalize",),
}
ENDS = tuple(JobState)
"""States by the index of their time limit; the last two have none."""
MANY = ("claims", "submits", "finalizes")
"""The plural calls."""
SEEDS = st.integers(0, 2**32)
STEPS = 25
BROKE = PEOPLE[-1]
"""An account with almost no money."""


@dataclass(frozen=True)
class Deed:
    """One call of the registry: the move's name, the caller, the job (0 for none), and further arguments."""

    move: str
    caller: Address
    job_id: int = 0
    values: tuple[object, ...] = ()


class EscrowMachine(RuleBasedStateMachine):
    """Five accounts, a few orders, and all moves by anyone, while time advances in small and large steps."""

    checks: ClassVar[Sequence[Check]] = CHECKS
    made: ClassVar[set[tuple[JobState, str]]] = set()

    def __init__(self) -> None:
        """Give every account a wallet and credit; one has little."""
        super().__init__()
        self.world = World()
        self.shared = self.world.shared
        self._open()
        self.world.wallets_fri = self.shared.wallets.total()
        for account in PEOPLE:
            self.deposit(account, 5 if account == BROKE else 10**6)

    @initialize(seed=SEEDS)
    def begin(self, seed: int) -> None:
        """Post an order with an arbiter and enough time, and make some moves on it."""
        self.post(PEOPLE[0], roomy_terms(Random(seed)), 6)
        self.work(seed)

    @rule(creator=st.sampled_from(PEOPLE), terms=TERMS, jobs=st.integers(1, 2))
    def post_more(self, creator: Address, terms: Terms, jobs: int) -> None:
        """Post an order, if its terms are accepted."""
        if len(self.shared.jobs) < 10:
            self.post(creator, terms, jobs)

    @rule(seed=SEEDS)
    def work(self, seed: int) -> None:
        """Make some fitting moves by accounts that may make them, with waits in between."""
        chance = Random(seed)
        for _ in range(10):
            live = [job.id for job in self.world.live()]
            if not live:
                return
            job_id = chance.choice(live)
            state = self.shared.jobs[job_id].state
            # An open job ends at its deadline, after which few moves are possible.
            if chance.randrange(24 if state is JobState.OPEN else 4) == 0:
                self.wait_for_a_border(job_id - 1, chance.choice((-1, -1, 0, 1)), ENDS.index(state))
            made = len(self.world.steps)
            while len(self.world.steps) == made and chance.randrange(4):
                move, job = chance.choice(FITTING[state]), self.shared.jobs[job_id]
                self.make(move, job, self._right(move, job, chance.randrange(2)))
            self.promises()

    @rule(number=st.integers(0, 7), move=st.sampled_from(tuple(MOVES)), caller=st.sampled_from(PEOPLE))
    def meddle(self, number: int, move: str, caller: Address) -> None:
        """Try any move by any account."""
        self.make(move, self._job(number), caller)

    @rule(number=st.integers(0, 7), border=st.integers(-1, 1), which=st.integers(0, 3))
    def wait_for_a_border(self, number: int, border: int, which: int) -> None:
        """Advance the time to just before, at or just after a time limit of a job."""
        job = self._job(number)
        ends = (job.terms.deadline, job.lease_end, job.review_end, job.arbitration_end, 0, 0)
        self.shared.now = max(self.shared.now, ends[which] + border)

    @rule(seconds=st.sampled_from((1, 59, 60, 600, 3600)))
    def wait(self, seconds: int) -> None:
        """Advance the time."""
        self.shared.now += seconds

    @rule(account=st.sampled_from(PEOPLE), amount=st.sampled_from((0, 1000, LARGE, LARGE)))
    def deposit(self, account: Address, amount: int) -> None:
        """Deposit a small or a very large amount."""
        shared = self.shared

        def attempt(_: Call) -> None:
            wallet = shared.wallets[account]
            done = ledger.deposit(account, amount, wallet_fri=wallet, token_fri=shared.token_fri)
            shared.write(done.postings, done.events)

        self._play(Deed("deposit", account, values=(amount,)), attempt)

    @rule(account=st.sampled_from(PEOPLE), amount=st.sampled_from((0, 1, 1000, LARGE)))
    def withdraw(self, account: Address, amount: int) -> None:
        """Withdraw an amount."""

        def attempt(call: Call) -> None:
            done = ledger.withdraw(account, amount, PEOPLE[0], credit_fri=call.credit_fri)
            self.shared.write(done.postings, done.events)

        self._play(Deed("withdraw", account, values=(amount, PEOPLE[0])), attempt)

    @rule(
        move=st.sampled_from(MANY),
        numbers=st.lists(st.integers(-1, 9), max_size=9),
        caller=st.sampled_from(PEOPLE),
    )
    def make_many(self, move: str, numbers: Sequence[int], caller: Address) -> None:
        """Make one move on many jobs at once, some of them unknown or repeated."""
        ids = [number + 1 for number in numbers]
        cids = [CID + str(at) for at in range(len(ids))]

        def attempt(call: Call) -> None:
            for outcome in self._many(move, ids, cids, call):
                self._take(move.removesuffix("s"), caller, call.now, outcome)

        values = (ids, cids) if move == "submits" else (ids,)
        self._play(Deed(move, caller, values=values), attempt)

    @invariant()
    def promises(self) -> None:
        """Run every check after every step."""
        for check in self.checks:
            check(self.world)

    def end(self) -> None:
        """I5: after all time limits, an outsider ends every job, and all accounts withdraw their credit."""
        self.shared.now += FAR_SECONDS
        self.make_many("finalizes", [job.id - 1 for job in self.world.live()], OUTSIDER)
        assert list(self.world.live()) == [], "I5: an outsider could not end every job"
        for account in PEOPLE:
            if credit := self.shared.credits[account]:
                self.withdraw(account, credit)
        self.promises()
        left = (self.shared.escrow_fri, self.shared.credits.total(), self.shared.token_fri)
        assert (0, 0, self.shared.burned_fri) == left, "I1: more than the burned amount is left"

    def _open(self) -> None:
        """Fill the wallets."""
        for account in PEOPLE:
            self.shared.wallets[account] = 10 if account == BROKE else BOUND_FRI

    def _play(self, deed: Deed, attempt: Callable[[Call], None]) -> str:
        """Make a move. Returns the rule that refused it, or an empty text."""
        before = deepcopy(self.shared)
        try:
            attempt(self.shared.call(deed.caller))
        except MoveRefused as refusal:
            # I11
            assert self.shared == before, "I11: a refused move changed something"
            return refusal.rule
        return ""

    def _job(self, number: int) -> Job:
        return self.shared.jobs[1 + number % len(self.shared.jobs)]

    def make(self, move: str, job: Job, caller: Address) -> None:
        """Make one move on one job."""

        def attempt(call: Call) -> None:
            outcome = make(move, job, call, barred=(job.id, caller) in self.shared.bars)
            self._take(move, caller, call.now, outcome)

        self._play(Deed(move, caller, job.id), attempt)

    def _take(self, move: str, caller: Address, now: int, outcome: Outcome) -> None:
        before = self.shared.jobs[outcome.job.id]
        self.shared.apply(outcome)
        self.world.steps.append(Step(move, caller, now, before, outcome.job))
        self.made.add((before.state, move))

    def _many(self, move: str, ids: Sequence[int], cids: Sequence[str], call: Call) -> Sequence[Outcome]:
        jobs = dict(self.shared.jobs)
        match move:
            case "claims":
                barred = {job_id for job_id, account in self.shared.bars if account == call.caller}
                return plural.claim_jobs(jobs, ids, call, barred=barred)
            case "submits":
                return plural.submit_results(jobs, ids, cids, call)
            case _:
                return plural.finalize_jobs(jobs, ids, call)

    def post(self, creator: Address, terms: Terms, jobs: int) -> None:
        """Post an order. The deadline of `terms` is in seconds from now."""
        terms = replace(terms, deadline=self.shared.now + terms.deadline)

        def attempt(call: Call) -> None:
            self.shared.create(order.create_order(call, CID, terms, jobs, self.shared.newest_order))

        self._play(Deed("create", creator, values=(CID, terms, jobs)), attempt)

    def _right(self, move: str, job: Job, either: int) -> Address:
        match move.split(maxsplit=1)[0]:
            case "claim":
                return job.terms.worker or PEOPLE[1 + either]
            case "release" | "submit":
                return job.worker
            case "resolve":
                return job.terms.arbiter
            case _:
                return job.order.creator


def roomy_terms(chance: Random, worker: Address = NOBODY) -> Terms:
    """Terms with an arbiter and long time limits."""
    return Terms(
        reward_fri=chance.randrange(1, 1000),
        bond_fri=chance.randrange(1, 100),
        deadline=chance.randrange(DAY, 5 * DAY),
        lease_seconds=chance.randrange(600, DAY),
        review_seconds=chance.randrange(600, DAY),
        arbitration_seconds=chance.randrange(600, DAY),
        arbiter=PEOPLE[3],
        worker=worker,
    )
