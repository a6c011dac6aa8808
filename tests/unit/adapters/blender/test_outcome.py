"""How the end of a run becomes an error with a code and a sentence."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from veriframe.adapters.blender import outcome
from veriframe.adapters.blender.sandbox.run import Ending, RunExit
from veriframe.errors import Code, HostUnavailable, JobRejected, RenderFailed
from veriframe.model.rendering.frames import RenderLimits
from veriframe.worker.intake.failures import NOT_THE_BYTES

PLENTY = 2**40
LIMITS = RenderLimits(frame_seconds=300, loading_seconds=60)
ALLOWED = outcome.Allowance(limits=LIMITS, seconds=300, settings=" (frame_seconds)")
TAIL = ("Read blend", "\x1b[31mError:\u202e no camera")


def end(ending: Ending, code: int = 0, number: int = 0, tail: tuple[str, ...] = TAIL) -> RunExit:
    """A run's end."""
    return RunExit(ending=ending, code=code, signal=number, seconds=1.0, peak_memory_bytes=1, log_tail=tail)


def failed(
    ended: RunExit, *, finished: bool = False, error: str | None = None, free: int = PLENTY
) -> RenderFailed | HostUnavailable | None:
    """A run's error."""
    return outcome.failure(ended, ALLOWED, finished=finished, error=error, free_bytes=free)


def failure(ended: RunExit, *, finished: bool = False, error: str | None = None, free: int = PLENTY) -> Code:
    """The code of a run's error."""
    found = failed(ended, finished=finished, error=error, free=free)
    assert isinstance(found, RenderFailed)
    assert str(found).isprintable()
    return found.code


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (end(Ending.CRASHED, 139, signal.SIGSEGV), Code.CRASH),
        (end(Ending.OOM, 137, signal.SIGKILL), Code.OOM),
        (end(Ending.TIMEOUT), Code.TIMEOUT),
        (end(Ending.CPU_LIMIT), Code.TIMEOUT),
        (end(Ending.PIDS, 1), Code.PIDS),
        (end(Ending.OUTPUT_LIMIT), Code.OUTPUT_LIMIT),
        (end(Ending.LOG_LIMIT), Code.LOG_FLOOD),
        (end(Ending.REPORT_LIMIT), Code.LOG_FLOOD),
        (end(Ending.STOPPED), Code.STOPPED),
        (end(Ending.EXITED, 1), Code.BLENDER_ERROR),
        (end(Ending.EXITED, 0), Code.NO_OUTPUT),
    ],
)
def test_each_ending_has_its_code(ended: RunExit, code: Code) -> None:
    """fault_28 … fault_38: for a run that did not report that it was finished."""
    assert failure(ended) == code


def test_every_ending_is_known() -> None:
    """A new ending of the sandbox must be handled."""
    for ending in Ending:
        assert (
            outcome.failure(end(ending, 1), ALLOWED, finished=False, error=None, free_bytes=PLENTY)
            is not None
        )


@pytest.mark.parametrize(
    "ended",
    [
        end(Ending.EXITED, 0),
        end(Ending.STOPPED),
        end(Ending.TIMEOUT),
        end(Ending.CRASHED, 139, signal.SIGSEGV),
    ],
)
def test_an_end_after_the_work_is_no_failure(ended: RunExit) -> None:
    """fault_40: Blender may hang or crash on exit after its work; its output decides."""
    assert failed(ended, finished=True) is None


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (end(Ending.OOM), Code.OOM),
        (end(Ending.OUTPUT_LIMIT), Code.OUTPUT_LIMIT),
        (end(Ending.LOG_LIMIT), Code.LOG_FLOOD),
        (end(Ending.PIDS), Code.PIDS),
        (end(Ending.EXITED, 1), Code.BLENDER_ERROR),
    ],
)
def test_a_limit_counts_also_after_the_work(ended: RunExit, code: Code) -> None:
    """A scene gains nothing by a false report that it is finished."""
    assert failure(ended, finished=True) == code


@pytest.mark.parametrize("finished", [True, False])
def test_a_full_disk_is_reported(finished: bool) -> None:
    """fault_41: Blender writes a truncated picture, logs “Saved” and exits with 0."""
    assert failure(end(Ending.EXITED, 0), finished=finished, free=outcome.DISK_FULL_BYTES - 1) == Code.DISK


def test_a_sandbox_failure_is_this_machines_fault() -> None:
    """fault_44: the job stays untouched, also if the disk is full."""
    for free in (PLENTY, 0):
        failed = outcome.failure(
            end(Ending.SANDBOX_FAILED), ALLOWED, finished=False, error=None, free_bytes=free
        )
        assert isinstance(failed, HostUnavailable)


