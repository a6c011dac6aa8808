"""A worker that is killed at any point and restarted finishes as without the interruption."""

from __future__ import annotations

import signal

import pytest
from tests.e2e.embedded import REWARD_FRI, WAIT_SECONDS, Embedded, wait_for

from veriframe.model.attempt.attempt import Stage

pytestmark = pytest.mark.slow

WAY = ("SEEN", "FETCHED", "CHECKED", "CLAIMED", "RENDERED", "VALIDATED", "STORED", "SUBMITTED")


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "not noted"])
@pytest.mark.parametrize("stage", WAY)
def test_kill_9_at_any_stage(embedded: Embedded, stage: str, noted: bool) -> None:
    """fault_73: one claim, one submission, one pay; nothing is charged twice, and no file is left behind."""
    before_fri = embedded.funds("worker").wallet_fri
    embedded.post()
    assert embedded.run({"die": stage, "noted": noted}, "worker", "--once") == -signal.SIGKILL
    again = embedded.start({}, "worker")
    wait_for(lambda: embedded.stages() == [Stage.SUBMITTED])
    embedded.accept_all()
    wait_for(lambda: embedded.stages() == [Stage.PAID])
    again.send_signal(signal.SIGTERM)
    assert again.wait(WAIT_SECONDS) == 0, embedded.log()
    events = embedded.events()
    assert (events["JobClaimed"], events["ResultSubmitted"], events["JobPaid"]) == (1, 1, 1)
    assert events["JobReleased"] == events["ClaimLapsed"] == 0
    funds = embedded.funds("worker")
    assert funds.wallet_fri + funds.credit_fri == before_fri + REWARD_FRI
    assert embedded.audit().discrepancies == ()
    # Only a render whose end is not in the journal is repeated.
    assert embedded.renders() == {1: 2 if (stage, noted) == ("RENDERED", False) else 1}
    work = embedded.home / "workers" / "worker" / "work"
    assert list((work / "jobs").iterdir()) == []
