"""Fixtures for the orders' tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.creator.orders.studio import Studio


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """An artist with a bundle of ten frames in chunks of four."""
    return Studio(tmp_path)
