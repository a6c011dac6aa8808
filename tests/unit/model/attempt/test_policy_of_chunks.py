"""The claim policy for chunks: pay for each frame, leases by limits and by what was seen here."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tests.unit.model.attempt.test_policy import ME, NOW, POLICY, a_job

from veriframe.model.attempt import lease
from veriframe.model.attempt.pace import Pace
from veriframe.model.attempt.policy import Policy
from veriframe.model.rendering.frames import ImageFormat, Region, RenderTask
from veriframe.model.rendering.overrides import Overrides
from veriframe.model.rendering.sizes import most_bytes

CHUNK = RenderTask(frames=tuple(range(10)), size=(640, 360), has_thumbnail=True, frame_seconds=30.0)


def test_the_least_reward_for_a_frame() -> None:
    """The minimum itself is taken, a fri less for the job is not. Unknown tasks are not judged."""
    policy = replace(POLICY, minimum_frame_reward_fri=10)
    assert policy.objection(a_job(reward_fri=100), NOW, CHUNK) == ""
    assert "minimum_frame_reward_strk" in policy.objection(a_job(reward_fri=99), NOW, CHUNK)
    assert policy.objection(a_job(reward_fri=9), NOW) == ""


def test_a_tile_is_a_part_of_a_frame() -> None:
    """A quarter of the pixels for a quarter of the reward."""
    region = Region(left=0, top=0, width=320, height=180)
    tile = replace(CHUNK, frames=(1,), region=region)
    policy = replace(POLICY, minimum_frame_reward_fri=100)
    assert policy.task_objection(a_job(reward_fri=25), tile) == ""
    assert policy.task_objection(a_job(reward_fri=24), tile) != ""


def test_the_bundles_limit_counts_if_it_is_shorter() -> None:
    """30 s for each of ten frames; a limit above this worker's own changes nothing."""
    shortest = POLICY.shortest_lease(10, CHUNK)
    assert shortest == math.ceil(60 + 10 * 30 + POLICY.reserve(CHUNK).seconds)
    unlimited = POLICY.shortest_lease(10, replace(CHUNK, frame_seconds=None))
    assert POLICY.shortest_lease(10, replace(CHUNK, frame_seconds=10_000.0)) == unlimited
    assert unlimited == shortest + 10 * 270


def test_a_late_failure_costs_a_share_of_the_bond() -> None:
    """fault_127: unless the creator has paid for more; a single frame is stopped as ever."""
    assert POLICY.fee_share(CHUNK) == POLICY.release_fee_share
    backed = POLICY.towards(is_backed=True)
    assert backed.fee_share(CHUNK) == 1
    assert backed.fee_share(replace(CHUNK, frames=(1,))) == backed.fee_share(None) == POLICY.release_fee_share
    assert POLICY.fee_share(replace(CHUNK, frames=(1,))) == POLICY.fee_share(None) == POLICY.release_fee_share


@pytest.mark.parametrize(
    ("seconds", "is_left"), [(30.0, False), (200.0, False), (400.0, True), (math.inf, True)]
)
def test_a_chunk_that_is_too_slow_here_is_left(seconds: float, is_left: bool) -> None:
    """fault_117: by the slowest frame seen so far, waits included."""
    pace = Pace(seconds, loading_seconds=5)
    assert bool(POLICY.towards(is_backed=True).objection(a_job(), NOW, CHUNK, pace)) is is_left
    # For other creators a render ends after half of the lease.
    half = Pace(seconds / 2, loading_seconds=5)
    assert bool(POLICY.objection(a_job(), NOW, CHUNK, half)) is is_left
    assert POLICY.objection(a_job(), NOW, CHUNK) == ""


def test_a_claim_that_waits_for_a_renderer_needs_a_longer_lease() -> None:
    """fault_321: by the limits of its frames, so that none of them is stopped for it."""
    backed = POLICY.towards(is_backed=True)
    shortest = backed.shortest_lease(10, CHUNK)
    assert backed.shortest_lease(10, CHUNK, 100.0) == shortest + 100
    job = a_job(lease_seconds=shortest + 100)
    assert backed.task_objection(job, CHUNK, Pace(1.0), 100.0) == ""
    assert backed.task_objection(job, CHUNK, Pace(1.0), 101.0) != ""
    # A creator who has not paid: it is loaded, at least, before its release costs more than half.
    kept = POLICY.reserve(CHUNK)
    assert POLICY.shortest_lease(10, CHUNK, 1000.0) == math.ceil(2 * (1060 + kept.decoding + kept.sending))


