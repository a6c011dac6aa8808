"""Everything that one worker works with, built by `wiring`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.policy import Policy
from veriframe.model.registry.pin_names import PinNames
from veriframe.model.rendering.frames import Progress
from veriframe.model.rendering.scene import SceneLimits
from veriframe.ports.journal import Journal
from veriframe.ports.registry import WorkerRegistry
from veriframe.ports.renderer import Renderer
from veriframe.ports.store import ContentStore
from veriframe.worker.in_flight_claims import InFlightClaims
from veriframe.worker.reservations import Reservations
from veriframe.worker.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """Everything that one worker works with.

    `clock` gives Unix seconds, for the journal and the log only; `monotonic` gives monotonic seconds, for
    backoffs and rates. `on_stage` receives each attempt before and after a stage, `on_progress` a job's id
    and Blender's progress. `claims` counts the claims being made, `room` reserves store space for them.
    """

    registry: WorkerRegistry
    store: ContentStore
    renderer: Renderer
    journal: Journal
    workspace: Workspace
    policy: Policy
    scene_limits: SceneLimits = field(default_factory=SceneLimits)
    disk_free_bytes: int = 0
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    claims: InFlightClaims = field(default_factory=InFlightClaims)
    room: Reservations = field(default_factory=Reservations)
    on_stage: Callable[[Attempt, Attempt], None] = field(default=lambda before, after: None)
    on_progress: Callable[[int, Progress], None] = field(default=lambda job_id, progress: None)

    async def pin_names(self) -> PinNames:
        """Returns the pin names of this worker's results. Raises `RegistryUnavailable`."""
        return PinNames(await self.registry.identity(), self.registry.account)
