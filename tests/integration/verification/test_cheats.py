"""Cheats against a verifier: each is found, in the same class by equality and in another one by the rule."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet
from tests.integration.verification.cheats import CHEATS, HONEST, Cheat, examine
from tests.integration.verification.lab import Lab

from veriframe.ports.renderer import Kernel

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

IN_EVERY_RUN = frozenset(
    (
        "half the samples",
        "the same sequence stopped at 63/64",
        "the pixels of another proof",
        "honest pixels, and a false class",
        "a withheld proof",
    )
)
"""Of those that only the rule finds, which takes four renders of a tile; `make thorough` tries the others."""


def case(cheat: Cheat, kernel: Kernel) -> ParameterSet:
    """One cheat, found exactly, or by the rule because the worker is of another class."""
    is_exact = kernel is Kernel.BEST
    marks = () if is_exact or cheat.name in IN_EVERY_RUN else (pytest.mark.thorough,)
    return pytest.param(
        cheat, kernel, id=f"{cheat.name}, {'exactly' if is_exact else 'by the rule'}", marks=marks
    )


CASES = [
    case(cheat, kernel)
    for scene in dict.fromkeys(cheat.scene for cheat in (HONEST, *CHEATS))  # each is opened once
    for kernel in Kernel
    for cheat in (HONEST, *CHEATS)
    if kernel in cheat.kernels and cheat.scene == scene
]


@pytest.mark.parametrize(("cheat", "kernel"), CASES)
async def test_a_cheat_is_found(lab: Lab, cheat: Cheat, kernel: Kernel) -> None:
    """The verifier says what it is, and why."""
    await examine(lab, cheat, kernel)