def test_an_error_quotes_blenders_last_log_lines() -> None:
    """fault_36: in printable characters; at most three lines."""
    tail = ("one", "two", *TAIL)
    failed = outcome.failure(
        end(Ending.EXITED, 1, tail=tail), ALLOWED, finished=False, error=None, free_bytes=PLENTY
    )
    assert str(failed) == (
        "Blender failed with exit code 1. Last log lines: two / Read blend / \ufffd[31mError:\ufffd no camera"
    )


def test_the_scripts_own_error_is_preferred() -> None:
    """It names the cause, and its length is limited."""
    failed = outcome.failure(
        end(Ending.EXITED, 1), ALLOWED, finished=False, error="No camera", free_bytes=PLENTY
    )
    assert "No camera" in str(failed)


@pytest.mark.parametrize(
    ("ended", "error"),
    [
        (end(Ending.CRASHED, 139, signal.SIGSEGV), None),
        (end(Ending.EXITED, 1), "RuntimeError: Missing DNA block"),
        (end(Ending.EXITED, 1), None),
        (end(Ending.EXITED, 0), None),
    ],
)
def test_a_scene_that_blender_cannot_open_is_corrupt(ended: RunExit, error: str | None) -> None:
    """fault_17, fault_20: refused before any money moves."""
    refused = outcome.rejection(ended, ALLOWED, error=error)
    assert isinstance(refused, JobRejected)
    assert refused.code == Code.CORRUPT
    assert str(refused).isprintable()


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (Ending.OOM, Code.OOM),
        (Ending.TIMEOUT, Code.TIMEOUT),
        (Ending.PIDS, Code.PIDS),
        (Ending.LOG_LIMIT, Code.LOG_FLOOD),
    ],
)
def test_a_scene_that_exceeds_a_limit_is_refused_for_that(ending: Ending, code: Code) -> None:
    """Not as corrupt: another worker may have higher limits."""
    refused = outcome.rejection(end(ending), ALLOWED, error=None)
    assert isinstance(refused, JobRejected)
    assert refused.code == code


def test_a_sandbox_failure_never_blames_the_scene() -> None:
    """fault_44: an inspection, too, is tried again later."""
    assert isinstance(outcome.rejection(end(Ending.SANDBOX_FAILED), ALLOWED, error=None), HostUnavailable)


OWN = "5m (frame_seconds)"


@pytest.mark.parametrize("ending", [Ending.TIMEOUT, Ending.CPU_LIMIT])
def test_the_limit_that_ended_a_render_is_reported(ending: Ending) -> None:
    """fault_86: a limit by the lease is LEASE, never TIMEOUT; both name the limit, its value and the time."""
    cut = replace(end(ending), seconds=50.0)
    by_lease = replace(ALLOWED, lease_seconds=50)
    by_limit = replace(ALLOWED, lease_seconds=400)
    for allowed, seconds, code in ((by_lease, 50, Code.LEASE), (by_limit, 300, Code.TIMEOUT)):
        assert allowed.wall_seconds == seconds
        found = outcome.failure(cut, allowed, finished=False, error=None, free_bytes=PLENTY)
        assert isinstance(found, RenderFailed)
        assert found.code is code
        assert " 50s" in str(found)
        assert OWN in str(found)
        # fault_308: a frame that took too long has a remedy.
        assert ("Lower the samples" in str(found)) == (code is Code.TIMEOUT)


def test_a_lease_with_exactly_the_limits_time_changes_nothing() -> None:
    """fault_86: then the operator's limit applies."""
    allowed = replace(ALLOWED, lease_seconds=300)
    found = outcome.failure(end(Ending.TIMEOUT), allowed, finished=False, error=None, free_bytes=PLENTY)
    assert isinstance(found, RenderFailed)
    assert found.code is Code.TIMEOUT


@pytest.mark.parametrize(
    ("ending", "setting", "value"),
    [
        (Ending.OOM, "memory_bytes", "(8 GiB)"),
        (Ending.OUTPUT_LIMIT, "output_bytes", "(2 GiB)"),
        (Ending.PIDS, "pids", "(256)"),
    ],
)
def test_a_limit_is_reported_with_its_setting_and_value(ending: Ending, setting: str, value: str) -> None:
    """fault_85: so that the operator knows which limit to raise, and how far."""
    told = str(failed(end(ending)))
    assert (setting in told, value in told) == (True, True)


def test_a_full_output_is_not_this_machines_disk() -> None:
    """fault_85: output beyond the limit counts against the scene; a full disk never does."""
    assert Code.DISK in NOT_THE_BYTES
    assert failure(end(Ending.OUTPUT_LIMIT)) not in NOT_THE_BYTES
