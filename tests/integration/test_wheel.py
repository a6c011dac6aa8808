"""The installed package is complete, apart from this checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from veriframe.adapters.starknet.connection import CLASSES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_the_wheel_carries_the_contract_once(tmp_path: Path) -> None:
    """Its class and hashes, byte for byte: `registry deploy` needs them."""
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", wheels, source], check=True, timeout=300)
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        carried = {Path(name).name: wheel.read(name) for name in wheel.namelist() if "/classes/" in name}
        kept = {path.name: path.read_bytes() for path in CLASSES.iterdir()}
        assert kept == carried
        assert {"job_registry.hashes.json", "job_registry.sierra.json.gz"} <= set(carried)
