"""What the worker logs about an attempt."""

from __future__ import annotations

from dataclasses import replace

from structlog.testing import capture_logs
from tests.unit.worker.clock import ManualClock

from veriframe.errors import Code, RenderFailed
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.rendering.frames import Progress
from veriframe.ports.store import Transfer
from veriframe.worker.report import WorkerLog, stage_reached, stage_seconds

STORED = Attempt(
    job_id=7,
    asset_cid="bafkasset",
    reward_fri=15 * 10**17,
    stage=Stage.STORED,
    result_cid="bafkresult",
    reached={Stage.SEEN: 10.0, Stage.FETCHED: 10.25, Stage.STORED: 12.0},
)
SUBMITTED = STORED.to(Stage.SUBMITTED, at=12.5)
PROGRESS = Progress(phase="rendering", frame=1, done=0, total=1, fraction=0.256, seconds=1.0, memory_bytes=5)


def test_each_stage_is_a_line() -> None:
    """With the seconds since the previous stage."""
    with capture_logs() as lines:
        stage_reached(STORED, SUBMITTED)
    expected = {
        "event": "stage_reached",
        "log_level": "info",
        "job_id": 7,
        "stage": Stage.SUBMITTED,
        "seconds": 0.5,
    }
    assert lines == [expected]


def test_an_end_adds_a_summary_line() -> None:
    """fault_89: everything about the attempt, with the earnings after fees."""
    paid = SUBMITTED.paying(25 * 10**16).to(Stage.PAID, at=20.0)
    with capture_logs() as lines:
        stage_reached(SUBMITTED, paid)
    assert [line["event"] for line in lines] == ["stage_reached", "attempt_finished"]
    expected = {
        "event": "attempt_finished",
        "log_level": "info",
        "job_id": 7,
        "stage": Stage.PAID,
        "code": None,
        "reason": None,
        "reward": "1.5 STRK",
        "fees": "0.25 STRK",
        "lost": "0 STRK",
        "earned": "1.25 STRK",
        "asset_cid": "bafkasset",
        "result_cid": "bafkresult",
        "stage_seconds": {"FETCHED": 0.25, "STORED": 1.75, "SUBMITTED": 0.5, "PAID": 7.5},
    }
    assert lines[1] == expected


def test_a_loss_is_a_negative_amount_earned() -> None:
    """fault_89: fees and the burned part of the bond, if nothing was paid."""
    failed = STORED.paying(10**17).ended_by(RenderFailed(Code.LEASE, "No time."), at=13.0)
    with capture_logs() as lines:
        stage_reached(failed, replace(failed.to(Stage.RELEASED, at=13.0), lost_fri=5 * 10**17))
    figures = {name: lines[-1][name] for name in ("fees", "lost", "earned")}
    assert figures == {"fees": "0.1 STRK", "lost": "0.5 STRK", "earned": "-0.6 STRK"}


def test_a_failure_is_a_warning_with_code_and_reason() -> None:
    """And nothing earned."""
    error = RenderFailed(Code.OOM, "Blender used too much memory.")
    failed = STORED.ended_by(error, at=13.0)
    with capture_logs() as lines:
        stage_reached(STORED, failed)
        stage_reached(failed, failed.to(Stage.RELEASED, at=13.0))
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("stage_reached", "warning"),
        ("stage_reached", "warning"),
        ("attempt_finished", "info"),
    ]
    assert lines[0]["code"] is Code.OOM
    assert lines[0]["reason"] == "Blender used too much memory."
    assert (lines[2]["earned"], lines[2]["code"]) == ("0 STRK", Code.OOM)


def test_a_clock_that_was_set_back_does_not_mix_the_stages() -> None:
    """fault_70: the journal's order counts, whatever the clock says."""
    attempt = replace(STORED, reached={Stage.SEEN: 10.0, Stage.FETCHED: 4.0, Stage.CHECKED: 5.0})
    assert stage_seconds(attempt) == {"FETCHED": -6.0, "CHECKED": 1.0}


def test_progress_is_logged_at_a_limited_rate() -> None:
    """The first progress of each job, and not every one of a flood."""
    progress = WorkerLog()
    with capture_logs() as lines:
        for job_id in (1, 1, 2, 1):
            progress.on_progress(job_id, PROGRESS)
        progress.on_progress(3, replace(PROGRESS, fraction=None))
    assert [(line["job_id"], line["percent"]) for line in lines] == [(1, 26), (2, 26), (3, None)]


def test_a_long_transfer_is_logged_at_a_limited_rate() -> None:
    """A line at its start, then one every five seconds, with bytes and rate, less what was there before."""
    clock = ManualClock()
    told = WorkerLog(clock)
    with capture_logs() as lines:
        for seconds, done_bytes in ((0, 1), (4, 50_000_000), (1, 50_000_001), (4.9, 7), (0.1, 75_000_001)):
            clock.seconds += seconds
            told.on_transfer(7, "scene", Transfer(done_bytes=done_bytes, total_bytes=100_000_000))
        clock.seconds += 10
        told.on_transfer(7, "scene", Transfer(done_bytes=80_000_001, total_bytes=None))
    assert [line["event"] for line in lines] == ["transfer_started", *["transfer_progress"] * 3]
    figures = [(line["seconds"], line["percent"], line["megabytes_per_second"]) for line in lines[1:]]
    assert figures == [(5.0, 50, 10.0), (10.0, 75, 7.5), (20.0, None, 4.0)]


def test_waits_are_logged_with_their_length() -> None:
    """fault_102: a scene that did not come was waited for without a line."""
    clock = ManualClock()
    told = WorkerLog(clock)
    with capture_logs() as lines:
        told.on_wait(7, "its scene")
        clock.seconds += 30
        told.on_wait(7, "")
        told.on_wait(7, "")
    assert [(line["event"], line["what"]) for line in lines] == [
        ("job_waits_for", "its scene"),
        ("job_continues", "its scene"),
    ]
    assert lines[1]["seconds"] == 30
