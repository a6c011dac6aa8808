"""An arbiter's disputes in words and for scripts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.arbiter.bench import Bench

from veriframe.arbiter.outcome import Outcome, OutcomeKind
from veriframe.cli.arbiter import dispute_view
from veriframe.model.registry.job import Job, JobState, Verdict
from veriframe.model.registry.job_status import JobStatus
from veriframe.ports.registry import read_job


@pytest.fixture
async def job(tmp_path: Path) -> Job:
    """A disputed job."""
    bench = Bench(tmp_path)
    return await read_job(bench.creator, await bench.disputed())


def outcome(job: Job, kind: OutcomeKind, verdict: Verdict | None = None) -> Outcome:
    """What became of it, 100 s before the end of its arbitration."""
    status = JobStatus(job, job.arbitration_end - 100)
    state = JobState.REFUNDED if verdict is Verdict.CREATOR else JobState.PAID
    after = replace(status, job=replace(job, state=state)) if kind is OutcomeKind.RESOLVED else None
    cid = "bafy" if after else ""
    return Outcome(kind=kind, status=status, verdict=verdict, reason="A reason.", report_cid=cid, after=after)


@pytest.mark.parametrize(
    ("kind", "verdict", "words"),
    [
        (
            OutcomeKind.RESOLVED,
            Verdict.CREATOR,
            "Job 1 is REFUNDED: .* is burned. A reason. .* bafy",
        ),
        (OutcomeKind.RESOLVED, Verdict.WORKER, "Job 1 is PAID: .* went to the worker .* A reason."),
        (OutcomeKind.JUDGED, Verdict.CREATOR, "would be decided for the creator. A reason. A dry run"),
        (
            OutcomeKind.UNDECIDED,
            None,
            "cannot be decided here: A reason. .*in 1m40s.* job resolve 1 --verdict",
        ),
        (OutcomeKind.REFUSED, None, "is not decided: A reason. .*again.*in 1m40s"),
        (OutcomeKind.OVER, None, "is DISPUTED: its arbitration is over, and nothing was sent"),
    ],
)
def test_each_outcome_is_a_sentence(job: Job, kind: OutcomeKind, verdict: Verdict | None, words: str) -> None:
    """With the remedy, and the time for it."""
    found = outcome(job, kind, verdict)
    assert re.search(words, dispute_view.sentence(found)), dispute_view.sentence(found)
    told = dispute_view.as_object(found)
    assert (told["job_id"], told["outcome"]) == (1, kind.value)
    assert told["verdict"] == (verdict.value if verdict else None)
    assert told["state"] == (found.after.job.state.value if found.after else "DISPUTED")


def test_a_dispute_is_listed_with_its_money_and_its_end(job: Job) -> None:
    """So that its arbiter knows what waits."""
    listed = dispute_view.listed(job, job.arbitration_end - 100)
    assert "Job 1 is disputed" in listed
    assert "in 1m40s" in listed
