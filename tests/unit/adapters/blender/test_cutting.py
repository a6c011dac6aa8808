"""A decoder at its limits: the fault of the picture, or of this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from veriframe.adapters.blender import cutting
from veriframe.adapters.blender.reports import RunReport
from veriframe.adapters.blender.sandbox.run import Ending, RunExit
from veriframe.errors import Code
from veriframe.model.bundle.chunks import whole_region
from veriframe.model.rendering.frames import RenderLimits
from veriframe.ports.renderer import Cut, CutKind

LIMITS = replace(RenderLimits(), memory_bytes=2**30, output_bytes=2**28)


def cut(kind: CutKind, side: int, channels: int = 4) -> Cut:
    """A whole picture."""
    whole = whole_region((side, side))
    return Cut(
        file=Path("a.exr"),
        kind=kind,
        shown=whole,
        wanted=whole,
        size=(side, side),
        most_channels=channels,
    )


def ended(ending: Ending) -> RunExit:
    """A run that ended so."""
    return RunExit(ending=ending, code=0, signal=9, seconds=1.0, peak_memory_bytes=2**30, log_tail=())


@pytest.mark.parametrize(
    ("ending", "one", "code"),
    [
        (Ending.OOM, cut(CutKind.MULTILAYER, 1600, 40), Code.OOM),
        (Ending.OOM, cut(CutKind.MULTILAYER, 160, 40), None),
        (Ending.OOM, cut(CutKind.PNG, 1600, 40), None),
        (Ending.OUTPUT_LIMIT, cut(CutKind.MULTILAYER, 1600, 40), Code.OUTPUT_LIMIT),
        (Ending.OUTPUT_LIMIT, cut(CutKind.EXR, 1600), None),
        (Ending.OOM, cut(CutKind.PROOF, 64), None),
        (Ending.CRASHED, cut(CutKind.MULTILAYER, 1600, 40), None),
    ],
)
def test_only_large_pictures_may_need_more_than_the_limits(
    ending: Ending, one: Cut, code: Code | None
) -> None:
    """fault_271: an honest one is not wrong for that, and a small one that needs gigabytes is."""
    found = cutting._at_limit(ended(ending), RunReport(lambda event: None), LIMITS, [one])
    assert (found and found.code) is code
    if found is not None:
        assert "Raise" in str(found)
