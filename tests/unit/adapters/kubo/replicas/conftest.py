"""Short pauses, and a picture to add."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.adapters.kubo.lying_node import CONTENT

from veriframe.adapters.kubo.replicas import replicated_store


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicated_store, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(replicated_store, "CALL_SECONDS", 0.2)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """The content that the node expects."""
    path = tmp_path / "picture.png"
    path.write_bytes(CONTENT)
    return path
