"""Jobs of foreign registries, derived from the few facts that their views return."""

from __future__ import annotations

from dataclasses import replace

import pytest

from veriframe.adapters.starknet.foreign.job import (
    LEASE_SECONDS,
    CurrentView,
    FixedFacts,
    MoveRecord,
    RegistryFeatures,
    build_job,
    cut,
)
from veriframe.model.attempt.policy import Policy
from veriframe.model.registry.job import NOBODY, Address, JobState
from veriframe.model.registry.ledger import TIME_MAX
from veriframe.model.rendering.frames import RenderLimits

OURS, THEIRS, NOW = Address(0xD), Address(0xE), 1_700_000_000
FACTS = FixedFacts(creator=Address(0xC), reward_fri=5, asset_cid="bafy", deadline=TIME_MAX)
NONE = MoveRecord(facts=FACTS)
CLAIM = replace(NONE, claimed_at=NOW)
SENDING = replace(CLAIM, result_cid="bafr")
TAKEN = replace(SENDING, is_submitted=True)
PLAIN = RegistryFeatures(account=OURS, has_claims=False, finalizes=False)
CLAIMS, FINAL = replace(PLAIN, has_claims=True), replace(PLAIN, finalizes=True)
HIDING = replace(PLAIN, shows_workers=False)
IDLE, MINE, ANOTHERS = CurrentView(), CurrentView(worker=OURS), CurrentView(worker=THEIRS)
OPEN, CLAIMED, SUBMITTED, PAID = JobState.OPEN, JobState.CLAIMED, JobState.SUBMITTED, JobState.PAID


@pytest.mark.parametrize(
    ("shown", "note", "features", "state", "worker"),
    [
        # the registry's state, without claims
        (IDLE, NONE, PLAIN, OPEN, NOBODY),
        (ANOTHERS, NONE, PLAIN, PAID, THEIRS),
        (replace(MINE, result_cid="bafr"), NONE, PLAIN, PAID, OURS),
        (replace(MINE, result_cid="bafr"), NONE, FINAL, SUBMITTED, OURS),
        (replace(ANOTHERS, result_cid=""), NONE, PLAIN, CLAIMED, THEIRS),
        # with claims
        (ANOTHERS, NONE, CLAIMS, CLAIMED, THEIRS),
        (replace(ANOTHERS, result_cid="bafr"), NONE, CLAIMS, PAID, THEIRS),
        (replace(ANOTHERS, is_completed=True), NONE, CLAIMS, PAID, THEIRS),
        (replace(MINE, is_completed=True), NONE, CLAIMS, PAID, OURS),
        # with a view of completion
        (replace(IDLE, is_completed=True), NONE, PLAIN, PAID, NOBODY),
        (replace(IDLE, is_completed=False), NONE, PLAIN, OPEN, NOBODY),
        (replace(ANOTHERS, is_completed=False), NONE, PLAIN, SUBMITTED, THEIRS),
        (replace(ANOTHERS, is_completed=True), NONE, FINAL, PAID, THEIRS),
        (replace(MINE, is_completed=True), NONE, FINAL, SUBMITTED, OURS),
        (replace(MINE, is_completed=True), replace(TAKEN, has_ended=True), FINAL, PAID, OURS),
        # our notes count until the registry shows a worker
        (IDLE, CLAIM, PLAIN, CLAIMED, OURS),
        (ANOTHERS, CLAIM, PLAIN, PAID, THEIRS),
        (ANOTHERS, TAKEN, PLAIN, PAID, THEIRS),
        (IDLE, TAKEN, HIDING, PAID, OURS),
        (IDLE, TAKEN, PLAIN, SUBMITTED, OURS),
        (IDLE, CLAIM, CLAIMS, OPEN, NOBODY),
        (IDLE, TAKEN, FINAL, SUBMITTED, OURS),
        (MINE, TAKEN, CLAIMS, PAID, OURS),
        (replace(IDLE, is_completed=True), CLAIM, PLAIN, PAID, NOBODY),
        # our result may have completed it: the sender will know
        (replace(IDLE, is_completed=True), SENDING, PLAIN, CLAIMED, OURS),
        (replace(IDLE, is_completed=True), TAKEN, PLAIN, PAID, OURS),
    ],
)
def test_the_state_follows_from_what_is_shown_and_noted(
    shown: CurrentView, note: MoveRecord, features: RegistryFeatures, state: JobState, worker: int
) -> None:
    """The registry's state counts first, then our notes."""
    job = build_job(7, note, shown, features, NOW)
    assert (job.state, job.worker, job.id) == (state, worker, 7)


