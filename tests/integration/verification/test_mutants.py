"""The lab finds bugs: each bug planted in the verifier's source makes it say something else of a result."""

from __future__ import annotations

import pytest
from tests.integration.verification.cheat import examine
from tests.integration.verification.lab import Lab
from tests.integration.verification.mutants import IN_EVERY_RUN, MUTANTS, RESULTS_BY_NAME, Mutant, planted

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

CASES = [
    pytest.param(one, id=one.name, marks=() if one.name in IN_EVERY_RUN else (pytest.mark.thorough,))
    for one in MUTANTS
]


@pytest.mark.parametrize("mutant", CASES)
async def test_a_bug_planted_in_the_verifier_is_found(lab: Lab, mutant: Mutant) -> None:
    """The result that finds it is not what test_cheats.py expects of it any more."""
    cheat = RESULTS_BY_NAME[mutant.found_by]
    assert mutant.kernel in cheat.kernels
    # Pictures of two sizes cannot even be compared: a verifier that stops by that says nothing wrong, either.
    with planted(mutant), pytest.raises((AssertionError, ValueError)):
        await examine(lab, cheat, mutant.kernel)
