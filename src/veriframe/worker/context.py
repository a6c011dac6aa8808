"""Everything that one worker works with, built by `wiring`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from functools import partial

from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.policy import Policy
from veriframe.model.registry.pin_names import PinNames
from veriframe.model.rendering.scene import SceneLimits
from veriframe.ports.journal import Journal
from veriframe.ports.registry import WorkerRegistry
from veriframe.ports.renderer import Renderer
from veriframe.ports.store import ContentStore
from veriframe.worker.listener import Listeners, Pauses
from veriframe.worker.manners.manners import Manners
from veriframe.worker.shared.attempts import Attempts
from veriframe.worker.shared.in_flight_claims import InFlightClaims
from veriframe.worker.shared.kept_sessions import KeptSessions
from veriframe.worker.shared.lanes import Lanes
from veriframe.worker.shared.reservations import Reservations
from veriframe.worker.shared.scenes import Scenes
from veriframe.worker.shared.speeds import Speeds
from veriframe.worker.shared.workspace import Workspace

_BEFORE_RENDERED = (Stage.SEEN, Stage.FETCHED, Stage.CHECKED, Stage.CLAIMED)
_BEFORE_VALIDATED = (*_BEFORE_RENDERED, Stage.RENDERED)


async def _approve(attempt: Attempt) -> None:
    """Approves of every claim."""


def _is_backed(attempt: Attempt) -> bool:
    """Knows no creator."""
    return False


@dataclass(slots=True, kw_only=True)
class WorkerContext:
    """Everything that one worker works with.

    `clock` gives Unix seconds, for the journal and the log only; `monotonic` gives monotonic seconds, for
    backoffs and rates. `checks_tile`: one tile of each result with proofs is rendered again. `approve` judges
    an attempt right before its claim: it raises `JobLost` or `HostUnavailable`. `is_backed` says whether its
    creator has paid for more than its jobs may cost. `claims` counts the claims being made, `room` reserves
    store space for them. `pauses` knows why nothing is claimed now; `manners` says whether the machine is the
    worker's now. `speeds` knows how fast each asset was rendered, `kept` which ones stay open to be
    rendered, `kept_for_checks` which one in the process that renders tiles again.
    """

    registry: WorkerRegistry
    store: ContentStore
    renderer: Renderer
    journal: Journal
    workspace: Workspace
    policy: Policy
    scene_limits: SceneLimits = field(default_factory=SceneLimits)
    disk_free_bytes: int = 0
    checks_tile: bool = False
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    approve: Callable[[Attempt], Awaitable[None]] = _approve
    is_backed: Callable[[Attempt], bool] = _is_backed
    claims: InFlightClaims = field(default_factory=InFlightClaims)
    room: Reservations = field(default_factory=Reservations)
    manners: Manners = field(default_factory=Manners)
    listener: Listeners = field(default_factory=Listeners)
    attempts: Attempts = field(init=False)
    lanes: Lanes = field(init=False)
    scenes: Scenes = field(init=False)
    speeds: Speeds = field(init=False)
    kept: KeptSessions = field(init=False)
    kept_for_checks: KeptSessions = field(init=False)
    pauses: Pauses = field(init=False)

    def __post_init__(self) -> None:
        self.attempts = Attempts(self.journal, self.listener)
        self.lanes = Lanes(self.renderer.capacity, self.monotonic)
        self.scenes, self.speeds = Scenes(), Speeds()
        self.kept = KeptSessions(partial(self._has_job, _BEFORE_RENDERED))
        self.kept_for_checks = KeptSessions(partial(self._has_job, _BEFORE_VALIDATED))
        self.pauses = Pauses(self.listener)
        self.manners.on_wait = self.listener.on_wait

    def _has_job(self, stages: Collection[Stage], asset_cid: str) -> bool:
        """Whether a job of this asset is under way at one of these stages."""
        return any(a.asset_cid == asset_cid and a.stage in stages for a in self.attempts.live())

    def policy_for(self, attempt: Attempt) -> Policy:
        """The policy towards the creator of this attempt's job."""
        return self.policy.towards(self.is_backed(attempt))

    async def pin_names(self) -> PinNames:
        """Returns the pin names of this worker's results. Raises `RegistryUnavailable`."""
        return PinNames(await self.registry.identity(), self.registry.account)
