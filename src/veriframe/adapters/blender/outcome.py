"""How a render's end, seen from outside, becomes an error with a stable code and one sentence."""

from __future__ import annotations

import signal

from veriframe.adapters.blender.sandbox.cell import CellExit, Ending
from veriframe.errors import Code, HostUnavailable, JobRejected, RenderFailed
from veriframe.model.text import printable

DISK_FULL_BYTES = 16 * 2**20
"""With less than this free after a render, what is wrong with its output is taken for a full disk."""

_MISSES_ITS_END = (Ending.CRASHED, Ending.TIMEOUT, Ending.CPU_LIMIT, Ending.STOPPED)
"""Endings that a finished Blender may still come to while it tears itself down."""

_SENTENCES = {
    Ending.OOM: (
        Code.OOM,
        "Blender needed more memory than one render may use here; simplify the scene or raise memory_bytes.",
    ),
    Ending.TIMEOUT: (Code.TIMEOUT, "Blender took longer than one render may take here."),
    Ending.CPU_LIMIT: (Code.TIMEOUT, "Blender used more processor time than one render may use here."),
    Ending.PIDS: (Code.PIDS, "The scene started more processes than one render may have."),
    Ending.OUTPUT_LIMIT: (Code.DISK, "The scene wrote more to disk than one render may write."),
    Ending.LOG_LIMIT: (Code.LOG_FLOOD, "Blender wrote more log than one render may write."),
    Ending.REPORT_LIMIT: (Code.LOG_FLOOD, "The scene flooded the worker with reports."),
    Ending.STOPPED: (Code.STOPPED, "The render was stopped."),
}


def failure(
    end: CellExit, *, finished: bool, error: str | None, free_bytes: int
) -> RenderFailed | HostUnavailable | None:
    """The error that a run ended with, or None where its output is to be looked at.

    `finished`: the script reported that all was done; its own error is `error`. `free_bytes`: on the disk
    that it wrote to, afterwards. Both reports may be lies: they never make a failed output good.
    """
    if end.ending is Ending.WALLS_FAILED:
        return walls_failed(end)
    if free_bytes < DISK_FULL_BYTES:
        return RenderFailed(
            Code.DISK, f"The disk is full: {free_bytes // 2**20} MiB are free after the render. Free some."
        )
    if finished and (end.ending in _MISSES_ITS_END or (end.ending, end.code) == (Ending.EXITED, 0)):
        return None
    return _failed(end, error)


def _failed(end: CellExit, error: str | None) -> RenderFailed:
    if end.ending in _SENTENCES:
        return RenderFailed(*_SENTENCES[end.ending])
    if end.ending is Ending.CRASHED:
        return RenderFailed(Code.CRASH, f"Blender crashed ({_signal_name(end.signal)}).{_last_words(end)}")
    if error is not None:
        return RenderFailed(Code.BLENDER_ERROR, f"Blender could not render: {printable(error, 300)}")
    if end.code == 0:
        return RenderFailed(Code.NO_OUTPUT, f"Blender ended before it had finished.{_last_words(end)}")
    return RenderFailed(Code.BLENDER_ERROR, f"Blender failed with exit code {end.code}.{_last_words(end)}")


def rejection(end: CellExit, *, error: str | None) -> JobRejected | HostUnavailable:
    """The error of an inspection that brought no report: the scene is refused, before any money moves."""
    failed = failure(end, finished=False, error=error, free_bytes=DISK_FULL_BYTES)
    if isinstance(failed, HostUnavailable):
        return failed
    assert failed is not None
    if failed.code in (Code.CRASH, Code.BLENDER_ERROR, Code.NO_OUTPUT):
        why = f"Blender crashed ({_signal_name(end.signal)})" if failed.code is Code.CRASH else error
        said = f"{printable(why, 300)}." if why else f"exit code {end.code}.{_last_words(end)}"
        return JobRejected(Code.CORRUPT, f"Blender cannot open the scene: {said}")
    return JobRejected(failed.code, f"The scene cannot be inspected. {failed}")


def walls_failed(end: CellExit) -> HostUnavailable:
    """The sandbox could not be built: this machine's fault, never the scene's."""
    return HostUnavailable(f"The sandbox could not be built.{_last_words(end)} Run: veriframe doctor.")


def _last_words(end: CellExit) -> str:
    lines = [printable(line, 200) for line in end.log_tail[-3:]]
    return f" Its last words: {' / '.join(lines)}" if lines else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
