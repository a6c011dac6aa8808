"""The pace of each asset: the slowest frame and the slowest loading."""

from __future__ import annotations

import pytest

from veriframe.model.attempt.pace import Pace
from veriframe.worker.shared import speeds as module
from veriframe.worker.shared.speeds import Speeds


def test_the_slowest_counts() -> None:
    """Of frames and of loadings, for each asset."""
    speeds = Speeds()
    assert speeds.pace("a") is None
    speeds.note_first("a", 3.0, loading_seconds=20.0)
    speeds.note_frame("a", 2.0)
    speeds.note_first("a", 5.0, loading_seconds=1.0)
    assert speeds.pace("a") == Pace(5.0, 20.0)
    assert Pace(5.0, 20.0).seconds(4) == 40
    speeds.note_too_slow("b")
    assert speeds.pace("b") == Pace(float("inf"))


def test_a_limited_number_of_assets_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest."""
    monkeypatch.setattr(module, "MOST_KNOWN", 2)
    speeds = Speeds()
    for asset_cid in ("a", "b", "a", "c"):
        speeds.note_frame(asset_cid, 1.0)
    assert [speeds.pace(name) is not None for name in "abc"] == [True, False, True]
