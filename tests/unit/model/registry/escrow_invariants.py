"""The registry's invariants (I1 to I11), each as a check of a world in which moves were made.

They do not rely on the rules: they compute again what a state should hold, when a time limit is over and what
a release costs. Checks of legality test the present time and every future time limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.fakes.registry import Shared

from veriframe.errors import Code, MoveRefused
from veriframe.model.registry import escrow, ledger
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Verdict
from veriframe.model.registry.ledger import Call, PotKind, Reason
from veriframe.model.registry.outcome import Outcome

BOUND_FRI = 2**104 - 1
CID = "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4"
PEOPLE = tuple(Address(number) for number in range(1, 6))
OUTSIDER = Address(99)
FAR_SECONDS = 500 * 86400


@dataclass(frozen=True)
class Step:
    """One successful move on a job."""

    move: str
    caller: Address
    now: int
    before: Job
    after: Job


@dataclass
class World:
    """A registry, the initial sum of all wallets, and every successful move on a job."""

    shared: Shared = field(default_factory=lambda: Shared(strict=True))
    wallets_fri: int = 0
    steps: list[Step] = field(default_factory=list)

    def would(self, move: str, job: Job, caller: Address, now: int) -> Outcome | None:
        """The outcome of a move at a time for a caller with unlimited credit, or None if it is refused."""
        call = Call(caller=caller, now=now, block=10**6, credit_fri=BOUND_FRI)
        try:
            return make(move, job, call, barred=(job.id, caller) in self.shared.bars)
        except MoveRefused:
            return None

    def live(self) -> Iterator[Job]:
        """The jobs that are not final."""
        return (job for job in self.shared.jobs.values() if not job.state.is_final)

    def times(self, job: Job) -> list[int]:
        """Now, and the last second before and the first second after each future time limit."""
        now = self.shared.now
        ends = (job.terms.deadline, job.lease_end, job.review_end, job.arbitration_end)
        return [now, *(time for end in ends for time in (end - 1, end) if time > now)]

    def flow(self, job_id: int) -> Counter[Address]:
        """The amount that each account got out of a job's escrow, less what it put in."""
        flow: Counter[Address] = Counter()
        for line in self.shared.postings:
            if line.target.kind is PotKind.ESCROW and line.target.owner == job_id:
                flow[Address(line.source.owner)] -= line.amount_fri
            if line.source.kind is PotKind.ESCROW and line.source.owner == job_id:
                flow[Address(line.target.owner)] += line.amount_fri
        return flow


MOVES = {
    "claim": ("claim", ()),
    "release": ("release", (Code.CRASH,)),
    "submit": ("submit_result", (CID,)),
    "accept": ("accept_result", ()),
    "dispute": ("dispute_result", (CID,)),
    "resolve WORKER": ("resolve_dispute", (Verdict.WORKER, CID)),
    "resolve NEITHER": ("resolve_dispute", (Verdict.NEITHER, CID)),
    "resolve CREATOR": ("resolve_dispute", (Verdict.CREATOR, CID)),
    "finalize": ("finalize", ()),
    "cancel": ("cancel_job", ()),
}
"""The moves by name: the function, and its arguments besides the job and the call."""


def make(move: str, job: Job, call: Call, *, barred: bool) -> Outcome:
    """Make a move by the present rule, which may be a planted bug."""
    name, arguments = MOVES[move]
    if move == "submit":
        arguments = (CID + str(call.now),)  # so that a second result differs
    more = {"barred": barred} if move == "claim" else {}
    outcome: Outcome = getattr(escrow, name)(job, call, *arguments, **more)
    return outcome


def check_i1_money_is_conserved(world: World) -> None:
    """I1: the registry holds what went in and has not come out, and no amount exceeds the bound."""
    shared = world.shared
    inside = world.wallets_fri - shared.wallets.total()
    assert inside == shared.token_fri, "I1: money appeared or disappeared"
    pots = [*shared.wallets.values(), *shared.credits.values(), *shared.escrows.values(), shared.burned_fri]
    assert min(pots) >= 0, "I1: a pot is overdrawn"
    assert shared.token_fri <= BOUND_FRI, "I1: the registry holds more than it can"


