"""How much of the processors other programs use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from veriframe.adapters.blender.sandbox.limits.others import WINDOW, OtherPrograms, Ticks


def of(*measured: Ticks) -> OtherPrograms:
    """Others with these measurements, one after the other."""
    waiting: Iterator[Ticks] = iter(measured)
    return OtherPrograms(lambda: next(waiting))


@pytest.mark.parametrize(
    ("after", "share"),
    [
        ((1000, 0, 0), 0.0),
        ((1000, 600, 0), 0.6),
        ((1000, 600, 600), 0.0),
        ((1000, 900, 500), 0.4),
        ((1000, 500, 700), 0.0),  # measured a moment later
        ((1000, 500, -200), 0.5),  # a process of ours has ended unnoticed
        ((0, 0, 0), 0.0),
    ],
)
def test_our_own_processes_do_not_count(after: Ticks, share: float) -> None:
    """Only what is left of the processors' work is that of others."""
    assert of((0, 0, 0), after).share() == pytest.approx(share)


def test_a_render_that_ends_is_not_taken_for_others() -> None:
    """fault_201: its ticks are gone, but all that it worked in the window was ours."""
    worked = [(1000 * n, 900 * n, 900 * n) for n in range(WINDOW)]
    others = of(*worked, (1000 * WINDOW, 900 * WINDOW, 50))
    shares = [others.share() for _ in range(WINDOW)]
    assert shares[:-1] == pytest.approx([0.0] * (WINDOW - 1))
    assert shares[-1] <= 0.9 / WINDOW + 1e-9


def test_the_share_is_a_mean_over_the_last_calls() -> None:
    """A short burst counts little, and is forgotten."""
    burst = [(0, 0, 0), (100, 100, 0), *((100 + 100 * n, 100, 0) for n in range(1, WINDOW + 1))]
    others = of(*burst)
    shares = [others.share() for _ in range(WINDOW + 1)]
    assert shares == sorted(shares, reverse=True)
    assert [shares[0], shares[WINDOW - 1], shares[WINDOW]] == pytest.approx([1, 1 / WINDOW, 0])


def test_this_machine_is_measured() -> None:
    """Our own work is not that of others."""
    others = OtherPrograms()
    assert 0.0 <= others.share() <= 1.0
