"""What the demo asks for: enough time on a busy machine."""

from __future__ import annotations

from pathlib import Path

from veriframe.demo import show as demo
from veriframe.model.attempt.lease import reserve, shortest_lease
from veriframe.settings import load


def test_the_demos_frame_may_take_long(tmp_path: Path) -> None:
    """fault_308: at a load of 10 it took longer than a worker's usual limit; a higher limit stays."""
    usual = load({"home": str(tmp_path)}, {}, None).settings
    assert demo.demo_settings(usual, tmp_path).frame_seconds == demo.FRAME_SECONDS
    higher = usual.model_copy(update={"frame_seconds": 7200.0})
    assert demo.demo_settings(higher, tmp_path).frame_seconds == 7200.0


def test_the_demos_lease_is_long_enough_for_its_frame(tmp_path: Path) -> None:
    """fault_308: also for a worker that its creator has not paid, which stops at a quarter of it."""
    settings = demo.demo_settings(load({"home": str(tmp_path)}, {}, None).settings, tmp_path)
    frame = settings.frame_seconds + settings.loading_seconds
    needed = shortest_lease(frame, settings.loading_seconds, reserve(960, 540), settings.release_fee_share)
    assert demo.OFFER.lease_seconds is not None
    assert demo.OFFER.lease_seconds >= max(needed, 4 * frame)
