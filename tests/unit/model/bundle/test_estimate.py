"""The estimate of an order: what probes tell, and what follows from it."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.model.bundle.estimate import (
    CHUNK_SECONDS,
    CHUNKS_IN_LEASE,
    PRICE_STEP_FRI,
    FrameCost,
    Probe,
    Work,
    cost_of,
    estimated,
    suggested_chunk,
)
from veriframe.model.registry.offer import LEASE_SECONDS

SECONDS = st.floats(0, 1e5)
LAW = FrameCost(fixed=3.0, by_pixel=2e-6, by_sample=5e-7)


def probe(law: FrameCost, pixels: int, samples: int, *, is_cold: bool = False) -> Probe:
    """What a render takes that follows the law exactly; only a cold one takes the fixed time."""
    seconds = law.seconds(pixels, samples) - (0 if is_cold else law.fixed)
    return Probe(frame=1, pixels=pixels, samples=samples, seconds=seconds)


def work(frames: int = 100, **changes: object) -> Work:
    """An order of pictures of a million pixels."""
    return Work(**{"frames": frames, "pixels": 10**6, "samples": 64, "loading_seconds": 5.0, **changes})  # type: ignore[arg-type]


def test_two_sizes_and_two_numbers_of_samples_tell_the_costs_apart() -> None:
    """A full frame takes what the law of the small ones says."""
    warm = [probe(LAW, 10_000, 8), probe(LAW, 10_000, 256), probe(LAW, 40_000, 8)]
    found = cost_of(probe(LAW, 10_000, 8, is_cold=True), warm)
    assert found.seconds(2_073_600, 256) == pytest.approx(LAW.seconds(2_073_600, 256))
    assert found.fixed == pytest.approx(LAW.fixed)


def test_all_samples_of_fewer_pixels_tell_what_a_frame_takes() -> None:
    """fault_307: adaptive sampling ends most pixels early, so that 64 samples say little of 512."""

    def seconds(pixels: int, samples: int) -> float:
        return 0.2 + pixels * (1e-6 + 4e-6 * min(samples, 40))

    def saturated(pixels: int, samples: int) -> Probe:
        return Probe(frame=1, pixels=pixels, samples=samples, seconds=seconds(pixels, samples))

    warm = [saturated(14_400, 8), saturated(3_600, 512), saturated(57_600, 8)]
    found = cost_of(saturated(14_400, 8), warm)
    assert found.seconds(10**6, 512) == pytest.approx(seconds(10**6, 512), rel=0.01)


def test_without_further_probes_all_is_fixed() -> None:
    """One render tells nothing about other sizes."""
    assert cost_of(probe(LAW, 10_000, 8, is_cold=True), []).seconds(10**6, 256) == pytest.approx(
        LAW.seconds(10_000, 8)
    )


@given(st.lists(SECONDS, min_size=4, max_size=4))
def test_no_measurement_makes_a_cost_negative(seconds: list[float]) -> None:
    """A larger picture that was faster by chance costs nothing more; it does not cost less."""
    sizes = [(10_000, 8), (10_000, 8), (10_000, 256), (40_000, 8)]
    cold, *warm = (
        Probe(frame=1, pixels=pixels, samples=samples, seconds=each)
        for (pixels, samples), each in zip(sizes, seconds, strict=True)
    )
    found = cost_of(cold, warm)
    assert min(found.fixed, found.by_pixel, found.by_sample) >= 0


def test_frames_between_two_probes_take_what_lies_between() -> None:
    """An order whose second half is heavy is not judged by its first frames."""
    costs = [(n, FrameCost(fixed=fixed, by_pixel=0, by_sample=0)) for n, fixed in ((1, 1), (51, 1), (101, 9))]
    found = estimated(costs, work(101))
    assert found.frame_seconds == pytest.approx((1 + 5) / 2)
    assert found.covers(found.frame_seconds + 1.9)
    assert not found.covers(found.frame_seconds * 3)


@given(st.floats(0.001, 5000), st.floats(0, 500), st.integers(1, 10_000))
def test_a_chunk_is_ten_minutes_of_work_and_a_tenth_of_its_lease_at_most(
    seconds: float, loading: float, frames: int
) -> None:
    """Unless a single frame takes longer."""
    found = estimated(
        [(1, FrameCost(fixed=seconds, by_pixel=0, by_sample=0))], work(frames, loading_seconds=loading)
    )
    assert 1 <= found.chunk <= frames
    assert found.chunk == 1 or found.chunk_seconds <= CHUNK_SECONDS * 1.001
    assert found.lease_seconds >= LEASE_SECONDS
    assert found.chunk_seconds * CHUNKS_IN_LEASE <= found.lease_seconds * 1.001
    assert found.chunks == -(-frames // found.chunk)


def test_chunks_of_an_order_are_alike() -> None:
    """Not one of ten frames and one of one."""
    for seconds, frames in product((1, 7, 60), (11, 101, 250)):
        chunk = suggested_chunk(seconds, 1.0, frames)
        assert frames % chunk == 0 or chunk - frames % chunk < -(-frames // chunk)


def test_a_creators_own_chunk_is_kept() -> None:
    """The lease follows it."""
    found = estimated([(1, FrameCost(fixed=100, by_pixel=0, by_sample=0))], work(chunk=50))
    assert found.chunk == 50
    assert found.lease_seconds >= 10 * 50 * 100


def test_the_price_is_the_time_by_the_tariff() -> None:
    """An hour of work costs an hour, loading included."""
    costs = [(1, FrameCost(fixed=36, by_pixel=0, by_sample=0))]
    found = estimated(costs, work(100, loading_seconds=0), hour_fri=10**18)
    assert found.price_fri == 10**18
    assert found.frame_price_fri == 10**16
    assert estimated(costs, work()).price_fri is None
    odd = estimated(costs, work(11, loading_seconds=0), hour_fri=10**18)
    assert odd.frame_price_fri is not None
    assert odd.frame_price_fri % PRICE_STEP_FRI == 0
    assert 11 * odd.frame_price_fri >= (odd.price_fri or 0)