def check_i2_escrow_is_what_was_paid_in(world: World) -> None:
    """I2: each job's escrow holds what was paid in and not out, which agrees with its state."""
    for job in world.shared.jobs.values():
        held = world.shared.escrows[job.id]
        reward, bond = job.terms.reward_fri, job.terms.bond_fri
        expected = {
            JobState.OPEN: reward,
            JobState.CLAIMED: reward + bond,
            JobState.SUBMITTED: reward + bond,
            JobState.DISPUTED: reward + 2 * bond,
            JobState.PAID: 0,
            JobState.REFUNDED: 0,
        }[job.state]
        assert held == -world.flow(job.id).total(), f"I2: the postings of job {job.id} do not add up"
        assert held == expected, f"I2: job {job.id} is {job.state} and holds {held}, not {expected}"


def check_i3_ends_absorb(world: World) -> None:
    """I3: nothing changes a job that is PAID or REFUNDED, and its reward is paid out once."""
    for step in world.steps[-1:]:
        assert not step.before.state.is_final, f"I3: {step.move} moved a final job"
    for job in world.shared.jobs.values():
        if not job.state.is_final:
            continue
        left = [
            (line.target, line.amount_fri)
            for line in world.shared.postings
            if line.source == ledger.escrow(job.id) and line.reason is Reason.REWARD
        ]
        entitled = job.worker if job.state is JobState.PAID else job.order.creator
        expected = [(ledger.credit(entitled), job.terms.reward_fri)]
        assert left == expected, f"I3: the reward of job {job.id}, {job.state}, left as {left}"
        for move in MOVES:
            for caller in {job.order.creator, job.worker, job.terms.arbiter, OUTSIDER} - {NOBODY}:
                assert world.would(move, job, caller, world.shared.now) is None, f"I3: {move} is legal"


def check_i4_one_live_claimant(world: World) -> None:
    """I4: during a lease, no one else can claim or submit; a result never changes."""
    for step in world.steps[-1:]:
        kept = step.before.result_cid in ("", step.after.result_cid)
        assert kept, f"I4: {step.move} changed a result"
    for job in world.live():
        for now in world.times(job):
            for other in (*PEOPLE, OUTSIDER):
                if job.state is JobState.CLAIMED and now < job.lease_end:
                    assert world.would("claim", job, other, now) is None, "I4: a claim over a live claim"
                if other != job.worker or job.state is not JobState.CLAIMED:
                    assert world.would("submit", job, other, now) is None, "I4: someone else may submit"
                    assert world.would("release", job, other, now) is None, "I4: someone else may release"


def check_i5_anyone_can_end_it(world: World) -> None:
    """I5: after enough time, anyone can end any job: PAID if it has a result, else REFUNDED."""
    for job in world.live():
        outcome = world.would("finalize", job, OUTSIDER, world.shared.now + FAR_SECONDS)
        assert outcome is not None, f"I5: nobody can end job {job.id}, which is {job.state}"
        submitted = job.state in (JobState.SUBMITTED, JobState.DISPUTED)
        expected = JobState.PAID if submitted else JobState.REFUNDED
        assert outcome.job.state is expected, f"I5: {job.state} ends as {outcome.job.state}"


def check_i6_no_cancel_under_a_live_claim(world: World) -> None:
    """I6: a creator can cancel only without a live claim, and never after a submission."""
    for job in world.live():
        for now in world.times(job):
            lapsed = job.state is JobState.CLAIMED and now >= job.lease_end
            legal = world.would("cancel", job, job.order.creator, now) is not None
            assert legal == (job.state is JobState.OPEN or lapsed), "I6: cancelled under a live claim"


def check_i7_losses_are_bounded(world: World) -> None:
    """I7: one job costs a creator at most reward and dispute bond, a worker one bond for each claim."""
    for job in world.shared.jobs.values():
        reward, bond = job.terms.reward_fri, job.terms.bond_fri
        made = [step for step in world.steps if step.before.id == job.id]
        stakes = Counter(step.caller for step in made if step.move in ("claim", "dispute"))
        for account, net in world.flow(job.id).items():
            most = (reward if account == job.order.creator else 0) + bond * stakes[account]
            assert net >= -most, f"I7: {account} lost {-net} on job {job.id}, more than {most}"


