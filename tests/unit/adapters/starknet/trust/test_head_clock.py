"""A node's time is trusted only near this machine's, and only while it advances."""

from __future__ import annotations

import pytest
import structlog

from veriframe.adapters.starknet.trust.head_clock import HeadClock
from veriframe.errors import RegistryUnavailable
from veriframe.model.registry.job import Head

NOW = 1_800_000_000
SKEW = 600


class Clocks:
    """This machine's two clocks."""

    def __init__(self) -> None:
        self.passed = 0.0

    def clock(self, skew_seconds: float = SKEW) -> HeadClock:
        """A head clock that uses them."""
        return HeadClock(skew_seconds, clock=lambda: NOW + self.passed, steady=lambda: self.passed)


@pytest.mark.parametrize("off", [-SKEW, -1, 0, SKEW])
def test_a_time_near_this_machine_s_is_trusted(off: int) -> None:
    """Blocks are some seconds old, and clocks differ slightly."""
    assert Clocks().clock().note(Head(1, NOW + off)) == ""


@pytest.mark.parametrize("off", [-SKEW - 1, SKEW + 1, -(10**9), 10**15])
def test_a_time_far_from_this_machine_s_is_reported(off: int) -> None:
    """fault_98: the message has both times, the setting, and the remedy: NTP or another node."""
    clock = Clocks().clock()
    with pytest.raises(
        RegistryUnavailable, match=r"2027-01-15 08:00:00 UTC.*clock_skew_seconds.*NTP.*STARKNET"
    ):
        clock.require_right(Head(1, NOW + off))


@pytest.mark.parametrize(("blocks", "seconds"), [(0, 0), (0, 7), (1, 0)])
def test_a_head_that_stands_still_is_reported(blocks: int, seconds: int) -> None:
    """fault_98: the node answers, but number, time or both are frozen."""
    sender = Clocks()
    clock = sender.clock()
    faults = []
    for look in range(100):
        faults.append(clock.note(Head(5 + blocks * look, NOW + seconds * look)))
        sender.passed += 7
    assert faults[:80] == [""] * 80
    assert "clock_skew_seconds" in faults[-1]


def test_a_chain_that_advances_is_trusted_again() -> None:
    """It is logged once at the start and once at the end."""
    sender = Clocks()
    clock = sender.clock()
    with structlog.testing.capture_logs() as lines:
        clock.note(Head(1, NOW))
        sender.passed = SKEW + 1
        assert clock.note(Head(1, NOW))
        assert clock.note(Head(1, NOW))
        assert clock.note(Head(2, NOW + SKEW)) == ""
    assert [line["event"] for line in lines] == ["chain_time_doubtful", "chain_time_believed"]


def test_a_pause_between_polls_is_not_a_standstill() -> None:
    """After a day without polls, the chain has advanced."""
    sender = Clocks()
    clock = sender.clock()
    clock.note(Head(1, NOW))
    sender.passed = 86_400
    assert clock.note(Head(2, NOW + 86_400)) == ""


def test_a_development_chain_s_time_is_free() -> None:
    """With 0 nothing is checked: tests jump by days."""
    clock = Clocks().clock(0)
    for at in (0, NOW, NOW * 2):
        clock.require_right(Head(1, at))
