"""A chain's time held against this machine's clock: a node may freeze it, or make it up.

Jobs are judged by the chain's time alone. This only says whether that time can be believed, and no claim is
made while it cannot.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from veriframe.errors import RegistryUnavailable
from veriframe.model.registry.job import Head

log = structlog.get_logger()

SKEW_SECONDS = 600.0
"""How far the newest block's time may be from this machine's, and how long a head may stand still."""

_REMEDY = (
    "Nothing is claimed while that lasts. See that this machine's clock is set by NTP, or name another node"
    " in STARKNET_RPC."
)


class HeadClock:
    """Judges heads. With `skew_seconds` 0 it believes all, as development chains need it.

    `clock` is this machine's Unix time, `steady` one that nobody sets; both in seconds.
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
        self._told = False

    def note(self, head: Head) -> str:
        """A head that a node tells now. Returns what is wrong with it; told in the log when that changes."""
        now, last = self._steady(), self._last
        if last is None or head.number != last.number:
            self._number_since = now
        if last is None or head.time != last.time:
            self._time_since = now
        self._last = head
        fault = self._fault(head, now) if self.skew_seconds > 0 else ""
        if fault and not self._told:
            log.warning("chain_time_doubtful", block=head.number, reason=fault)
        elif self._told and not fault:
            log.info("chain_time_believed", block=head.number)
        self._told = bool(fault)
        return fault

    def require_right(self, head: Head) -> None:
        """Note a head that a claim would be judged by. Raises `RegistryUnavailable` with what is wrong."""
        if fault := self.note(head):
            raise RegistryUnavailable(fault)

    def _fault(self, head: Head, now: float) -> str:
        here = self._clock()
        if abs(head.time - here) > self.skew_seconds:
            return (
                f"The newest block {head.number} is of {_words(head.time)}, and this machine's clock says"
                f" {_words(here)}: more than clock_skew_seconds ({self.skew_seconds:g}) lie between."
                f" {_REMEDY}"
            )
        still = now - min(self._number_since, self._time_since)
        if still > self.skew_seconds:
            return (
                f"The newest block is number {head.number} of {_words(head.time)} for {still:.0f} seconds,"
                f" more than clock_skew_seconds ({self.skew_seconds:g}). This machine's clock says"
                f" {_words(here)}. {_REMEDY}"
            )
        return ""


def _words(seconds: float) -> str:
    """A time as people read it; a stranger's number may be no time at all."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"second {seconds:.0f}"
