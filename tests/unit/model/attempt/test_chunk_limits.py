"""Limits of frames and leases of chunks: what is suggested is what workers take."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.renderer import INSPECTION

from veriframe.model.attempt.chunk_limits import (
    LEAST_SECONDS,
    LONGEST_CHUNK_SECONDS,
    RELEASE_FEE_SHARE,
    SLOWER,
    frame_limit,
    is_too_long,
    lease_of,
    shortest_lease,
    with_frame_limit,
)
from veriframe.model.attempt.policy import Policy
from veriframe.model.bundle.chunks import task_of
from veriframe.model.bundle.estimate import Estimate
from veriframe.model.bundle.job_file import Bundle, Split
from veriframe.model.registry.job import Address, Job, Order, Terms
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.rendering.scene import SceneInspection
from veriframe.settings import Settings

FULL_HD = (1920, 1080)


def bundle(frames: int) -> Bundle:
    """A bundle of one chunk."""
    return Bundle(scene="a.blend", blender="4.5", frames=tuple(range(1, frames + 1)), chunk=frames)


def estimate(frames: int, seconds: float) -> Estimate:
    """So many frames, each of which takes this long."""
    return Estimate(
        frames=frames,
        frame_seconds=seconds,
        error_seconds=0.2 * seconds,
        loading_seconds=1.0,
        chunk=frames,
        lease_seconds=3600,
        price_fri=None,
    )


def job(lease_seconds: int, jobs: int = 1) -> Job:
    """A job with usual terms."""
    terms = Terms(
        reward_fri=10**18,
        bond_fri=10**17,
        deadline=10**9 + 86400,
        lease_seconds=lease_seconds,
        review_seconds=3600,
        arbitration_seconds=3600,
    )
    order = Order(
        id=1, creator=Address(5), asset_cid="a", terms=terms, first_job=1, jobs=jobs, created_at=10**9
    )
    return Job(id=1, order=order, part=0)


def objection(bundle: Bundle, inspection: SceneInspection, lease_seconds: int) -> str:
    """What a worker with default settings says of the first chunk."""
    task = replace(task_of(bundle, 0, inspection), frame_seconds=bundle.frame_seconds)
    return Policy(account=Address(7)).objection(job(lease_seconds), 10**9, task)


@pytest.mark.parametrize(("frames", "seconds"), [(1, 200.0), (8, 60.0), (24, 20.0), (250, 0.4), (1000, 0.1)])
@pytest.mark.parametrize("size", [(160, 90), FULL_HD])
def test_workers_take_what_is_suggested(frames: int, seconds: float, size: tuple[int, int]) -> None:
    """fault_207: a chunk of many light frames, too, although five minutes for each would take a day."""
    posted = bundle(frames)
    lease = lease_of(posted, size, estimate(frames, seconds))
    limited = with_frame_limit(posted, size, lease)
    inspection = replace(INSPECTION, width=size[0], height=size[1])
    assert objection(limited, inspection, lease) == ""
    limit = limited.frame_seconds or RenderLimits().frame_seconds
    assert limit >= min(SLOWER * 1.2 * seconds, 300.0) - 0.1


def test_without_a_limit_a_long_chunk_is_left() -> None:
    """Which is what the limit is for."""
    assert "lease" in objection(bundle(11), INSPECTION, 3300)
    assert "chunk_seconds" in objection(bundle(24), INSPECTION, 86400)
    assert (is_too_long(bundle(11)), is_too_long(bundle(12))) == (False, True)
    assert shortest_lease(bundle(24), FULL_HD) > 7200
    assert shortest_lease(replace(bundle(24), frame_seconds=10.0), FULL_HD) < 3600


def test_a_bundle_that_needs_no_limit_stays_as_it_is() -> None:
    """So that its folder need not be changed; nor is a limit of the creator's replaced."""
    assert with_frame_limit(bundle(3), FULL_HD, 3600) == bundle(3)
    given = replace(bundle(24), frame_seconds=7.0)
    assert with_frame_limit(given, FULL_HD, 3600) is given


def test_a_limit_keeps_a_chunk_within_the_limit_for_chunks() -> None:
    """However long its lease is; a lease is long enough that no render is stopped for its fee."""
    limited = with_frame_limit(bundle(24), FULL_HD, 86400)
    assert limited.frame_seconds == frame_limit(bundle(24), FULL_HD, 86400) == pytest.approx(3540 / 24)
    assert objection(limited, INSPECTION, 86400) == ""
    assert not is_too_long(limited)
    assert lease_of(bundle(10), FULL_HD, estimate(10, 50.0)) > 4 * 10 * SLOWER * 60
    assert Settings().release_fee_share == RELEASE_FEE_SHARE
    assert Settings().new_creator_chunk_seconds == LONGEST_CHUNK_SECONDS


def test_a_lease_that_is_too_short_gets_no_limit() -> None:
    """Rather than one that every frame exceeds."""
    assert frame_limit(bundle(1000), FULL_HD, 600) < LEAST_SECONDS
    assert with_frame_limit(bundle(1000), FULL_HD, 600).frame_seconds is None


def test_the_tiles_of_a_still_are_single_frames() -> None:
    """Each job renders one."""
    still = Bundle(scene="a.blend", blender="4.5", split=Split(columns=2, rows=2))
    assert frame_limit(still, FULL_HD, 3600) > 3000
