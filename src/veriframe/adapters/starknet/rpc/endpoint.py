"""One endpoint's health: when it may be called, and how long it pauses after failures."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

from yarl import URL

from veriframe.errors import SettingsError

PAUSE_MAX_SECONDS = 60.0
DISTRUST_SECONDS = 3600.0
"""How long an endpoint is not called after two others contradicted it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLimits:
    """Rates and timeouts, suited to a node on the network; tests use shorter ones."""

    requests_per_second: float = 50.0
    request_seconds: float = 20.0
    """How long one request may take, from the first byte to the last."""
    call_seconds: float = 30.0
    """How long one call may try endpoints before it stops waiting for one that pauses."""
    pause_seconds: float = 0.2
    """The pause after a first failure; each further failure doubles it."""


@dataclass(slots=True)
class Endpoint:
    """One endpoint and its state. Times are in seconds of the monotonic clock."""

    url: URL
    name: str
    pause_seconds: float
    failures: int = 0
    failed_at: float = 0.0
    rests_until: float = 0.0
    trying: bool = False
    chain_checked: bool = False
    chain_id: int | None = None
    """The chain that it reports, once queried."""
    dropped: bool = False
    lags: bool = False
    head: int | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def fit(self, now: float) -> bool:
        """Whether it may be called. After a pause, only one call at a time until one succeeds."""
        return not (self.dropped or self.lags or now < self.rests_until or (self.failures and self.trying))

    def note_failure(self, started: float, now: float, pause: float | None) -> None:
        """Pauses, longer each time. Concurrent calls that fail together count as one failure."""
        if started >= self.failed_at:
            self.failures += 1
            self.failed_at = now
            longest = min(PAUSE_MAX_SECONDS, self.pause_seconds * 2 ** min(self.failures - 1, 16))
            self.rests_until = now + longest * random.uniform(0.75, 1.0)  # noqa: S311 - jitter, not a secret
        if pause is not None:
            self.rests_until = max(self.rests_until, now + pause)

    def distrust(self, now: float) -> None:
        """Pauses for an hour: other endpoints contradicted it."""
        self.rests_until = now + DISTRUST_SECONDS

    def note_success(self, started: float) -> None:
        """Resets the failures, unless one occurred after this call started."""
        if started >= self.failed_at:
            self.failures = 0


@dataclass(slots=True)
class RateLimit:
    """A rate limit: `rate` calls a second on average, and bursts of as many."""

    rate: float
    level: float = 0.0
    at: float = field(default_factory=time.monotonic)

    async def take(self) -> None:
        """Waits until one more request may be sent."""
        now = time.monotonic()
        self.level = max(0.0, self.level - (now - self.at) * self.rate) + 1.0
        self.at = now
        if self.level > self.rate:
            await asyncio.sleep((self.level - self.rate) / self.rate)


def parse_endpoint(number: int, text: str, pause_seconds: float) -> Endpoint:
    """Parses an address, the `number`th of the setting. Raises `SettingsError`."""
    try:
        url = URL(text)
        fit = url.scheme in {"http", "https"} and bool(url.host)
    except ValueError:
        fit = False
    if not fit:
        # The text is not repeated: it may contain a secret.
        raise SettingsError(f"Address {number} in STARKNET_RPC is not an http:// or https:// address.")
    port = "" if url.is_default_port() else f":{url.port}"
    return Endpoint(url=url, name=f"{number}. {url.host}{port}", pause_seconds=pause_seconds)
