"""The comparison finds bugs: each bug planted in the contract's source makes a scenario fail."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from tests.deployed import declare
from tests.integration.contract_mutants import IN_EVERY_RUN, MUTANTS, Mutant, build
from tests.integration.deployed_machine import DeployedMachine
from tests.integration.puppet_stage import Stage
from tests.nodes import devnet
from tests.unit.model.registry.escrow_stories import tell, walk

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not here: install Node 20 or later"),
]

CASES = [
    pytest.param(one, id=one.name, marks=() if one.name in IN_EVERY_RUN else (pytest.mark.thorough,))
    for one in MUTANTS
]

STORIES = 3
"""Generated scenarios, for what the walk does not find."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One chain for all of them; each has contracts of its own class."""
    with devnet() as node:
        opened = Stage(node)
        asyncio.run(opened.open())
        yield opened


@pytest.mark.parametrize("mutant", CASES)
def test_a_bug_planted_in_the_contract_is_found(
    mutant: Mutant, stage: Stage, pytestconfig: pytest.Config, tell_line: Callable[[str], None]
) -> None:
    """The scenario fails where the contract differs from the rules, with the difference."""
    assert pytestconfig.cache is not None
    built = build(mutant, pytestconfig.cache.mkdir("mutants"))
    class_hash = asyncio.run(declare(stage.node, built))
    counts: dict[str, object] = {"made_there": Counter(), "asked_there": Counter()}
    planted = type("Planted", (DeployedMachine,), {"stage": stage, "class_hash": class_hash, **counts})
    with pytest.raises(AssertionError, match=mutant.found) as raised:
        _tell_all(planted)
    tell_line(f"\n{mutant.name}: {raised.value}")


def _tell_all(machine: type[DeployedMachine]) -> None:
    walk(machine())
    for seed in range(STORIES):
        tell(machine(), seed)
