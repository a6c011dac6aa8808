"""Cheats against a verifier, each through the real contract on a devnet: each is found.

In the worker's own class a tile with equal bits needs no rule; in another class each tile does.
"""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet
from tests.integration.verification.cheat import Cheat, examine
from tests.integration.verification.cheats import CHEATS, HONEST
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
"""Of those of another class, which take four renders of a tile; `make thorough` tries the others."""


def case(cheat: Cheat, kernel: Kernel) -> ParameterSet:
    """One cheat, by a worker of the verifier's class or of another one."""
    is_same = kernel is Kernel.BEST
    is_in_every_run = not cheat.downloads and (is_same or cheat.name in IN_EVERY_RUN)
    marks = () if is_in_every_run else (pytest.mark.thorough,)
    return pytest.param(
        cheat, kernel, id=f"{cheat.name}, {'same' if is_same else 'another'} class", marks=marks
    )


CASES = [
    case(cheat, kernel)
    for scene in dict.fromkeys(cheat.scene for cheat in (HONEST, *CHEATS))  # each is opened once
    for kernel in Kernel
    for cheat in (HONEST, *CHEATS)
    if kernel in cheat.kernels and cheat.scene == scene
]


@pytest.mark.parametrize(("cheat", "kernel"), CASES)
async def test_a_cheat_is_found(devnet_lab: Lab, cheat: Cheat, kernel: Kernel) -> None:
    """The verifier says what it is, and why, by the hash of the block after its submission."""
    await examine(devnet_lab, cheat, kernel)
