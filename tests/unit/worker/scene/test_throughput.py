"""Scenes that drip in: fast enough, or left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.bench import Bench
from tests.unit.worker.clock import Hand
from tests.unit.worker.pipelines import run

from veriframe.errors import Code, JobRejected
from veriframe.model.attempt.attempt import Stage
from veriframe.ports.store import OnTransfer, Transfer, ignore_transfer
from veriframe.worker.scene import throughput as module
from veriframe.worker.scene.throughput import GRACE_SECONDS, LEAST_BYTES_PER_SECOND, Throughput

HALF_AN_HOUR = 1800.0


def drip(rate: float, seconds: int, *, total: int | None = None, before: int = 0) -> Throughput:
    """What was heard of a transfer at `rate` bytes a second for so long."""
    clock = Hand()
    heard = Throughput(HALF_AN_HOUR, clock)
    for second in range(seconds + 1):
        heard.on_transfer(Transfer(done_bytes=before + int(second * rate), total_bytes=total))
        clock.seconds += second < seconds
    return heard


def is_too_slow(heard: Throughput) -> bool:
    """Whether it is left."""
    try:
        heard.require()
    except JobRejected:
        return True
    return False


def test_what_drips_is_left_after_a_minute_and_a_little() -> None:
    """fault_88: 16 kB/s for 29 minutes was 28 MB; now it is left after 80 seconds."""
    assert not is_too_slow(drip(16_000, int(GRACE_SECONDS)))
    assert not is_too_slow(drip(16_000, 79))
    assert is_too_slow(drip(16_000, 80))


def test_what_comes_as_fast_as_it_must_is_waited_for() -> None:
    """For as long as it takes."""
    for seconds in (10, 100, 1000):
        assert not is_too_slow(drip(LEAST_BYTES_PER_SECOND, seconds))


def test_what_was_there_before_does_not_count() -> None:
    """fault_88: a fetch that is taken up again has to come fast, too."""
    assert is_too_slow(drip(100, 80, before=10**9))


def test_a_large_scene_has_to_come_faster() -> None:
    """fault_88: a rate that grows with size, so that four gigabytes at a snail's pace are left early."""
    total = 4 * 2**30
    assert is_too_slow(drip(10 * LEAST_BYTES_PER_SECOND, 200, total=total))
    assert not is_too_slow(drip(total / HALF_AN_HOUR, 200, total=total))


def test_what_nobody_has_yet_is_not_too_slow() -> None:
    """Finding somebody who has it takes its time; the whole time is bounded elsewhere."""
    heard = Throughput(HALF_AN_HOUR, Hand())
    assert not is_too_slow(heard)


@pytest.mark.parametrize("ends_by", ["dripping", "coming"])
async def test_a_job_whose_scene_drips_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, ends_by: str
) -> None:
    """fault_88: refused as what could not be had, before any money moves; what comes in time is served."""
    clock = Hand()
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.001)
    bench.context = replace(bench.context, monotonic=clock)
    (job,) = await bench.post()
    fetch: Callable[..., object] = bench.store.fetch

    async def slow(
        cid: str, target: Path, limit_bytes: int, on_progress: OnTransfer = ignore_transfer
    ) -> object:
        on_progress(Transfer(done_bytes=0, total_bytes=None))
        clock.seconds += GRACE_SECONDS + 2 * (ends_by == "dripping")
        on_progress(Transfer(done_bytes=100, total_bytes=None))
        if ends_by == "dripping":
            await asyncio.sleep(3)
        return await fetch(cid, target, limit_bytes)  # type: ignore[misc]

    bench.store.fetch = slow  # type: ignore[method-assign, assignment]
    after = await run(bench, bench.begin(job))
    expected = (Stage.REFUSED, Code.NOT_FOUND) if ends_by == "dripping" else (Stage.SUBMITTED, None)
    assert (after.stage, after.code) == expected
    if ends_by == "dripping":
        assert "comes too slowly: 100 bytes in 62 s" in after.detail
        assert bench.shared.moves == []
