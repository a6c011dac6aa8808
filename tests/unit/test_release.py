"""What a release promises: one version everywhere, and a CI that runs what is run here."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from veriframe import __version__

ROOT = Path(__file__).parents[2]


def test_the_version_is_the_same_everywhere() -> None:
    """In the package, in its metadata, and as the newest in the changelog."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changes, re.MULTILINE)
    assert newest is not None
    assert project["version"] == __version__ == newest[1]


def test_ci_runs_what_is_run_here() -> None:
    """The workflow calls the script, which runs the targets of `make`, with skips forbidden."""
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.search(r"^ +sudo .*\.ci/run$", workflow, re.MULTILINE)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^make (\w+)", script, re.MULTILINE)
    assert {"nodes", "test"} <= set(targets)
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert "SKIPS=forbid" in script
