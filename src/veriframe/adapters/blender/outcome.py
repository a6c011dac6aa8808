"""Turns the end of a run, as seen from outside, into an error with a stable code and one sentence."""

from __future__ import annotations

import math
import re
import signal
from dataclasses import dataclass

from veriframe.adapters.blender.sandbox.run import Ending, RunExit
from veriframe.errors import Code, HostUnavailable, JobRejected, RenderFailed, SettingsError
from veriframe.model.quantities import format_size, format_span
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.text import printable

DISK_FULL_BYTES = 16 * 2**20
"""If less than this is free after a render, a fault in its output is attributed to a full disk."""

_SHUTDOWN_ENDINGS = (Ending.CRASHED, Ending.TIMEOUT, Ending.CPU_LIMIT, Ending.STOPPED)
"""Endings that Blender may still reach during shutdown, after it has finished its work."""

_NO_BLENDER = frozenset((Code.NO_OUTPUT, Code.BLENDER_ERROR, Code.CRASH))
"""How a program ends that is no Blender, or a broken one."""

_LIBRARY = re.compile(r"lib[\w.+-]+\.so[\w.]*(?=: cannot open shared object)")

_REMEDY = ". Raise it, or simplify the scene"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What one run, or one phase of it, may use.

    `seconds` is the operator's own limit; `settings` says which settings it comes from. `lease_seconds` is
    what the lease leaves. It gets the smaller of the two.
    """

    limits: RenderLimits
    seconds: float
    settings: str = ""
    lease_seconds: float = math.inf

    @property
    def wall_seconds(self) -> float:
        """The run's limit in seconds of wall-clock time."""
        return min(self.seconds, self.lease_seconds)


def failure(
    end: RunExit, allowed: Allowance, *, finished: bool, error: str | None, free_bytes: int
) -> RenderFailed | HostUnavailable | None:
    """The error that a run ended with, or None if its output should be checked.

    `finished`: the script reported that it was done. `error`: the error that the script reported. Both
    reports may be false; they never make faulty output acceptable. `free_bytes`: free space afterwards on
    the disk that the run wrote to.
    """
    if end.ending is Ending.SANDBOX_FAILED:
        return sandbox_failed(end)
    if free_bytes < DISK_FULL_BYTES:
        return disk_full(free_bytes)
    if finished and (end.ending in _SHUTDOWN_ENDINGS or (end.ending, end.code) == (Ending.EXITED, 0)):
        return None
    return _at_a_limit(end, allowed) or _failed(end, error)


def cannot_start(end: RunExit, allowed: Allowance, error: str | None) -> SettingsError | HostUnavailable:
    """The error of a Blender that told nothing: a `SettingsError` if waiting cannot mend it."""
    output = " ".join((error or "", *end.log_tail))
    if library := _LIBRARY.search(output):
        return SettingsError(
            f"Blender cannot start: the system's library {library[0]} is missing. Run: apt-get install "
            "libgl1 libegl1 libxkbcommon0 libsm6 libxi6 libxxf86vm1 libxfixes3 libxrender1."
        )
    failed = failure(end, allowed, finished=False, error=error, free_bytes=DISK_FULL_BYTES)
    is_wrong = isinstance(failed, RenderFailed) and failed.code in _NO_BLENDER
    return (SettingsError if is_wrong else HostUnavailable)(
        f"Blender cannot start in the sandbox. {failed} BLENDER_PATH must name the program "
        "itself, with its own folders beside it, and not a script that starts it."
    )


def disk_full(free_bytes: int) -> RenderFailed:
    """The error if frames cannot be kept."""
    return RenderFailed(
        Code.DISK, f"The disk is full: {format_size(free_bytes)} are free after the render. Free some."
    )


