"""Fixtures for the tests of the worker's command."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """One worker's context, with fakes."""
    return Bench(tmp_path / "work")
