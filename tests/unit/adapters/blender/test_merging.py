"""Merging at the limit of memory: the fault of the pictures, or of this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.adapters.blender.test_cutting import LIMITS, ended

from veriframe.adapters.blender import merging, scripts
from veriframe.adapters.blender.reports import RunReport
from veriframe.adapters.blender.sandbox.run import Ending
from veriframe.errors import Code, RenderFailed, ValidationFailed
from veriframe.model.rendering.frames import RenderTask


@pytest.mark.parametrize(
    ("side", "expected"), [(4000, (RenderFailed, Code.OOM)), (400, (ValidationFailed, Code.NOT_IMAGE))]
)
async def test_a_large_proof_that_needs_more_memory_is_not_at_fault(
    side: int, expected: tuple[type[Exception], Code], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_332: then nothing can be decided here; a small one that needs a gigabyte is no proof."""

    async def run(*args: Any) -> Any:
        return ended(Ending.OOM), RunReport()

    monkeypatch.setattr(scripts, "run_script", run)
    proof = tmp_path / "proof.exr"
    proof.touch()
    task = replace(RenderTask(frames=(1,)), size=(side, side))
    with pytest.raises(expected[0]) as caught:
        async with merging.of_proof(None, proof, task, LIMITS):  # type: ignore[arg-type]
            pass
    assert getattr(caught.value, "code", None) is expected[1]
