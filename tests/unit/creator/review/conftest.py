"""Fixtures for the tests of reviews."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.creator.review.reviewed import Reviewed


@pytest.fixture
def reviewed(tmp_path: Path) -> Reviewed:
    """An artist who has ordered ten frames in chunks of four, with an arbiter."""
    return Reviewed(tmp_path)
