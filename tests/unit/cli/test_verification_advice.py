"""What `veriframe verify` says a creator may do next."""

from __future__ import annotations

from pathlib import Path

import pytest

from veriframe.cli.verification.advice import advice
from veriframe.model.registry.job import NOBODY, Address, Job, JobState, Order, Terms
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.verification.findings import Conclusion

CREATOR, ARBITER = Address(1), Address(2)
REPORT = Path("report/verification.json")


def status(state: JobState = JobState.SUBMITTED, arbiter: Address = ARBITER, now: int = 0) -> JobStatus:
    """A job whose review ends at 3600."""
    terms = Terms(
        reward_fri=10,
        bond_fri=1,
        deadline=9000,
        lease_seconds=60,
        review_seconds=3600,
        arbitration_seconds=60,
        arbiter=arbiter,
    )
    order = Order(id=1, creator=CREATOR, asset_cid="a", terms=terms, first_job=7, jobs=1, created_at=0)
    return JobStatus(Job(id=7, order=order, part=0, state=state, review_end=3600), now)


@pytest.mark.parametrize("conclusion", [Conclusion.EXACT, Conclusion.EQUAL])
def test_right_results_are_paid_for(conclusion: Conclusion) -> None:
    """With the command."""
    assert advice(status(), conclusion, CREATOR, None) == "Pay for it: veriframe job accept 7"


@pytest.mark.parametrize("conclusion", [Conclusion.WRONG, Conclusion.WITHHELD])
def test_wrong_ones_are_disputed_in_time(conclusion: Conclusion) -> None:
    """With the report as evidence, and the time that is left."""
    told = advice(status(now=600), conclusion, CREATOR, REPORT)
    assert told.startswith(f"Dispute it: veriframe job dispute 7 --evidence {REPORT}. ")
    assert told.endswith("Otherwise its worker is paid in 50m.")
    without = advice(status(), conclusion, CREATOR, None)
    assert without.startswith(
        "Dispute it: veriframe job dispute 7. `veriframe verify 7 -o DIR` writes a report"
    )
    assert without.endswith("Otherwise its worker is paid in 1h.")
    assert "names no arbiter" in advice(status(arbiter=NOBODY), conclusion, CREATOR, REPORT)


def test_what_is_undecided_is_the_creators_to_look_at() -> None:
    """No command is named: either may be right."""
    assert advice(status(), Conclusion.UNDECIDED, CREATOR, REPORT).startswith("Look at it yourself")


@pytest.mark.parametrize(
    "told",
    [
        advice(status(), Conclusion.WRONG, Address(3), REPORT),
        advice(status(JobState.PAID), Conclusion.WRONG, CREATOR, REPORT),
        advice(status(now=3600), Conclusion.WRONG, CREATOR, REPORT),
    ],
)
def test_nothing_is_said_where_nothing_can_be_done(told: str) -> None:
    """To others than the creator, and after the review."""
    assert not told