@pytest.mark.parametrize(
    ("shown", "note", "result"),
    [
        (replace(MINE, result_cid="bafr"), NONE, "bafr"),
        (MINE, SENDING, "bafr"),
        (IDLE, TAKEN, "bafr"),
        (ANOTHERS, SENDING, "a result whose CID this registry does not show"),
    ],
)
def test_a_result_comes_from_the_registry_or_our_note(
    shown: CurrentView, note: MoveRecord, result: str
) -> None:
    """Our result never counts as another account's."""
    assert build_job(7, note, shown, PLAIN, NOW).result_cid == result


def test_an_open_job_is_acceptable_to_a_worker() -> None:
    """No bond, no review, and a long enough lease."""
    job = build_job(7, NONE, IDLE, PLAIN, NOW)
    assert Policy(account=OURS, limits=RenderLimits()).objection(job, NOW) == ""
    assert (job.terms.bond_fri, job.terms.review_seconds) == (0, 0)


def test_pay_at_the_deadline_is_a_wait() -> None:
    """fault_202: a reward that is due in years is not worked for, as long as pay comes by finalizing."""
    facts = replace(FACTS, deadline=NOW + 10**9)
    far = replace(NONE, facts=facts)
    policy = Policy(account=OURS, limits=RenderLimits())
    assert "maximum_wait_seconds" in policy.objection(build_job(7, far, IDLE, FINAL, NOW), NOW)
    assert policy.objection(build_job(7, far, IDLE, PLAIN, NOW), NOW) == ""
    near = replace(NONE, facts=replace(FACTS, deadline=NOW + 86400))
    assert policy.objection(build_job(7, near, IDLE, FINAL, NOW), NOW) == ""


def test_the_deadline_ends_the_lease_and_the_wait() -> None:
    """No claim at or after it; a claim lasts until then; payment is due from then on, or retried later."""
    facts = replace(FACTS, deadline=NOW + 100)
    assert not build_job(7, replace(NONE, facts=facts), IDLE, PLAIN, NOW).is_open(NOW + 100)
    claimed = build_job(7, replace(CLAIM, facts=facts), IDLE, PLAIN, NOW + 50)
    assert (claimed.claimed_at, claimed.lease_end) == (NOW, NOW + 100)
    assert build_job(7, CLAIM, IDLE, PLAIN, NOW).lease_end == NOW + LEASE_SECONDS
    note = replace(TAKEN, facts=facts)
    assert build_job(7, note, MINE, FINAL, NOW).review_end == NOW + 100
    assert build_job(7, replace(note, again_at=NOW + 200), MINE, FINAL, NOW).review_end == NOW + 200
    assert build_job(7, TAKEN, MINE, FINAL, NOW).review_end == 0


def test_a_job_without_finalizing_is_never_due() -> None:
    """It waits for the registry, and no move is retried."""
    job = build_job(7, TAKEN, replace(MINE, is_completed=False), PLAIN, NOW)
    assert (job.state, job.review_end) == (JobState.SUBMITTED, TIME_MAX)


def test_text_that_is_too_long_for_a_cid_is_truncated() -> None:
    """An untrusted megabyte is not stored; the rest is not a CID."""
    assert cut("b" * 1_000_000) == "b" * 128 + "…"
    long = replace(MINE, result_cid="b" * 1_000_000)
    assert build_job(7, NONE, long, PLAIN, NOW).result_cid == "b" * 128 + "…"
