"""Ctrl-C: the first one stops what is under way, another one that comes much later ends the process."""

from __future__ import annotations

import pytest

from veriframe.interrupts import BOUNCE_SECONDS, Interrupts


class Ctrl:
    """Presses Ctrl-C at given times."""

    def __init__(self) -> None:
        self.now, self.ended, self.stopped = 0.0, 0, 0
        self.interrupts = Interrupts(lambda: self.now, self.end)

    def end(self) -> None:
        """Count instead of ending."""
        self.ended += 1

    def stop(self) -> None:
        """Count what would be stopped."""
        self.stopped += 1

    def press(self, now: float) -> None:
        """Press it."""
        self.now = now
        self.interrupts.receive(2, None)


def test_the_first_one_raises_and_those_right_after_it_do_not() -> None:
    """fault_107: two at once are one, so that what ends in order is not interrupted in that."""
    ctrl = Ctrl()
    with pytest.raises(KeyboardInterrupt):
        ctrl.press(5)
    ctrl.press(5)
    ctrl.press(5 + BOUNCE_SECONDS / 2)
    assert (ctrl.interrupts.received, ctrl.ended) == (True, 0)


def test_a_later_one_ends_the_process_at_once() -> None:
    """fault_107: what should end in order may hang."""
    ctrl = Ctrl()
    with ctrl.interrupts.stopping(ctrl.stop):
        ctrl.press(5)
        ctrl.press(5 + BOUNCE_SECONDS)
    assert (ctrl.stopped, ctrl.ended) == (1, 1)


def test_what_can_be_stopped_is_stopped_and_nothing_is_raised() -> None:
    """fault_107: an exception anywhere in an event loop would leave tasks behind. Later ones raise again."""
    ctrl = Ctrl()
    assert not ctrl.interrupts.received
    with ctrl.interrupts.stopping(ctrl.stop):
        ctrl.press(0)
        ctrl.press(0)
    assert ctrl.stopped == 1
    later = Ctrl()
    with later.interrupts.stopping(later.stop):
        pass
    with pytest.raises(KeyboardInterrupt):
        later.press(0)
    assert later.stopped == 0
