"""Whether this machine still renders: after failures in a row it must render its own test scene."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import structlog

from veriframe.errors import Code, HostUnavailable
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.quantities import format_span
from veriframe.ports.renderer import Renderer
from veriframe.worker.intake.backoff import backoff_seconds

log = structlog.get_logger()

FAILURES = 3
"""This many in a row, without a submission between them."""

SUSPECT = frozenset(
    (
        *(Code.CRASH, Code.BLENDER_ERROR, Code.NO_OUTPUT),
        *(Code.NOT_IMAGE, Code.NOT_FINITE, Code.BLACK, Code.MISMATCH),
    )
)
"""Symptoms of a broken driver or bad memory. Exceeded limits do not count: those are the scenes' own."""


class CircuitBreaker:
    """Counts failures in a row. Each release costs a part of a bond, so that going on would cost money.

    Untrusted scenes decide only when to test: a scene can be made to fail like a broken machine. Claiming
    pauses only if the worker's own test scene fails as well.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._failures = 0
        self._failed_tests = 0
        self._until = 0.0

    def note(self, attempt: Attempt) -> None:
        """Counts an attempt that has failed, or that was submitted."""
        if attempt.stage is Stage.SUBMITTED:
            self._failures = self._failed_tests = 0
        elif attempt.stage is Stage.FAILED and attempt.code in SUSPECT:
            self._failures += 1

    @property
    def pauses(self) -> bool:
        """Whether nothing may be claimed now, since the last test failed a moment ago."""
        return self._failures >= FAILURES and self._clock() < self._until

    async def require_healthy(self, renderer: Renderer) -> None:
        """Raises `HostUnavailable` if this machine is suspect and fails its own test."""
        if self._failures < FAILURES:
            return
        left = self._until - self._clock()
        if left <= 0:
            try:
                await renderer.render_test_scene()
            except HostUnavailable as error:
                self._failed_tests += 1
                left = backoff_seconds(self._failed_tests)
                self._until = self._clock() + left
                raise self._unhealthy(left) from error
            log.info("self_test_passed", failures=self._failures)
            self._failures = self._failed_tests = 0
            return
        raise self._unhealthy(left)

    def _unhealthy(self, left: float) -> HostUnavailable:
        return HostUnavailable(
            f"The last {self._failures} renders failed as on a broken machine, and so did a test scene."
            f" Claiming pauses for {format_span(math.ceil(left))}. Run `veriframe doctor` to see what"
            " this machine renders."
        )
