"""The stage of the arbiter's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.arbiter.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A registry without disputes yet."""
    return Bench(tmp_path)
