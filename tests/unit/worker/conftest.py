"""Shared fixtures of the worker's tests: a worker on fakes, and waits that take no time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
from tests.fakes.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """One worker's context, with fakes."""
    return Bench(tmp_path / "work")


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """Retries happen at once, without a limit."""
    with stamina.set_testing(True, attempts=10**9):
        yield
