"""The end of a transfer, told to its caller and to the log."""

from __future__ import annotations

import time

import structlog

from veriframe.model.content.cid import canonical
from veriframe.ports.store import OnTransfer, Transfer

log = structlog.get_logger()


def finish(event: str, cid: str, size_bytes: int, started: float, on_progress: OnTransfer) -> None:
    """Tells that all bytes are there; `started` is in monotonic seconds."""
    on_progress(Transfer(done_bytes=size_bytes, total_bytes=size_bytes))
    seconds = time.monotonic() - started
    log.info(
        event,
        cid=canonical(cid),
        size_bytes=size_bytes,
        seconds=round(seconds, 3),
        megabytes_per_second=round(size_bytes / 1e6 / max(seconds, 1e-6), 1),
    )
