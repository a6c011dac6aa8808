"""Workers as processes: several at one time, and how they stop."""

from __future__ import annotations

import os
import signal

import pytest
from tests.e2e.embedded import REWARD_FRI, WAIT_SECONDS, Embedded, wait_for

from veriframe.model.attempt.attempt import Stage
from veriframe.model.registry.job import JobState

pytestmark = pytest.mark.slow

JOBS = 50
SLOW = {"seconds": 600.0}
"""A render that does not finish in time."""


@pytest.mark.parametrize("at_once", ["1", "64"])
def test_two_workers_share_fifty_jobs(embedded: Embedded, at_once: str) -> None:
    """fault_65: each job is claimed, rendered and submitted once, and the money adds up.

    Also if both have the same jobs ahead: one claims each, and the other loses nothing.
    """
    settings = ("--set", f"new_creator_jobs={at_once}")
    embedded.post(jobs=JOBS)
    before_fri = {name: sum_fri(embedded, name) for name in ("one", "two")}
    both = [
        embedded.start({"seconds": 0.02}, *settings, "worker", "--once", "--slots", "2", account=name)
        for name in before_fri
    ]
    for process, name in zip(both, before_fri, strict=True):
        assert process.wait(WAIT_SECONDS) == 0, embedded.log(name)
    assert [job.state for job in embedded.jobs()] == [JobState.SUBMITTED] * JOBS
    assert embedded.renders() == dict.fromkeys(range(1, JOBS + 1), 1)
    events = embedded.events()
    assert (events["JobClaimed"], events["ResultSubmitted"]) == (JOBS, JOBS)
    done = {name: embedded.stages(name).count(Stage.SUBMITTED) for name in before_fri}
    assert sum(done.values()) == JOBS
    assert min(done.values()) > 0
    embedded.accept_all()
    assert embedded.audit().discrepancies == ()
    earned_fri = {name: sum_fri(embedded, name) - before_fri[name] for name in before_fri}
    assert earned_fri == {name: count * REWARD_FRI for name, count in done.items()}
    lost = [stage for name in before_fri for stage in embedded.stages(name) if stage is not Stage.SUBMITTED]
    assert set(lost) <= {Stage.LOST}


def sum_fri(embedded: Embedded, account: str) -> int:
    """The sum of an account's money outside escrow."""
    funds = embedded.funds(account)
    return funds.wallet_fri + funds.credit_fri


def test_sigterm_finishes_the_claimed_job(embedded: Embedded) -> None:
    """fault_74: during a render, which is then submitted; no other is started; exit code 0."""
    embedded.post(jobs=3)
    process = embedded.start({"seconds": 1.0}, "worker")
    wait_for(lambda: Stage.CLAIMED in embedded.stages())
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_SECONDS) == 0, embedded.log()
    assert embedded.stages() == [Stage.SUBMITTED]
    assert embedded.events()["JobClaimed"] == 1
    assert '"event": "worker_stopping"' in embedded.log()
    assert "Traceback" not in embedded.log()


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_at_once(embedded: Embedded, first: signal.Signals) -> None:
    """fault_75: exit code 130, and a restart resumes the same claim."""
    embedded.post()
    process = embedded.start(SLOW, "worker")
    wait_for(lambda: Stage.CLAIMED in embedded.stages())
    process.send_signal(first)
    wait_for(lambda: "worker_drains" in embedded.log())
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130
    assert embedded.stages() == [Stage.CLAIMED]
    assert "Traceback" not in embedded.log()
    assert embedded.run({}, "worker", "--once") == 0
    assert embedded.stages() == [Stage.SUBMITTED]
    assert embedded.events()["JobClaimed"] == 1


def test_a_signal_before_the_first_job_ends_it(embedded: Embedded) -> None:
    """There is nothing to finish: exit code 0 at once. `nice` holds for all that it would have started."""
    process = embedded.start({}, "--set", "nice=7", "worker")
    wait_for(lambda: "worker_started" in embedded.log())
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 7
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    assert "Traceback" not in embedded.log()


def test_a_second_worker_of_the_same_account_is_refused(embedded: Embedded) -> None:
    """fault_49: exit code 2 and one clear line; the first continues, and another account works, too."""
    embedded.post()
    first = embedded.start(SLOW, "worker")
    wait_for(lambda: Stage.CLAIMED in embedded.stages())
    said = len(embedded.log())
    assert embedded.run({}, "worker", "--once") == 2
    answer = embedded.log()[said:]
    assert f"Another worker (process {first.pid}) runs for the account worker." in " ".join(answer.split())
    assert "Traceback" not in answer
    assert first.poll() is None
    assert embedded.run({}, "worker", "--once", account="other") == 0


def test_a_damaged_journal_is_not_replaced(embedded: Embedded) -> None:
    """fault_76: exit code 2, one line with the remedy, and no claim."""
    embedded.post()
    journal = embedded.home / "workers" / "worker" / "journal.sqlite"
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert embedded.run({}, "worker", "--once") == 2
    assert "is damaged" in " ".join(embedded.log().split())
    assert "Traceback" not in embedded.log()
    assert embedded.events()["JobClaimed"] == 0


def test_a_worker_waits_for_an_unavailable_registry(embedded: Embedded) -> None:
    """fault_58: it logs the reason; when the registry is back, the job is rendered."""
    embedded.post()
    registry = embedded.home / "registry.sqlite"
    registry.chmod(0o000)
    away = embedded.home / "away"
    registry.rename(away)
    registry.mkdir()
    process = embedded.start({}, "worker", "--once")
    wait_for(lambda: '"event": "waiting"' in embedded.log())
    registry.rmdir()
    away.chmod(0o600)
    away.rename(registry)
    assert process.wait(WAIT_SECONDS) == 0, embedded.log()
    assert embedded.stages() == [Stage.SUBMITTED]
