"""Random moves by anyone at any time keep the registry's invariants."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test as run_machine
from tests.unit.model.registry.escrow_machine import FITTING, STEPS, EscrowMachine
from tests.unit.model.registry.escrow_stories import play, walk

from veriframe.model.registry.job import JobState


def explore(examples: int) -> None:
    """Let Hypothesis search for a story that breaks an invariant, and report the shortest one."""
    run_machine(
        EscrowMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_rules_keep_the_invariants() -> None:
    """I1 to I11 hold after every step of some stories, which include every move of the table."""
    made = play(60, run_uninterrupted=True)
    table = {(state, move) for state, moves in FITTING.items() if not state.is_final for move in moves}
    assert table <= made


def test_a_walk_through_the_table_keeps_the_invariants() -> None:
    """I1 to I11 hold in every row of the table, with the longest times and the largest amounts."""
    made: set[tuple[JobState, str]] = set()
    walk(type("Walking", (EscrowMachine,), {"made": made})())
    assert {state for state, _ in made} == {state for state in JobState if not state.is_final}


def test_no_story_breaks_an_invariant() -> None:
    """I1 to I11 hold after every step of random stories."""
    explore(15)


@pytest.mark.slow
def test_no_story_of_many_breaks_an_invariant() -> None:
    """The same for 500 stories."""
    explore(500)
