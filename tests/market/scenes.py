"""Scenes that contain a plan of what happens to them, and a renderer that follows it in market time."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tests.fakes.renderer import INSPECTION, FakeRenderer, Script
from tests.market.clock import MarketClock
from tests.scenes.blend_bytes import blend, block

from veriframe.errors import Code, JobRejected, RenderFailed
from veriframe.model.rendering.frames import RenderLimits, RenderTask

_PLAN = re.compile(rb"\{[^{}]*\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What happens to a scene. Seconds are market seconds. `refused` and `failed` are codes, or empty.

    `name` makes two scenes differ. A render that takes longer than its limits ends with TIMEOUT, or with
    LEASE.
    """

    name: str = ""
    inspect_seconds: float = 0.5
    render_seconds: float = 30.0
    refused: str = ""
    failed: str = ""
    width: int = 64
    height: int = 36

    def scene(self) -> bytes:
        """Returns a `.blend` that contains the plan."""
        return blend(block(b"TEST", json.dumps(asdict(self)).encode()))


class MarketRenderer(FakeRenderer):
    """Follows the plan of each scene. `rendered_seconds` is the total time of renders."""

    def __init__(self, market_clock: MarketClock) -> None:
        super().__init__()
        self._market_clock = market_clock
        self.rendered_seconds = 0.0

    async def before_inspection(self, scene: Path) -> None:
        """Takes its time, and refuses, as planned."""
        plan = _plan(scene)
        await self._market_clock.sleep(plan.inspect_seconds)
        if plan.refused:
            raise JobRejected(Code(plan.refused), "As planned.")

    async def before_frames(self, scene: Path, task: RenderTask, lease_seconds: float) -> None:
        """Renders as planned, or until its limit."""
        plan = _plan(scene)
        wall_seconds = RenderLimits().wall_seconds(len(task.frames))
        limit = min(wall_seconds, lease_seconds)
        began = self._market_clock.monotonic()
        try:
            await self._market_clock.sleep(min(plan.render_seconds, limit))
        finally:
            self.rendered_seconds += self._market_clock.monotonic() - began
        if plan.render_seconds > limit:
            raise RenderFailed(Code.LEASE if limit < wall_seconds else Code.TIMEOUT, "It took too long.")
        if plan.failed:
            raise RenderFailed(Code(plan.failed), "As planned.")

    def script(self, scene: Path) -> Script:
        """The planned size."""
        plan = _plan(scene)
        return Script(inspection=replace(INSPECTION, width=plan.width, height=plan.height))


def _plan(scene: Path) -> Plan:
    found = _PLAN.search(scene.read_bytes())
    return Plan(**json.loads(found[0])) if found else Plan()
