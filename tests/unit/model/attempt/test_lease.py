"""The division of a lease: the share of every step, and the cost of a release at its end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.model.attempt import lease
from veriframe.model.attempt.lease import Lease, Reserve
from veriframe.model.attempt.policy import Policy
from veriframe.model.registry.escrow import release_fee_fri
from veriframe.model.registry.job import Address, Job, JobState, Order, Terms
from veriframe.model.registry.offer import LEASE_SECONDS
from veriframe.model.rendering.frames import RenderLimits, RenderTask

CLAIMED_AT, BOND = 1_700_000_000, 1000
KEPT = Reserve(decoding=5, upload=17, sending=10)
POLICY = Policy(account=Address(1), limits=RenderLimits(frame_seconds=300, loading_seconds=60))


def a_lease(seconds: int, held: int = 0, kept: Reserve = KEPT, share: float = 1.0) -> Lease:
    """A lease of `seconds`, of which `held` are over."""
    return Lease(
        claimed_at=CLAIMED_AT,
        end=CLAIMED_AT + seconds,
        now=CLAIMED_AT + held,
        kept=kept,
        fee_share=share,
    )


def a_job(lease_seconds: int, bond_fri: int = BOND) -> Job:
    """A claimed job."""
    terms = Terms(
        reward_fri=10_000,
        bond_fri=bond_fri,
        deadline=CLAIMED_AT + 1,
        lease_seconds=lease_seconds,
        review_seconds=60,
        arbitration_seconds=60,
    )
    order = Order(
        id=1,
        creator=Address(2),
        asset_cid="bafy",
        terms=terms,
        first_job=1,
        jobs=1,
        created_at=CLAIMED_AT,
    )
    end = CLAIMED_AT + lease_seconds
    return Job(
        id=1,
        order=order,
        part=0,
        state=JobState.CLAIMED,
        worker=Address(1),
        claimed_at=CLAIMED_AT,
        lease_end=end,
    )


def test_each_step_reserves_only_the_time_of_later_steps() -> None:
    """fault_86: a frame that is finished at the last moment can still be decoded, stored and submitted."""
    rendered = a_lease(400)
    assert rendered.render_until - rendered.now == 400 - 32
    assert a_lease(400, held=368).decoding_seconds == 5
    assert a_lease(400, held=373).upload_seconds == 17
    assert a_lease(400, held=390).upload_seconds == 0


def test_a_release_costs_half_of_the_bond_at_most() -> None:
    """fault_86: a render under a lease of 400 s ends when its release, once sent, costs half."""
    started = a_lease(400, share=0.5)
    assert started.render_until == CLAIMED_AT + 200 - 10 - 5
    assert a_lease(400, held=185, share=0.5).decoding_seconds == 5
    assert a_lease(400, held=100, share=0.5).waiting_seconds == 90


def test_a_late_start_has_what_is_left() -> None:
    """After an interruption the bound is exceeded already, and a submission returns the bond."""
    assert a_lease(400, held=300, share=0.5).render_until == CLAIMED_AT + 368
    assert a_lease(400, held=300, share=0.5).waiting_seconds == 90


def test_without_a_bond_nothing_is_cut_early() -> None:
    """There is no fee to limit."""
    assert lease.lease_of(a_job(400, bond_fri=0), CLAIMED_AT, KEPT, 0.5).render_until == CLAIMED_AT + 368
    assert lease.lease_of(a_job(400), CLAIMED_AT, KEPT, 0.5).render_until == CLAIMED_AT + 185


@given(
    seconds=st.integers(60, 10**6),
    share=st.floats(0.1, 1),
    width=st.integers(1, 8000),
    height=st.integers(1, 8000),
)
def test_a_render_that_ends_in_time_never_costs_more(
    seconds: int, share: float, width: int, height: int
) -> None:
    """fault_86: including decoding and the release, for every lease under which a render starts."""
    kept = lease.reserve(width, height)
    started = a_lease(seconds, kept=kept, share=share)
    if started.give_up_at - kept.decoding <= CLAIMED_AT:
        return
    released_at = int(started.render_until + kept.decoding + kept.sending)
    assert released_at < started.end
    assert release_fee_fri(a_job(seconds), released_at) <= -(-BOND * max(share, 0.1) // 1) + 1


def test_a_lease_is_judged_by_the_pictures_size() -> None:
    """fault_86: a lease that suffices for a small picture does not for a large one, so it is not claimed."""
    small = a_job(400)
    assert POLICY.lease_objection(small, RenderTask(size=(64, 36))) == ""
    assert POLICY.lease_objection(small, RenderTask(size=(8000, 8000))) == (
        "its lease of 6m40s is shorter than the 12m5s that a job with 8000 × 8000 pixels may take"
    )
    slow = replace(POLICY, copies_seconds=30.0)
    assert slow.lease_objection(with_lease(small, 402), RenderTask(size=(64, 36))) != ""
    assert slow.lease_objection(with_lease(small, 403), RenderTask(size=(64, 36))) == ""


def with_lease(job: Job, seconds: int) -> Job:
    """The job with another lease."""
    terms = replace(job.terms, lease_seconds=seconds)
    return replace(job, order=replace(job.order, terms=terms))


def test_the_share_leaves_time_for_loading() -> None:
    """fault_86: if a release must stay cheap, the lease must leave time to load the scene."""
    quick = Policy(account=Address(1), limits=RenderLimits(frame_seconds=1, loading_seconds=60))
    assert quick.lease_objection(a_job(144), RenderTask(size=(64, 36))) != ""
    assert quick.lease_objection(a_job(145), RenderTask(size=(64, 36))) == ""
    assert quick.lease_objection(a_job(80, bond_fri=0), RenderTask(size=(64, 36))) == ""


def test_a_creators_own_lease_is_long_enough() -> None:
    """The default offer allows the largest picture, within an hour."""
    assert POLICY.lease_objection(a_job(LEASE_SECONDS), RenderTask(size=(8000, 8000))) == ""
    started = lease.lease_of(
        a_job(LEASE_SECONDS), CLAIMED_AT, POLICY.reserve(RenderTask(size=(8000, 8000))), 0.5
    )
    assert started.render_until - started.now >= 360


@pytest.mark.parametrize(
    ("width", "height", "measured"),
    [(1920, 1080, 1.01), (7680, 4320, 18.7), (1, 65536, 1.32), (65536, 30, 2.9), (30, 65536, 2.2)],
)
def test_the_slowest_picture_has_twice_its_time(width: int, height: int, measured: float) -> None:
    """fault_86: figures of `benchmarks/decoding.py` for 16-bit RGBA noise with Paeth's filter in each row."""
    assert lease.decoding_seconds(width, height) > 2 * measured
