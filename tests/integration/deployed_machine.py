"""The model's machine with a deployed contract: makes each move in both, and compares the results.

After each transaction the contract's whole state is read: jobs, credits, totals, wallets, its tokens, and
every field of every event. After a move that changed a job, the contract is also queried for who could make
which move on it, now and at each later time limit, and which rule refuses all others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from tests.integration.contract_view import ContractView
from tests.integration.contract_world import RULES
from tests.integration.event_fields import fields_of
from tests.integration.puppet_stage import Played, Stage, felts_of, looking, rule_of
from tests.unit.model.registry.escrow_invariants import FAR_SECONDS, MOVES, OUTSIDER, PEOPLE, make
from tests.unit.model.registry.escrow_machine import BROKE, Deed, EscrowMachine

from veriframe.errors import MoveRefused
from veriframe.model.registry.job import Address, Job
from veriframe.model.registry.ledger import Call

Found = tuple[str, str, str]
"""A move, the job's standing before it, and the state after it or the rule that refused it."""


class DeployedMachine(EscrowMachine):
    """Five accounts and an outsider at a new contract. `made_there` and `asked_there` record the coverage."""

    stage: ClassVar[Stage]
    class_hash: ClassVar[int]
    made_there: ClassVar[Counter[Found]]
    asked_there: ClassVar[Counter[Found]]
    asks: ClassVar[bool] = True

    def _open(self) -> None:
        stage, people = self.stage, (*PEOPLE, OUTSIDER)
        token = stage.node.strk_address
        registry = stage.deploy(self.class_hash, token)
        self.there = ContractView(registry, token, dict(zip(people, stage.people, strict=True)))
        for number, account in enumerate(people):
            wallet = felts_of(stage.ask([self.there.balance(account)])[0])[0]
            calls = [(token, "approve", [registry, 2**128 - 1, 0])]
            if account == BROKE and wallet > 10:
                calls.append((token, "transfer", [stage.sender, wallet - 10, 0]))
                wallet = 10
            assert stage.send([stage.act(number, calling) for calling in calls]).rule == ""
            self.shared.wallets[account] = wallet

    def _play(self, deed: Deed, attempt: Callable[[Call], None]) -> str:
        there, shared, stage = self.there, self.shared, self.stage
        calling = stage.act(self._client(deed.caller), there.calling(deed, shared.now))
        plural = deed.move.endswith("s")
        stage.query_at(shared.now)
        before = [looking(calling)] if plural else []
        played, looks, answers = stage.play([calling], before, list(self._readings(deed)))
        shared.block = played.block - 1
        seen, made, standing = len(shared.events), len(self.world.steps), self._standing(deed.job_id)
        refused = super()._play(deed, attempt)
        when = f"{deed.move} by {deed.caller} of {deed.job_id or deed.values} ({standing or '-'})"
        _same("refusal", when, refused, played.rule)
        if plural:
            done = [step.after.id for step in self.world.steps[made:]]
            _same("ids", when, done if not refused else None, there.ids(looks[-1]))
        self._compare_events(when, played, seen)
        self._compare(when, deed, answers)
        if deed.job_id:
            after = self.shared.jobs[deed.job_id].state.value
            self.made_there[deed.move, standing, refused or after] += 1
        if self.asks:
            for step in self.world.steps[made:]:
                self._ask_who_may(step.after)
        return refused

    def _client(self, account: Address) -> int:
        return (*PEOPLE, OUTSIDER).index(account)

    def _standing(self, job_id: int) -> str:
        job = self.shared.jobs.get(job_id)
        return "" if job is None else _standing(job, self.shared.now)

    def _readings(self, deed: Deed) -> Iterator[Any]:
        there = self.there
        yield there.view("get_job_counter")
        yield there.view("get_jobs", 1, 200)
        yield there.view("get_totals")
        yield there.balance(None)
        yield from (there.view("get_credit", there.address(account)) for account in PEOPLE)
        yield from (there.balance(account) for account in PEOPLE)
        newest = self.shared.newest_order.id if self.shared.newest_order else 0
        yield from (
            there.view("get_order", number) for number in range(1, newest + 1 + (deed.move == "create"))
        )

    def _compare_events(self, when: str, played: Played, seen: int) -> None:
        expected = [fields_of(event, self.shared) for event in self.shared.events[seen:]]
        found = [
            self.there.event(keys, data)
            for address, keys, data in played.events
            if address == self.there.registry
        ]
        _same("events", when, expected, found)

    def _compare(self, when: str, deed: Deed, answers: Sequence[Any]) -> None:
        """Compares everything that can be read, and I1 for the token's balance."""
        there, shared = self.there, self.shared
        counter, jobs, totals, held, *others = answers
        orders = others[2 * len(PEOPLE) :]
        _same("counter", when, max(shared.jobs, default=0), felts_of(counter)[0])
        _same("jobs", when, list(shared.jobs.values()), there.jobs(jobs, orders))
        sums = there.read("get_totals", totals)
        expected = {
            "escrow": shared.escrow_fri,
            "credits": shared.credits.total(),
            "burned": shared.burned_fri,
        }
        _same("totals", when, expected, sums)
        pots = [money[account] for money in (shared.credits, shared.wallets) for account in PEOPLE]
        _same("credits and wallets", when, pots, [felts_of(one)[0] for one in others[: len(pots)]])
        _same("I1: token", when, sum(sums.values()), felts_of(held)[0])

    def _ask_who_may(self, job: Job) -> None:
        """I3, I4, I6, I9: every move by those who may and by others, now and at each later time limit."""
        tries = list(_tries(job))
        for now in self._times(job):
            callings = [
                self.stage.act(self._client(caller), self.there.calling(Deed(move, caller, job.id), now))
                for move, caller in tries
            ]
            answers = self.stage.query_at(now, [looking(calling) for calling in callings])
            standing = _standing(job, now)
            for (move, caller), answer in zip(tries, answers, strict=True):
                when = f"{move} by {caller} of {job.id} ({standing}), {now - self.shared.now} s on"
                expected = self._would(move, job, caller, now)
                _same("who may", when, expected if expected in RULES else "", rule_of(answer))
                self.asked_there[move, standing, expected] += 1

    def _times(self, job: Job) -> Sequence[int]:
        far = self.shared.now + FAR_SECONDS
        return [self.shared.now, far] if job.state.is_final else sorted({*self.world.times(job), far})

    def _would(self, move: str, job: Job, caller: Address, now: int) -> str:
        """The state after the move, or the rule that refuses it, with the caller's credit."""
        shared = self.shared
        call = Call(caller=caller, now=now, block=shared.block, credit_fri=shared.credits[caller])
        try:
            return make(move, job, call, barred=(job.id, caller) in shared.bars).job.state.value
        except MoveRefused as refusal:
            return refusal.rule


def _standing(job: Job, now: int) -> str:
    return "lapsed" if job.is_lapsed(now) else job.state.value


def _same(what: str, when: str, expected: object, found: object) -> None:
    """Fails the test with the difference unless both are equal."""
    if expected != found:
        raise AssertionError(f"{what} after {when}: the rules say {expected!r}, the contract {found!r}")


def _tries(job: Job) -> Iterator[tuple[str, Address]]:
    """Every move, by accounts that may make it at some time, and by one that never may."""
    creator, arbiter = job.order.creator, job.terms.arbiter
    for account in PEOPLE:
        yield "claim", account
    yield "finalize", OUTSIDER
    for move in MOVES:
        if move in ("accept", "dispute", "cancel"):
            yield from ((move, creator), (move, arbiter or OUTSIDER))
        elif move in ("submit", "release"):
            yield from ((move, job.worker or OUTSIDER), (move, creator))
        elif move.startswith("resolve"):
            yield from ((move, arbiter or OUTSIDER), (move, creator))
