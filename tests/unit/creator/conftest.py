"""The stage of the creator's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
from tests.unit.creator.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Everybody in place, nothing posted."""
    return Stage(tmp_path)


@pytest.fixture
def hurried_retries() -> Iterator[None]:
    """Retries without waits, at most five."""
    with stamina.set_testing(True, attempts=5):
        yield
