"""Slow scenes: fast enough, or refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.bench import Bench
from tests.unit.worker.clock import ManualClock
from tests.unit.worker.pipelines import run

from veriframe.errors import Code, JobRejected
from veriframe.model.attempt.attempt import Stage
from veriframe.ports.store import FetchLimits, OnTransfer, Transfer, ignore_transfer
from veriframe.worker.shared import throughput as module
from veriframe.worker.shared.throughput import GRACE_SECONDS, LEAST_BYTES_PER_SECOND, Throughput

HALF_AN_HOUR = 1800.0


def transfer(rate: float, seconds: int, *, total: int | None = None, before: int = 0) -> Throughput:
    """The throughput of a transfer at `rate` bytes a second, after `seconds`."""
    clock = ManualClock()
    throughput = Throughput(HALF_AN_HOUR, clock)
    for second in range(seconds + 1):
        throughput.on_transfer(Transfer(done_bytes=before + int(second * rate), total_bytes=total))
        clock.seconds += second < seconds
    return throughput


def is_too_slow(throughput: Throughput) -> bool:
    """Whether it is refused."""
    try:
        throughput.require()
    except JobRejected:
        return True
    return False


def test_a_slow_scene_is_refused_after_little_more_than_a_minute() -> None:
    """fault_88: 16 kB/s for 29 minutes was accepted; now it is refused after 80 seconds."""
    assert not is_too_slow(transfer(16_000, int(GRACE_SECONDS)))
    assert not is_too_slow(transfer(16_000, 79))
    assert is_too_slow(transfer(16_000, 80))


def test_a_scene_at_the_required_rate_is_waited_for() -> None:
    """For as long as it takes."""
    for seconds in (10, 100, 1000):
        assert not is_too_slow(transfer(LEAST_BYTES_PER_SECOND, seconds))


def test_earlier_bytes_do_not_count() -> None:
    """fault_88: a resumed fetch has to be fast, too."""
    assert is_too_slow(transfer(100, 80, before=10**9))


def test_a_large_scene_has_to_arrive_faster() -> None:
    """fault_88: the required rate grows with the size, so that a slow fetch of 4 GiB is refused early."""
    total = 4 * 2**30
    assert is_too_slow(transfer(10 * LEAST_BYTES_PER_SECOND, 200, total=total))
    assert not is_too_slow(transfer(total / HALF_AN_HOUR, 200, total=total))


def test_a_scene_that_is_not_found_yet_is_not_too_slow() -> None:
    """Finding a source takes time; the whole time is limited elsewhere."""
    throughput = Throughput(HALF_AN_HOUR, ManualClock())
    assert not is_too_slow(throughput)


@pytest.mark.parametrize("ends_by", ["stalling", "arriving"])
async def test_a_job_with_a_slow_scene_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, ends_by: str
) -> None:
    """fault_88: refused as not found, before any money moves; a scene that arrives in time is served."""
    clock = ManualClock()
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.001)
    bench.context = replace(bench.context, monotonic=clock)
    (job,) = await bench.post()
    fetch: Callable[..., object] = bench.store.fetch

    async def slow(
        cid: str, target: Path, limits: FetchLimits, on_progress: OnTransfer = ignore_transfer
    ) -> object:
        on_progress(Transfer(done_bytes=0, total_bytes=None))
        clock.seconds += GRACE_SECONDS + 2 * (ends_by == "stalling")
        on_progress(Transfer(done_bytes=100, total_bytes=None))
        if ends_by == "stalling":
            await asyncio.sleep(3)
        return await fetch(cid, target, limits)  # type: ignore[misc]

    bench.store.fetch = slow  # type: ignore[method-assign, assignment]
    after = await run(bench, bench.begin(job))
    expected = (Stage.REFUSED, Code.NOT_FOUND) if ends_by == "stalling" else (Stage.SUBMITTED, None)
    assert (after.stage, after.code) == expected
    if ends_by == "stalling":
        assert "arrives too slowly: 100 B in 1m2s" in after.detail
        assert bench.shared.moves == []
