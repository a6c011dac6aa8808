"""The promised limits of costs: the measurement fails if one is exceeded."""

from __future__ import annotations

import pytest
from tools.fee_lifecycles import JOBS, Spent, promises


def ways(single: float, plural: float) -> dict[str, dict[str, Spent]]:
    """A worker's 100 jobs at a cost in million L2 gas per job: one by one, in multicalls, in plural calls."""
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
    """Each of them, with the measured value."""
    with pytest.raises(SystemExit, match=broken):
        promises(ratio, ways(single, plural))


def test_kept_promises_are_printed_with_their_values() -> None:
    """The limits themselves are allowed."""
    assert "(1/80)" in promises(80, ways(6.0, 3.0))[0]
