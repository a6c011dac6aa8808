"""`veriframe verify` and `order verify` as a creator runs them, with real renders."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.e2e.conftest import Home

from veriframe.model.verification.findings import Conclusion
from veriframe.model.verification.report import parse_report

pytestmark = pytest.mark.slow

CHEAT = Path(__file__).with_name("cheating_worker.py")
ORDER = ("--frames", "1", "--samples", "32", "--resolution", "96x54", "--no-check", "--reward", "2", "--yes")


def rendered(home: Home, scene: Path, program: list[str | Path]) -> None:
    """An order of one frame whose result waits for its creator."""
    created = home.run("order", "create", scene, *ORDER)
    assert created.returncode == 0, created.stderr
    served = home.run_as([*program, "worker", "--once"])
    assert served.returncode == 0, served.stderr


def test_an_honest_result_is_exact(home: Home, light_scene: Path) -> None:
    """fault_274: the words, what to do next, the report and the page."""
    rendered(home, light_scene, [sys.executable, "-m", "veriframe"])
    found = home.run("verify", "1", "-o", "report")
    assert found.returncode == 0, found.stderr
    assert "exact" in found.stdout.lower()
    assert "veriframe job accept 1" in found.stderr
    (finding,) = parse_report((home.folder / "report" / "verification.json").read_bytes())
    assert (finding.job, finding.conclusion) == (1, Conclusion.EXACT)
    assert "<html" in (home.folder / "report" / "verification.html").read_text("utf-8")
    of_order = home.run("order", "verify", "1", "--json")
    assert of_order.returncode == 0, of_order.stderr
    assert [job["conclusion"] for job in json.loads(of_order.stdout)["jobs"]] == ["EXACT"]


def test_half_the_samples_are_wrong(home: Home, light_scene: Path) -> None:
    """Exit code 10, and what its creator may do."""
    rendered(home, light_scene, [sys.executable, CHEAT])
    found = home.run("verify", "1")
    assert found.returncode == 10, found.stderr
    assert "names no arbiter" in found.stderr
    assert home.run("verify", "99").returncode not in {0, 10}
