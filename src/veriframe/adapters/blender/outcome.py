"""How a render's end, seen from outside, becomes an error with a stable code and one sentence."""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass

from veriframe.adapters.blender.sandbox.run import Ending, RunExit
from veriframe.errors import Code, HostUnavailable, JobRejected, RenderFailed
from veriframe.model.rendering.frames import RenderLimits, RenderTask
from veriframe.model.text import printable

DISK_FULL_BYTES = 16 * 2**20
"""With less than this free after a render, what is wrong with its output is taken for a full disk."""

_MISSES_ITS_END = (Ending.CRASHED, Ending.TIMEOUT, Ending.CPU_LIMIT, Ending.STOPPED)
"""Endings that a finished Blender may still come to while it tears itself down."""

_REMEDY = ". Raise it, or simplify the scene"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What one run may use. `seconds` is the operator's own limit, `settings` says where it comes from.

    The lease leaves `lease_seconds`: the run has the smaller of the two.
    """

    limits: RenderLimits
    seconds: float
    settings: str = ""
    lease_seconds: float = math.inf

    @property
    def wall_seconds(self) -> float:
        """The limit of the run."""
        return min(self.seconds, self.lease_seconds)


def for_render(task: RenderTask) -> Allowance:
    """What a task's process may use."""
    limits, frames = task.limits, len(task.frames)
    return Allowance(
        limits=limits,
        seconds=limits.wall_seconds(frames),
        settings=f" (loading_seconds {limits.loading_seconds:g} + {frames} × frame_seconds"
        f" {limits.frame_seconds:g})",
        lease_seconds=task.lease_seconds,
    )


def for_inspection(limits: RenderLimits) -> Allowance:
    """What an inspection may use: no lease runs yet, or it has time enough."""
    return Allowance(limits=limits, seconds=limits.loading_seconds, settings=" (loading_seconds)")


def failure(
    end: RunExit, allowed: Allowance, *, finished: bool, error: str | None, free_bytes: int
) -> RenderFailed | HostUnavailable | None:
    """The error that a run ended with, or None where its output is to be looked at.

    `finished`: the script reported that all was done; its own error is `error`. `free_bytes`: on the disk
    that it wrote to, afterwards. Both reports may be lies: they never make a failed output good.
    """
    if end.ending is Ending.WALLS_FAILED:
        return sandbox_failed(end)
    if free_bytes < DISK_FULL_BYTES:
        return RenderFailed(
            Code.DISK, f"The disk is full: {free_bytes // 2**20} MiB are free after the render. Free some."
        )
    if finished and (end.ending in _MISSES_ITS_END or (end.ending, end.code) == (Ending.EXITED, 0)):
        return None
    return _at_a_limit(end, allowed) or _failed(end, error)


def _at_a_limit(end: RunExit, allowed: Allowance) -> RenderFailed | None:
    """What cut the run: the limit's setting, its value, and what was used."""
    limits = allowed.limits
    match end.ending:
        case Ending.TIMEOUT | Ending.CPU_LIMIT:
            return RenderFailed(*_out_of_time(end, allowed))
        case Ending.OOM:
            code = Code.OOM
            why = f"needed more memory than memory_bytes allows ({_mib(limits.memory_bytes)}){_REMEDY}"
        case Ending.PIDS:
            code = Code.PIDS
            why = f"started more processes and threads than pids allows ({limits.pids}){_REMEDY}"
        case Ending.OUTPUT_LIMIT:
            code = Code.OUTPUT_LIMIT
            why = f"wrote more to disk than output_bytes allows ({_mib(limits.output_bytes)}){_REMEDY}"
        case Ending.LOG_LIMIT:
            code, why = Code.LOG_FLOOD, f"wrote more log than one run may write ({_mib(limits.log_bytes)})"
        case Ending.REPORT_LIMIT:
            code, why = Code.LOG_FLOOD, "flooded the worker with reports"
        case Ending.STOPPED:
            return RenderFailed(Code.STOPPED, f"Blender was stopped after {end.seconds:.0f} s.")
        case _:
            return None
    return RenderFailed(code, f"After {end.seconds:.0f} s Blender {why}.")


def _out_of_time(end: RunExit, allowed: Allowance) -> tuple[Code, str]:
    own = f"{allowed.seconds:g} s{allowed.settings}"
    used = f"{end.seconds:.0f} s"
    if end.ending is Ending.CPU_LIMIT:
        used += ", in which it used all processor time"
    if allowed.lease_seconds < allowed.seconds:
        return (
            Code.LEASE,
            f"Blender was stopped after {used}: the lease left no more. The limit here is {own}.",
        )
    return Code.TIMEOUT, f"Blender was stopped after {used}: the limit here is {own}."


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:g} MiB"


def _failed(end: RunExit, error: str | None) -> RenderFailed:
    if end.ending is Ending.CRASHED:
        return RenderFailed(Code.CRASH, f"Blender crashed ({_signal_name(end.signal)}).{_last_words(end)}")
    if error is not None:
        return RenderFailed(Code.BLENDER_ERROR, f"Blender could not render: {printable(error, 300)}")
    if end.code == 0:
        return RenderFailed(Code.NO_OUTPUT, f"Blender ended before it had finished.{_last_words(end)}")
    return RenderFailed(Code.BLENDER_ERROR, f"Blender failed with exit code {end.code}.{_last_words(end)}")


def rejection(end: RunExit, allowed: Allowance, *, error: str | None) -> JobRejected | HostUnavailable:
    """The error of an inspection that brought no report: the scene is refused, before any money moves."""
    failed = failure(end, allowed, finished=False, error=error, free_bytes=DISK_FULL_BYTES)
    if isinstance(failed, HostUnavailable):
        return failed
    assert failed is not None
    if failed.code in (Code.CRASH, Code.BLENDER_ERROR, Code.NO_OUTPUT):
        why = f"Blender crashed ({_signal_name(end.signal)})" if failed.code is Code.CRASH else error
        said = f"{printable(why, 300)}." if why else f"exit code {end.code}.{_last_words(end)}"
        return JobRejected(Code.CORRUPT, f"Blender cannot open the scene: {said}")
    return JobRejected(failed.code, f"The scene cannot be inspected. {failed}")


def sandbox_failed(end: RunExit) -> HostUnavailable:
    """The sandbox could not be built: this machine's fault, never the scene's."""
    return HostUnavailable(f"The sandbox could not be built.{_last_words(end)} Run: veriframe doctor.")


def _last_words(end: RunExit) -> str:
    lines = [printable(line, 200) for line in end.log_tail[-3:]]
    return f" Its last words: {' / '.join(lines)}" if lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
