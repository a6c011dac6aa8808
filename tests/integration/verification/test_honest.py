"""Honest results are never wrong: whatever the scene uses, and however its worker's Blender is set up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from _pytest.mark import ParameterSet
from tests.integration.verification.honest import HONEST, Honest
from tests.integration.verification.lab import Lab
from tests.integration.verification.stage import LOOK, SMOOTH
from tests.integration.verification.works import Scene

from veriframe.model.verification.findings import Conclusion, Request
from veriframe.ports.renderer import Kernel

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

IN_EVERY_RUN = frozenset(
    (
        "adaptive sampling",
        "a compositor",
        "one thread",
        "denoised",
        "crops of 1 % at all corners and edges",
    )
)
"""Of those in the verifier's class; `make thorough` tries the others."""


def case(honest: Honest, kernel: Kernel) -> ParameterSet:
    """One result, by a worker of the verifier's class or of another one."""
    is_same = kernel is Kernel.BEST
    marks = () if is_same and honest.name in IN_EVERY_RUN else (pytest.mark.thorough,)
    name = f"{honest.name}, {'same' if is_same else 'another'} class"
    return pytest.param(honest, kernel, id=name, marks=marks)


@pytest.mark.parametrize(
    ("honest", "kernel"), [case(honest, kernel) for honest in HONEST for kernel in honest.expected]
)
async def test_an_honest_result_is_not_wrong(lab: Lab, honest: Honest, kernel: Kernel) -> None:
    """The same bits are exact; other bits are equal by the rule, or undecided where the table says so."""
    conclusion, why = await honest.say(lab, kernel, Request(tiles=2))
    assert conclusion is honest.expected[kernel], why


async def test_a_picture_denoised_from_several_view_layers_is_exact(lab: Lab) -> None:
    """fault_270: its proof cannot be denoised as one layer, so that the whole frame is rendered again."""
    overrides = replace(SMOOTH.bundle.overrides, samples=4)
    scene = Scene(replace(SMOOTH.bundle, overrides=overrides), f'{LOOK}\nscene.view_layers.new("second")')
    job = await lab.submit(await lab.claimed(scene), await lab.honest(scene))
    for thorough in (False, True):
        finding = (await lab.verify(job, Request(tiles=2, thorough=thorough))).finding
        assert finding.conclusion is Conclusion.EXACT
        assert any("denoised from several view layers" in note for note in finding.notes)