def _at_a_limit(end: RunExit, allowed: Allowance) -> RenderFailed | None:
    """The error of a run that a limit ended: the setting, its value, and what was used."""
    limits = allowed.limits
    match end.ending:
        case Ending.TIMEOUT | Ending.CPU_LIMIT:
            return RenderFailed(*_out_of_time(end, allowed))
        case Ending.OOM:
            code = Code.OOM
            why = f"needed more memory than memory_bytes allows ({format_size(limits.memory_bytes)}){_REMEDY}"
        case Ending.PIDS:
            code = Code.PIDS
            why = f"started more processes and threads than pids allows ({limits.pids}){_REMEDY}"
        case Ending.OUTPUT_LIMIT:
            code = Code.OUTPUT_LIMIT
            why = f"wrote more to disk than output_bytes allows ({format_size(limits.output_bytes)}){_REMEDY}"
        case Ending.LOG_LIMIT:
            code, why = (
                Code.LOG_FLOOD,
                f"wrote more log than one run may write ({format_size(limits.log_bytes)})",
            )
        case Ending.REPORT_LIMIT:
            code, why = Code.LOG_FLOOD, "flooded the worker with reports"
        case Ending.STOPPED:
            return RenderFailed(Code.STOPPED, f"Blender was stopped after {format_span(round(end.seconds))}.")
        case _:
            return None
    return RenderFailed(code, f"After {format_span(round(end.seconds))} Blender {why}.")


def _out_of_time(end: RunExit, allowed: Allowance) -> tuple[Code, str]:
    own = f"{format_span(allowed.seconds)}{allowed.settings}"
    used = f"{format_span(round(end.seconds))}"
    if end.ending is Ending.CPU_LIMIT:
        used += ", in which it used all processor time"
    if allowed.lease_seconds < allowed.seconds:
        return (
            Code.LEASE,
            f"Blender was stopped after {used}: the lease left no more time. The limit here is {own}.",
        )
    remedy = (
        "Lower the samples or the resolution; or end what else keeps the machine busy, or raise the limit."
    )
    return Code.TIMEOUT, f"Blender was stopped after {used}: the limit here is {own}. {remedy}"


def _failed(end: RunExit, error: str | None) -> RenderFailed:
    if end.ending is Ending.CRASHED:
        return RenderFailed(Code.CRASH, f"Blender crashed ({_signal_name(end.signal)}).{_log_end(end)}")
    if error is not None:
        return RenderFailed(Code.BLENDER_ERROR, f"Blender could not render: {printable(error, 300)}")
    if end.code == 0:
        return RenderFailed(Code.NO_OUTPUT, f"Blender ended before it had finished.{_log_end(end)}")
    return RenderFailed(Code.BLENDER_ERROR, f"Blender failed with exit code {end.code}.{_log_end(end)}")


def rejection(end: RunExit, allowed: Allowance, *, error: str | None) -> JobRejected | HostUnavailable:
    """The error of an inspection without a report. The scene is rejected before any money moves."""
    failed = failure(end, allowed, finished=False, error=error, free_bytes=DISK_FULL_BYTES)
    if isinstance(failed, HostUnavailable):
        return failed
    assert failed is not None
    if failed.code in (Code.CRASH, Code.BLENDER_ERROR, Code.NO_OUTPUT):
        why = f"Blender crashed ({_signal_name(end.signal)})" if failed.code is Code.CRASH else error
        cause = f"{printable(why, 300)}." if why else f"exit code {end.code}.{_log_end(end)}"
        return JobRejected(Code.CORRUPT, f"Blender cannot open the scene: {cause}")
    return JobRejected(failed.code, f"The scene cannot be inspected. {failed}")


def sandbox_failed(end: RunExit) -> HostUnavailable:
    """The error if the sandbox could not be built. The cause is this machine, never the scene."""
    return HostUnavailable(f"The sandbox could not be built.{_log_end(end)} Run: veriframe doctor.")


def _log_end(end: RunExit) -> str:
    lines = [printable(line, 200) for line in end.log_tail[-3:]]
    return f" Last log lines: {' / '.join(lines)}" if lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_LEAST_BYTES, _SAMPLE_BYTES = 256 * 2**20, 12
"""What a decoder needs for itself, and for each sample: decoded twice, and written once."""


def decoding_memory(
    end: RunExit, error: str | None, limits: RenderLimits, samples: int
) -> RenderFailed | None:
    """The error if decoding so many samples ran out of memory that it needs: then no picture is at fault."""
    is_out_of_memory = end.ending is Ending.OOM or (error or "").startswith("MemoryError")
    if not is_out_of_memory or _LEAST_BYTES + _SAMPLE_BYTES * samples <= limits.memory_bytes:
        return None
    return too_large(Code.OOM, "memory_bytes", limits.memory_bytes)


def too_large(code: Code, setting: str, size_bytes: int) -> RenderFailed:
    """The error of pictures that a setting of this machine does not allow."""
    return RenderFailed(
        code,
        f"Decoding pictures of this size needs more than {setting} allows here ({format_size(size_bytes)})."
        f" Raise {setting}.",
    )