def check_i8_creators_never_gain(world: World) -> None:
    """I8: a creator, together with its arbiter, never gets more out of a job than they put in."""
    for job in world.shared.jobs.values():
        flow = world.flow(job.id)
        gain = sum(flow[account] for account in {job.order.creator, job.terms.arbiter} - {NOBODY})
        assert gain <= 0, f"I8: the creator's side gained {gain} by job {job.id}"


def check_i9_times_are_half_open(world: World) -> None:
    """I9: a move and its timeout are never both legal, and at every second one of them is."""
    for job in world.live():
        for now in world.times(job):
            for move, caller, expected in _by_time(world, job, now):
                legal = world.would(move, job, caller, now) is not None
                assert legal == expected, f"I9: {move} of a {job.state} job at {now}: {legal}"


def _by_time(world: World, job: Job, now: int) -> Iterator[tuple[str, Address, bool]]:
    terms, creator = job.terms, job.order.creator
    match job.state:
        case JobState.OPEN:
            yield "finalize", OUTSIDER, now >= terms.deadline
            yield from _claims(world, job, now < terms.deadline)
        case JobState.CLAIMED:
            lapsed = now >= job.lease_end
            yield "submit", job.worker, not lapsed
            yield "release", job.worker, not lapsed
            yield "finalize", OUTSIDER, lapsed and now >= terms.deadline
            yield from _claims(world, job, lapsed and now < terms.deadline)
        case JobState.SUBMITTED:
            yield "accept", creator, True
            yield "dispute", creator, now < job.review_end and terms.arbiter != NOBODY
            yield "finalize", OUTSIDER, now >= job.review_end
        case JobState.DISPUTED:
            for verdict in Verdict:
                yield f"resolve {verdict}", terms.arbiter, now < job.arbitration_end
            yield "finalize", OUTSIDER, now >= job.arbitration_end
        case _:
            raise AssertionError(job)


def _claims(world: World, job: Job, free: bool) -> Iterator[tuple[str, Address, bool]]:
    # The earlier claimants, from the moves and not from the registry's bars.
    had = {step.caller for step in world.steps if step.before.id == job.id and step.move == "claim"}
    for account in (*PEOPLE, OUTSIDER):
        party = account in (job.order.creator, job.terms.arbiter)
        named = job.terms.worker in (NOBODY, account)
        yield "claim", account, free and named and not party and account not in had


def check_i10_refunds_by_the_arbiter_only(world: World) -> None:
    """I10: after a submission only the arbiter, in time, can refund the creator."""
    for step in world.steps[-1:]:
        if step.after.state is JobState.REFUNDED and step.before.state is not JobState.OPEN:
            disputed = step.before.state is JobState.DISPUTED and step.caller == step.before.terms.arbiter
            in_time = disputed and step.now < step.before.arbitration_end
            lapsed = step.before.state is JobState.CLAIMED and step.now >= step.before.lease_end
            assert in_time or lapsed, f"I10: {step.move} refunded a job that was {step.before.state}"


def check_release_costs(world: World) -> None:
    """A release burns a tenth of the bond, or the used share of the lease if that is more, rounded up."""
    for job in world.live():
        for now in world.times(job):
            if job.state is not JobState.CLAIMED or now >= job.lease_end:
                continue
            outcome = world.would("release", job, job.worker, now)
            assert outcome is not None, "fee: a claimant cannot release"
            burned = sum(line.amount_fri for line in outcome.postings if line.target.kind is PotKind.BURNED)
            bond, lease = job.terms.bond_fri, job.terms.lease_seconds
            assert 10 * burned >= bond, "fee: less than a tenth of the bond"
            assert burned * lease >= bond * (now - job.claimed_at), "fee: less than the time held"
            assert burned <= bond, "fee: more than the bond"


Check = Callable[[World], None]
CHECKS: tuple[Check, ...] = (
    check_i1_money_is_conserved,
    check_i2_escrow_is_what_was_paid_in,
    check_i3_ends_absorb,
    check_i4_one_live_claimant,
    check_i5_anyone_can_end_it,
    check_i6_no_cancel_under_a_live_claim,
    check_i7_losses_are_bounded,
    check_i8_creators_never_gain,
    check_i9_times_are_half_open,
    check_i10_refunds_by_the_arbiter_only,
    check_release_costs,
)
