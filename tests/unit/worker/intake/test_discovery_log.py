"""What discovery logs: each order once, at a limited rate."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from tests.fakes.bench import CREATOR, Bench
from tests.unit.worker.clock import ManualClock
from tests.unit.worker.intake.test_discovery import discovery, polled

from veriframe.model.content.cid import canonical
from veriframe.model.registry.job import Job
from veriframe.worker.intake.discovery import Discovery
from veriframe.worker.report import LINE_SECONDS, DiscoveryLog


async def test_settled_jobs_are_skipped_silently(bench: Bench) -> None:
    """Neither a candidate nor a line in the log."""
    await bench.post(jobs=2)
    with capture_logs() as lines:
        (job,) = await polled(discovery(bench, settled=frozenset((1,))))
    assert job.id == 2
    assert [line["job_id"] for line in lines] == [2]


async def test_why_a_job_is_skipped_is_logged_once(bench: Bench) -> None:
    """However often it is read; again only if the reason changes."""
    await bench.post()
    found = discovery(bench, policy=replace(bench.policy, creators_denied=frozenset((CREATOR,))))
    with capture_logs() as lines:
        for _ in range(3):
            assert await polled(found) == []
    (line,) = lines
    assert (line["event"], line["reason"]) == ("job_left", "its creator is denied (creators_denied)")


async def test_jobs_that_are_not_open_are_forgotten(bench: Bench) -> None:
    """fault_14: a job that is open again after a claim is logged again; nothing accumulates."""
    (job,) = await bench.post()
    found = discovery(bench)
    free: list[Job] = [bench.job()]
    with capture_logs() as lines:
        await found.poll()
        await bench.other.claim(job.id)
        await found.poll()
        bench.shared.jobs[job.id] = free[0]
        await found.poll()
    assert [line["event"] for line in lines] == ["job_discovered", "job_discovered"]


async def test_orders_are_logged_once_with_a_limited_rate(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_14: one line per order, at a limited rate; the number of suppressed lines is logged."""
    monkeypatch.setattr("veriframe.worker.report.MOST_LINES", 3)
    clock = ManualClock()
    found = Discovery(bench.registry, bench.policy, lambda _: True, monotonic=clock)
    for _ in range(6):
        await bench.post(jobs=20)
    with capture_logs() as lines:
        await found.poll()
        await found.poll()
        clock.seconds += LINE_SECONDS
        await bench.post()
        await found.poll()
    logged = [(line["event"], line.get("order_id"), line.get("orders")) for line in lines]
    assert logged == [
        *(("job_discovered", order, None) for order in (1, 2, 3)),
        ("orders_suppressed", None, 3),
        ("job_discovered", 7, None),
    ]


async def test_a_cid_has_one_form_in_the_log(bench: Bench) -> None:
    """fault_141: the canonical one, as in the lines about attempts and the store, however it was posted."""
    (job,) = await bench.post()
    old = "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"
    order = replace(job.order, asset_cid=old)
    with capture_logs() as lines:
        DiscoveryLog().log_order(replace(job, order=order), "")
        DiscoveryLog().log_order(replace(job, order=replace(order, asset_cid="\x1bodd")), "it is odd")
    assert [line["asset_cid"] for line in lines] == [canonical(old), "\ufffdodd"]
    assert canonical(old).startswith("bafybei")
