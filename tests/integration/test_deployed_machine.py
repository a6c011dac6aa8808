"""The deployed contract and the model behave the same, for any account, move and time.

The scenarios of the model's machine are played on both; the coverage is printed at the end of the run.
`test_deployed_mutants.py` plants bugs in the contract to check that they are found.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test as run_machine
from tests.deployed import REGISTRY, declare
from tests.integration.deployed_machine import DeployedMachine, Found
from tests.integration.puppet_stage import Stage
from tests.nodes import devnet
from tests.unit.model.registry.escrow_machine import STEPS
from tests.unit.model.registry.escrow_stories import tell, walk

from veriframe.model.registry.job import JobState

pytestmark = pytest.mark.slow

STORIES = 14
EXAMPLES, MORE_EXAMPLES = 8, 30
"""Of Hypothesis's."""
ENDED = ("PAID", "REFUNDED")
HANDED_IN = ("SUBMITTED", "DISPUTED", "PAID", "REFUNDED")
WHO_CLAIMS = ("OWN_JOB", "OTHER_WORKER", "BARRED")


def table() -> set[Found]:
    """Every move in every standing, with all possible outcomes."""
    rows: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
        ("claim", ("OPEN", "lapsed"), (*WHO_CLAIMS, "CLAIMED", "DEADLINE_OVER", "INSUFFICIENT_CREDIT")),
        ("claim", ("CLAIMED", *HANDED_IN), (*WHO_CLAIMS, "NOT_OPEN")),
        ("accept", ("SUBMITTED",), ("PAID", "NOT_CREATOR")),
        ("accept", ("OPEN", "CLAIMED", "lapsed", "DISPUTED", *ENDED), ("NOT_CREATOR", "NOT_SUBMITTED")),
        ("dispute", ("SUBMITTED",), ("DISPUTED", "NOT_CREATOR", "NO_ARBITER", "REVIEW_OVER")),
        ("dispute", ("SUBMITTED",), ("INSUFFICIENT_CREDIT",)),
        ("dispute", ("OPEN", "CLAIMED", "lapsed", "DISPUTED", *ENDED), ("NOT_CREATOR", "NOT_SUBMITTED")),
        ("finalize", ("OPEN", "lapsed"), ("REFUNDED", "NOT_DUE")),
        ("finalize", ("CLAIMED",), ("NOT_DUE",)),
        ("finalize", ("SUBMITTED", "DISPUTED"), ("PAID", "NOT_DUE")),
        ("finalize", ENDED, ("ALREADY_FINAL",)),
        ("cancel", ("OPEN", "lapsed"), ("REFUNDED", "NOT_CREATOR")),
        ("cancel", ("CLAIMED",), ("LIVE_CLAIM", "NOT_CREATOR")),
        ("cancel", HANDED_IN, ("NOT_OPEN", "NOT_CREATOR")),
    ]
    for move, after in (("release", "OPEN"), ("submit", "SUBMITTED")):
        rows += [
            (move, ("OPEN",), ("NOT_CLAIMANT",)),
            (move, ("CLAIMED",), (after, "NOT_CLAIMANT")),
            (move, ("lapsed",), ("LEASE_OVER", "NOT_CLAIMANT")),
            (move, HANDED_IN, ("NOT_CLAIMED", "NOT_CLAIMANT")),
        ]
    for verdict, after in (("WORKER", "PAID"), ("NEITHER", "PAID"), ("CREATOR", "REFUNDED")):
        move = f"resolve {verdict}"
        rows += [
            (move, ("DISPUTED",), (after, "NOT_ARBITER", "ARBITRATION_OVER")),
            (move, ("OPEN", "CLAIMED", "lapsed", "SUBMITTED", *ENDED), ("NOT_ARBITER", "NOT_DISPUTED")),
        ]
    return {(move, before, came) for move, befores, comes in rows for before in befores for came in comes}


@pytest.fixture(scope="module")
def machine() -> Iterator[type[DeployedMachine]]:
    """The machine on a separate chain with the contract's class."""
    with devnet() as node:
        stage = Stage(node)
        asyncio.run(stage.open())
        fields = {"stage": stage, "class_hash": asyncio.run(declare(node, REGISTRY))}
        yield type(
            "Deployed", (DeployedMachine,), {**fields, "made_there": Counter(), "asked_there": Counter()}
        )


def test_seeded_scenarios_are_the_same_on_chain(
    machine: type[DeployedMachine], tell_line: Callable[[str], None]
) -> None:
    """I1 to I11, every row of the table, and exactly the possible outcomes of any move in any state."""
    sent, start = machine.stage.sent, time.monotonic()
    walk(machine())
    for seed in range(STORIES):
        story = machine()
        tell(story, seed)
        story.end()
    sent, seconds = machine.stage.sent - sent, time.monotonic() - start
    made, asked = machine.made_there, machine.asked_there
    tell_line(f"\n{STORIES + 1} stories: {sent} transactions, {asked.total()} questions, {seconds:.0f} s")
    for move, standing, came in sorted(table()):
        counts = f"{made[move, standing, came]:6} made {asked[move, standing, came]:7} asked"
        tell_line(f"  {move:16} {standing:10} {came:20} {counts}")
    assert table() == {*made, *asked}
    transitions = {found for found in table() if found[2] in JobState.__members__}
    assert transitions <= set(made)


@pytest.mark.parametrize("examples", [EXAMPLES, pytest.param(MORE_EXAMPLES, marks=pytest.mark.thorough)])
def test_generated_scenarios_are_the_same_on_chain(
    machine: type[DeployedMachine], examples: int, tell_line: Callable[[str], None]
) -> None:
    """Scenarios from Hypothesis: the same ones in each run."""
    sent, start = machine.stage.sent, time.monotonic()
    run_machine(
        type("Quick", (machine,), {"asks": False}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(
                Phase.generate,
            ),  # each attempt takes seconds: the first difference is reported without shrinking
            suppress_health_check=list(HealthCheck),
        ),
    )
    sent, seconds = machine.stage.sent - sent, time.monotonic() - start
    tell_line(f"\n{examples} examples: {sent} transactions, {seconds:.0f} s")
    assert sent > 10 * examples
