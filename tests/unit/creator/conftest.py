"""Fixtures for the tests of the creator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
from tests.unit.creator.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """All accounts and the store, nothing posted."""
    return Stage(tmp_path)


@pytest.fixture
def hurried_retries() -> Iterator[None]:
    """At most five attempts, without waits."""
    with stamina.set_testing(True, attempts=5):
        yield
