"""Compares a chain's time with this machine's clock, since a node may freeze or invent it.

Deadlines depend only on the chain's time. This check decides whether that time is plausible; while it is not,
nothing is claimed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from veriframe.errors import RegistryUnavailable
from veriframe.model.quantities import format_span
from veriframe.model.registry.job import Head

log = structlog.get_logger()

SKEW_SECONDS = 600.0
"""How far the newest block's time may be from this machine's, and how long a head may stay the same."""

_REMEDY = (
    "Nothing is claimed until this is resolved. Synchronise this machine's clock (NTP), or use another node"
    " in STARKNET_RPC."
)


class HeadClock:
    """Checks heads. With `skew_seconds` 0 it accepts all, as development chains need.

    `clock` is this machine's Unix time, `steady` a monotonic clock; both in seconds.
    """

    def __init__(
        self,
        skew_seconds: float = 0,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.skew_seconds = skew_seconds
        self._clock, self._steady = clock, steady
        self._last: Head | None = None
        self._number_since = self._time_since = steady()
        self._is_doubtful = False

    def note(self, head: Head) -> str:
        """Checks a head that a node returned. Returns what is wrong with it, and logs changes."""
        now, last = self._steady(), self._last
        if last is None or head.number != last.number:
            self._number_since = now
        if last is None or head.time != last.time:
            self._time_since = now
        self._last = head
        fault = self._fault(head, now) if self.skew_seconds > 0 else ""
        if fault and not self._is_doubtful:
            log.warning("chain_time_doubtful", block=head.number, reason=fault)
        elif self._is_doubtful and not fault:
            log.info("chain_time_believed", block=head.number)
        self._is_doubtful = bool(fault)
        return fault

    def require_right(self, head: Head) -> None:
        """Checks a head on which a claim depends. Raises `RegistryUnavailable` with what is wrong."""
        if fault := self.note(head):
            raise RegistryUnavailable(fault)

    def _fault(self, head: Head, now: float) -> str:
        here, most = self._clock(), format_span(self.skew_seconds)
        if abs(head.time - here) > self.skew_seconds:
            return (
                f"The newest block {head.number} is from {_words(head.time)}, but this machine's clock says"
                f" {_words(here)}: they differ by more than clock_skew_seconds ({most}). {_REMEDY}"
            )
        still = now - min(self._number_since, self._time_since)
        if still > self.skew_seconds:
            return (
                f"The newest block has been number {head.number} from {_words(head.time)} for"
                f" {format_span(round(still))}, more than clock_skew_seconds ({most}). This machine's clock"
                f" says {_words(here)}. {_REMEDY}"
            )
        return ""


def _words(seconds: float) -> str:
    """Formats a time; an untrusted number may not be a valid time."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"second {seconds:.0f}"
