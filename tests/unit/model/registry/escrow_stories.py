"""Sequences of moves drawn from seeds, so that they are the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tests.unit.model.registry.escrow_invariants import CHECKS, MOVES, PEOPLE, Check
from tests.unit.model.registry.escrow_machine import BROKE, LARGE, MANY, STEPS, EscrowMachine, roomy_terms

from veriframe.model.registry.job import NOBODY, Address, JobState, Terms
from veriframe.model.registry.order import DEADLINE_MAX_SECONDS, SPAN_MAX_SECONDS


def play(
    stories: int, checks: Sequence[Check] = CHECKS, *, run_uninterrupted: bool = False
) -> set[tuple[JobState, str]]:
    """Play this many stories, the same ones on every machine. Returns the moves that were made, by state.

    Hypothesis also draws constants from loaded modules, so the moves that its examples reach vary. The same
    seeds always reach the same moves.
    """
    made: set[tuple[JobState, str]] = set()
    played = type("Played", (EscrowMachine,), {"checks": checks, "made": made})
    for seed in range(stories):
        machine = played()
        tell(machine, seed)
        if run_uninterrupted:
            machine.end()
    return made


def tell(machine: EscrowMachine, seed: int) -> None:
    """Play one story."""
    machine.begin(seed)
    chance = Random(seed)
    for _ in range(STEPS):
        _step(machine, chance)
        machine.promises()


WALK = (
    "cancel:1",
    "claim:2 release:2 claim:2 claim:3 @lease_end-1 submit:3 accept:1",
    "claim:2 submit:2 @review_end-1 dispute:1 @arbitration_end-1 resolve_WORKER:4",
    "claim:2 submit:2 dispute:1 resolve_NEITHER:4",
    "claim:2 submit:2 dispute:1 resolve_CREATOR:4",
    "claim:2 submit:2 dispute:1 @arbitration_end resolve_CREATOR:4 finalize:5",
    "claim:2 submit:2 @review_end dispute:1 finalize:5",
    "claim:2 @lease_end-1 cancel:1 @lease_end submit:2 claim:3 @lease_end cancel:1",
    "claim:2 @deadline-1 finalize:5 @deadline claim:3 finalize:5",
    "@deadline claim:2 finalize:5",
)
"""Each row of the contract's table, one job each: moves with the number of the caller, and waits."""


def walk(machine: EscrowMachine) -> None:
    """Play a fixed story with the longest times and the largest amounts."""
    creator, worker, other, arbiter, _ = PEOPLE
    longest = Terms(
        reward_fri=LARGE // 32,
        bond_fri=95,
        deadline=DEADLINE_MAX_SECONDS,
        lease_seconds=SPAN_MAX_SECONDS,
        review_seconds=SPAN_MAX_SECONDS,
        arbitration_seconds=SPAN_MAX_SECONDS,
        arbiter=arbiter,
    )
    machine.deposit(creator, LARGE)
    machine.deposit(other, LARGE)
    machine.post(creator, longest, len(WALK))
    machine.post(creator, replace(longest, reward_fri=machine.shared.credits[creator] - 1000), 1)
    machine.post(creator, replace(longest, reward_fri=7, review_seconds=0), 3)
    many = range(len(WALK) - 1, len(WALK) + 5)
    for move in MANY:
        machine.make_many(move, [*many, *many], worker)
    _disputes_in_vain(machine, longest)
    for job_id, tale in enumerate(WALK, start=1):
        for step in tale.split():
            _tell_step(machine, job_id, step)
        machine.promises()
    machine.end()


def _disputes_in_vain(machine: EscrowMachine, terms: Terms) -> None:
    """Try disputes by a creator who cannot pay the bond, with and without an arbiter."""
    for arbiter in (terms.arbiter, NOBODY):
        machine.post(BROKE, replace(terms, reward_fri=1, arbiter=arbiter), 1)
        job_id = len(machine.shared.jobs)
        for move, caller in (("claim", PEOPLE[1]), ("submit", PEOPLE[1]), ("dispute", BROKE)):
            machine.make(move, machine.shared.jobs[job_id], caller)


def _tell_step(machine: EscrowMachine, job_id: int, step: str) -> None:
    job = machine.shared.jobs[job_id]
    if not step.startswith("@"):
        move, caller = step.split(":")
        machine.make(move.replace("_", " "), job, Address(int(caller)))
        return
    border, _, seconds = step[1:].partition("-")
    end = job.terms.deadline if border == "deadline" else getattr(job, border)
    machine.shared.now = max(machine.shared.now, end - int(seconds or 0))


def _step(machine: EscrowMachine, chance: Random) -> None:
    number, account = chance.randrange(8), chance.choice(PEOPLE)
    match chance.randrange(12):
        case 0 | 1 | 2 | 3:
            machine.work(chance.randrange(2**32))
        case 4 | 5:
            machine.meddle(number, chance.choice(tuple(MOVES)), account)
        case 6:
            machine.wait_for_a_border(number, chance.randrange(-1, 2), chance.choice((0, 1, 1, 2, 2, 3, 3)))
        case 7:
            machine.wait(chance.choice((1, 59, 60, 600, 3600)))
        case 8:
            terms = roomy_terms(chance, chance.choice((NOBODY, *PEOPLE)))
            arbiter = chance.choice((NOBODY, terms.arbiter, terms.arbiter))
            machine.post_more(account, replace(terms, arbiter=arbiter), 1)
        case 9:
            machine.deposit(account, chance.choice((0, 1000, LARGE, LARGE)))
        case 10:
            credit = machine.shared.credits[account]
            machine.withdraw(account, chance.choice((0, 1, 1000, credit, credit, LARGE)))
        case _:
            numbers = chance.choices(range(-1, 9), k=chance.randrange(9))
            machine.make_many(chance.choice(MANY), numbers, account)
