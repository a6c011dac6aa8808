"""What is derived of a foreign registry's job from the little that its views tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from veriframe.adapters.starknet.foreign_job import LEASE_SECONDS, Facts, Standing, build_job
from veriframe.model.frames import RenderLimits
from veriframe.model.job import NOBODY, Address, JobState
from veriframe.model.ledger import TIME_MAX
from veriframe.model.policy import Policy

OURS, THEIRS, NOW = Address(0xD), Address(0xE), 1_700_000_000
FACTS = Facts(creator=Address(0xC), reward_fri=5, asset_cid="bafy", deadline=TIME_MAX)
IDLE = Standing(worker=NOBODY, result_cid="", account=OURS, claimed_at=None, has_claims=False, waits=False)


@pytest.mark.parametrize(
    ("standing", "state", "worker"),
    [
        (IDLE, JobState.OPEN, NOBODY),
        (replace(IDLE, claimed_at=NOW), JobState.CLAIMED, OURS),
        (replace(IDLE, worker=THEIRS), JobState.PAID, THEIRS),
        (replace(IDLE, worker=THEIRS, claimed_at=NOW), JobState.PAID, THEIRS),
        (replace(IDLE, worker=OURS, result_cid="bafr"), JobState.PAID, OURS),
        (replace(IDLE, worker=OURS, result_cid="bafr", waits=True), JobState.SUBMITTED, OURS),
        (replace(IDLE, worker=THEIRS, has_claims=True), JobState.CLAIMED, THEIRS),
        (replace(IDLE, worker=THEIRS, has_claims=True, result_cid="bafr"), JobState.PAID, THEIRS),
    ],
)
def test_the_state_follows_from_worker_and_result(standing: Standing, state: JobState, worker: int) -> None:
    """Our own note of a claim counts only until the registry shows a worker."""
    job = build_job(7, FACTS, standing, NOW)
    assert (job.state, job.worker, job.id) == (state, worker, 7)


def test_an_open_job_is_liked_by_a_worker() -> None:
    """No bond, no review, and a lease that is long enough."""
    job = build_job(7, FACTS, IDLE, NOW)
    assert Policy(account=OURS, limits=RenderLimits()).objection(job, NOW) == ""
    assert (job.terms.bond_fri, job.terms.review_seconds) == (0, 0)


def test_the_deadline_ends_the_lease_and_the_wait() -> None:
    """No claim at or after it; a claim runs until then; pay is due from then on."""
    facts = replace(FACTS, deadline=NOW + 100)
    assert not build_job(7, facts, IDLE, NOW).is_open(NOW + 100)
    claimed = build_job(7, facts, replace(IDLE, claimed_at=NOW), NOW + 50)
    assert (claimed.claimed_at, claimed.lease_end) == (NOW, NOW + 100)
    assert build_job(7, FACTS, replace(IDLE, claimed_at=NOW), NOW).lease_end == NOW + LEASE_SECONDS
    waiting = build_job(7, facts, replace(IDLE, worker=OURS, result_cid="bafr", waits=True), NOW)
    assert waiting.review_end == NOW + 100


def test_what_is_too_long_for_a_cid_is_cut() -> None:
    """A stranger's megabyte is not kept; what remains is no CID."""
    job = build_job(7, replace(FACTS, asset_cid="b" * 1_000_000), IDLE, NOW)
    assert job.order.asset_cid == "b" * 128 + "…"