@pytest.mark.parametrize("frames", [1, 10])
def test_what_a_claim_waits_counts_at_the_pace_seen_here(frames: int) -> None:
    """fault_321: half of the lease is for the wait and the render, so that a release costs no more."""
    task = replace(CHUNK, frames=tuple(range(frames)))
    kept = POLICY.reserve(task)
    most = 0.5 * 3600 - kept.decoding - kept.sending
    pace = Pace(5.0, loading_seconds=60)
    assert POLICY.task_objection(a_job(), task, pace, most - pace.seconds(frames)) == ""
    assert POLICY.task_objection(a_job(), task, pace, most - pace.seconds(frames) + 1) != ""


def test_a_chunk_may_not_take_long_by_its_limits() -> None:
    """fault_127: for a creator who has not paid, a thousand frames may not burn days in one chunk."""
    policy = replace(POLICY, new_creator_chunk_seconds=360.0, chunk_seconds=720.0)
    long = replace(CHUNK, frames=tuple(range(11)))
    assert policy.task_objection(a_job(), CHUNK) == ""
    assert "(new_creator_chunk_seconds, as its creator" in policy.task_objection(a_job(), long)
    backed = policy.towards(is_backed=True)
    assert backed.task_objection(a_job(), replace(CHUNK, frames=tuple(range(22)))) == ""
    assert "12m (chunk_seconds)" in backed.task_objection(a_job(), replace(CHUNK, frames=tuple(range(23))))
    assert replace(policy, chunk_seconds=300.0).task_objection(a_job(), CHUNK).endswith("5m (chunk_seconds)")
    # A single frame has the operator's own limit.
    still = replace(CHUNK, frames=(1,), frame_seconds=None)
    assert replace(policy, new_creator_chunk_seconds=1.0).task_objection(a_job(), still) == ""


def test_the_default_order_is_taken() -> None:
    """Three frames of five minutes each, in an hour's lease; not a thousand in a lease of ten days."""
    task = replace(CHUNK, frames=(1, 2, 3), frame_seconds=None)
    assert Policy(account=ME).objection(a_job(), NOW, task) == ""
    thousand = replace(CHUNK, frames=tuple(range(1000)), frame_seconds=None)
    for is_backed in (False, True):
        policy = Policy(account=ME).towards(is_backed)
        assert "chunk_seconds" in policy.objection(a_job(lease_seconds=10 * 86400), NOW, thousand)


def test_the_reserve_of_a_folder_has_all_its_files() -> None:
    """Proofs count, and every frame; no more frames are decoded at the end than wait for it."""
    kept = POLICY.reserve(CHUNK)
    assert kept.upload == pytest.approx(most_bytes(CHUNK) / lease.FOLDER_BYTES_A_SECOND)
    assert POLICY.reserve(replace(CHUNK, has_proof=True)).upload > 5 * kept.upload
    assert kept.decoding == lease.FRAMES_AT_ONCE * lease.decoding_seconds(640, 360)
    bare = POLICY.reserve(RenderTask(size=(640, 360)))
    assert bare == lease.reserve(640, 360)


@pytest.mark.parametrize(
    ("change", "pixel_bytes"),
    [
        ({}, 9),
        ({"format": ImageFormat.EXR}, 16),
        ({"format": ImageFormat.EXR, "overrides": Overrides(color_depth=16)}, 8),
        ({"format": ImageFormat.MULTILAYER, "overrides": Overrides(passes=("z", "mist"))}, 48),
        ({"format": ImageFormat.MULTILAYER, "is_denoised_later": True}, 48),
        ({"has_proof": True}, 57),
    ],
)
def test_the_most_bytes_of_a_result(change: dict[str, object], pixel_bytes: int) -> None:
    """Without compression, for each pixel and frame."""
    task = replace(CHUNK, **change)  # type: ignore[arg-type]
    pixels = 10 * 640 * 360 * pixel_bytes
    assert pixels < most_bytes(task) < 1.01 * pixels + 10 * 2**19
