"""What is promised about costs: the measuring fails where a promise does not hold."""

from __future__ import annotations

import pytest
from tools.fee_lifecycles import JOBS, Spent, promises


def ways(single: float, plural: float) -> dict[str, dict[str, Spent]]:
    """A worker's hundred jobs at so many million L2 gas a job: one by one, in multicalls, in plural calls."""
    each = {"one by one": single, "calls": single, "plural": plural}
    return {name: {"claim": Spent(int(gas * JOBS * 10**6), 0)} for name, gas in each.items()}


@pytest.mark.parametrize(
    ("ratio", "single", "plural", "broken"),
    [
        (79.9, 5.0, 2.0, "one order of 100 jobs"),
        (100, 6.01, 2.0, "at most 6 million"),
        (100, 5.0, 2.51, "in plural calls of 10"),
    ],
)
def test_a_broken_promise_fails(ratio: float, single: float, plural: float, broken: str) -> None:
    """Each of them, with what was found."""
    with pytest.raises(SystemExit, match=broken):
        promises(ratio, ways(single, plural))


def test_kept_promises_are_told_with_their_figures() -> None:
    """At the very bounds, they hold."""
    assert "(1/80)" in promises(80, ways(6.0, 3.0))[0]
