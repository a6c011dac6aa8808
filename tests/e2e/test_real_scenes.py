"""A real worker with a real Blender, on many kinds of scenes in one registry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.conftest import ROOT, Home
from tests.e2e.embedded import Embedded
from tests.scenes.blend_bytes import blend, block, zstd_bomb

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Stage
from veriframe.model.quantities import FRI_PER_STRK
from veriframe.model.registry.job import JobState

pytestmark = pytest.mark.slow

EXAMPLES = ("still", "textures", "volume", "hair", "motion_blur", "animation", "eevee")
HOSTILE = {
    "missing_texture": Code.MISSING_FILES,
    "no_camera": Code.NO_CAMERA,
    "huge": Code.RESOLUTION,
    "time_limit": Code.UNREPEATABLE,
    "movie": Code.NOT_STILL,
}
WHOLE = blend(block(b"TEST"))
BYTES = {
    Code.NOT_BLEND: b"I am a text file, named .blend",
    Code.VERSION: WHOLE.replace(b"BLENDER-v405", b"BLENDER-v499"),
    Code.BOMB: zstd_bomb(),
    # The header check accepts this one; Blender's inspection does not.
    Code.CORRUPT: WHOLE,
}


def _make(script: Path, out: Path, *options: str) -> bytes:
    subprocess.run([sys.executable, script, *options], check=True, timeout=120, capture_output=True)
    return out.read_bytes()


def test_every_example_is_rendered_and_submitted(embedded: Embedded) -> None:
    """Still, textures, volume, hair, motion blur, animation, EEVEE: posted, rendered small, paid."""
    for name in EXAMPLES:
        out = embedded.home / f"{name}.blend"
        script = ROOT / "examples" / f"{name}.py"
        embedded.post(1, _make(script, out, str(out), "--scale", "20", "--samples", "4"))
    ran = Home(embedded.home).run("worker", "--once", timeout=600)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert [Stage.SUBMITTED] * len(EXAMPLES) == embedded.stages()
    assert len({attempt.result_cid for attempt in embedded.attempts()}) == len(EXAMPLES)
    embedded.accept_all()
    assert {JobState.PAID} == {job.state for job in embedded.jobs()}
    assert embedded.audit().is_clean


def test_bad_scenes_are_refused_and_the_worker_continues(embedded: Embedded) -> None:
    """fault_16, 17, 18, 19, 21, 22, 30, 33: each with its own code, before any money moves."""
    expected = []
    for name, code in HOSTILE.items():
        out = embedded.home / f"{name}.blend"
        made = _make(ROOT / "tests" / "scenes" / "make_hostile.py", out, name, str(out))
        expected.append((embedded.post(1, made).id, code))
    expected += [(embedded.post(1, content).id, code) for code, content in BYTES.items()]
    out = embedded.home / "good.blend"
    good = _make(ROOT / "tests" / "scenes" / "make_hostile.py", out, "good", str(out))
    expected.append((embedded.post(1, good[: len(good) // 2]).id, Code.TRUNCATED))
    last = embedded.post(1, good).id
    ran = Home(embedded.home).run("worker", "--once", timeout=300)
    assert ran.returncode == 0, ran.stderr[-2000:]
    attempts = {attempt.job_id: attempt for attempt in embedded.attempts()}
    assert expected == [(job_id, attempts[job_id].code) for job_id, _ in expected]
    assert {Stage.REFUSED} == {attempts[job_id].stage for job_id, _ in expected}
    assert all(attempts[job_id].detail.endswith(".") for job_id, _ in expected)
    assert attempts[last].stage is Stage.SUBMITTED
    # Only the good job's bond has left the worker's wallet.
    held = embedded.funds("worker")
    assert held.wallet_fri + held.credit_fri == 1000 * FRI_PER_STRK - FRI_PER_STRK // 2
    assert embedded.audit().is_clean
