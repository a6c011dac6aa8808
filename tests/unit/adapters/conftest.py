"""Fixtures for the tests of the embedded store."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.adapters.local_store.content import make_folder, make_store

from veriframe.adapters.local_store import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store with a limit of ten thousand bytes."""
    return make_store(tmp_path)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder."""
    return make_folder(tmp_path / "out")
