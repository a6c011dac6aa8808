"""The claim policy: decides from the operator's settings whether a job is worth claiming."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from veriframe.model.attempt import lease
from veriframe.model.attempt.pace import Pace
from veriframe.model.attempt.stakes import StakeLimits
from veriframe.model.quantities import format_span, format_strk
from veriframe.model.registry.job import NOBODY, Address, Job
from veriframe.model.rendering.frames import RenderLimits, RenderTask

DAY = 86400

BEGIN_SECONDS = 30
"""The least time until the deadline of a job that is started: its scene must be fetched and checked."""

CHUNK_SECONDS = 6 * 3600.0
"""The longest that all frames of a chunk may take by their limits."""

NEW_CREATOR_CHUNK_SECONDS = 3600.0
"""The same for a creator who has not paid for as much as the job may cost: a late failure wastes it all."""

FETCH_SECONDS = 1800
"""The longest wait for a scene before its job is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The jobs that this worker takes. Empty `creators_allowed` means all; only listed arbiters are trusted.

    `send_seconds` is the time for one transaction, `copies_seconds` the time for replicas. Renders end early
    enough for a release to cost at most `release_fee_share` of the bond, except for chunks of creators who
    have paid for that much (`is_backed`, see `towards`).
    """

    account: Address
    minimum_reward_fri: int = 0
    minimum_frame_reward_fri: int = 0
    creators_allowed: frozenset[int] = frozenset()
    creators_denied: frozenset[int] = frozenset()
    arbiters: frozenset[int] = frozenset()
    maximum_wait_seconds: int = 7 * DAY
    limits: RenderLimits = field(default_factory=RenderLimits)
    send_seconds: float = lease.SEND_SECONDS
    copies_seconds: float = 0.0
    release_fee_share: float = 0.5
    fetch_seconds: float = FETCH_SECONDS
    begin_seconds: int = BEGIN_SECONDS
    chunk_seconds: float = CHUNK_SECONDS
    new_creator_chunk_seconds: float = NEW_CREATOR_CHUNK_SECONDS
    is_backed: bool = False
    stakes: StakeLimits = field(default_factory=StakeLimits)

    def towards(self, is_backed: bool) -> Policy:
        """The same towards a creator who has paid this account more than a job may cost, or has not."""
        return replace(self, is_backed=is_backed)

    @property
    def longest_chunk(self) -> float:
        """The longest that a chunk may take by its limits, with loading, in seconds."""
        most = self.chunk_seconds
        return most if self.is_backed else min(most, self.new_creator_chunk_seconds)

    def objection(self, job: Job, now: int, task: RenderTask | None = None, pace: Pace | None = None) -> str:
        """Why the job is not taken, as one clause, or empty if it is. `now` is in chain seconds.

        `task` is None before its scene is inspected, `pace` before the first frame of its asset.
        """
        return (
            self._state(job, now)
            or self._people(job)
            or self._money(job)
            or (self.task_objection(job, task, pace) if task else self.lease_objection(job))
            or self._time(job, now, task)
        )

    def _state(self, job: Job, now: int) -> str:
        if not job.is_open(now):
            return "it is not open"
        if job.worker == self.account:
            return "our own claim on it has lapsed"
        return ""

    def _people(self, job: Job) -> str:
        creator, terms = job.order.creator, job.terms
        if self.account in (creator, terms.arbiter):
            return "its creator and its arbiter may not claim it"
        if creator in self.creators_denied:
            return "its creator is denied (creators_denied)"
        if self.creators_allowed and creator not in self.creators_allowed:
            return "its creator is not among creators_allowed"
        if terms.worker not in (NOBODY, self.account):
            return "it is for another worker"
        if terms.arbiter != NOBODY and terms.arbiter not in self.arbiters:
            return "its arbiter is not among the trusted ones (arbiters)"
        return ""

    def _money(self, job: Job) -> str:
        reward = job.terms.reward_fri
        if reward < self.minimum_reward_fri:
            return f"it pays {format_strk(reward)}, less than minimum_reward_strk"
        return ""

    def task_objection(
        self, job: Job, task: RenderTask, pace: Pace | None = None, wait_seconds: float = 0.0
    ) -> str:
        """Why this task is not worth the job's reward or does not fit into its lease, as one clause.

        `wait_seconds` is how long its claim would wait for a renderer.
        """
        return (
            self._chunk(task)
            or self.lease_objection(job, task, wait_seconds)
            or self._frame_money(job, task)
            or self._pace(job, task, pace, wait_seconds)
        )

    def limited_seconds(self, task: RenderTask) -> float:
        """How long a task may take by its limits, with loading."""
        return self.limits.of(task).wall_seconds(len(task.frames))

    def _chunk(self, task: RenderTask) -> str:
        """Why a chunk may take too long: if its last frame fails, all is lost."""
        frames, seconds = len(task.frames), self.limited_seconds(task)
        if frames == 1 or seconds <= self.longest_chunk:
            return ""
        setting = "chunk_seconds"
        if not self.is_backed and self.longest_chunk < self.chunk_seconds:
            setting = "new_creator_chunk_seconds, as its creator has not paid for that much yet"
        return (
            f"its {frames} frames may take {format_span(round(seconds))} by their limits, longer than "
            f"{format_span(round(self.longest_chunk))} ({setting})"
        )

    def _frame_money(self, job: Job, task: RenderTask) -> str:
        reward = int(job.terms.reward_fri / task.whole_frames)
        if reward < self.minimum_frame_reward_fri:
            return f"it pays {format_strk(reward)} for a frame, less than minimum_frame_reward_strk"
        return ""

    def _pace(self, job: Job, task: RenderTask, pace: Pace | None, wait_seconds: float) -> str:
        """Why the task cannot be done within the lease at the pace of this worker."""
        frames = len(task.frames)
        if pace is None:
            return ""
        if math.isinf(pace.frame_seconds):
            return "a frame of it took longer here than its limit"
        lease_seconds, kept = job.terms.lease_seconds, self.reserve(task)
        left = lease_seconds - kept.seconds
        if job.terms.bond_fri and (frames > 1 or wait_seconds):
            left = min(left, self.fee_share(task) * lease_seconds - kept.decoding - kept.sending)
        if (needed := wait_seconds + pace.seconds(frames)) <= left:
            return ""
        return (
            f"its {frames} frames may take {format_span(round(needed))} here, by those seen so far, and its "
            f"lease leaves {format_span(round(max(0.0, left)))} for them"
        )

    def fee_share(self, task: RenderTask | None) -> float:
        """The most of a bond that releasing this task may cost.

        A chunk of a creator who has paid for it is not stopped early: the frames that are done would be lost.
        """
        return 1.0 if self.is_backed and task and len(task.frames) > 1 else self.release_fee_share

    def unhurried_lease(self, task: RenderTask) -> int:
        """The shortest lease, in seconds, in which no render within its limits is stopped for its fee."""
        kept = self.reserve(task)
        early = (self.limited_seconds(task) + kept.decoding + kept.sending) / self.fee_share(task)
        return math.ceil(max(early, self.limited_seconds(task) + kept.seconds))

    def reserve(self, task: RenderTask | None) -> lease.Reserve:
        """The reserve of a lease after a render of this task, or before it is known."""
        width, height = (task.size if task else None) or lease.NOMINAL_SIZE
        kept = lease.reserve(
            width, height, sending_seconds=self.send_seconds, copies_seconds=self.copies_seconds
        )
        return kept if task is None or not task.has_thumbnail else lease.for_folder(kept, task)

    def shortest_lease(self, bond_fri: int, task: RenderTask | None = None, wait_seconds: float = 0.0) -> int:
        """The shortest lease, in seconds, with which a job is taken: of this task, or of any still."""
        share = self.fee_share(task) if bond_fri else 1.0
        limits = self.limits.of(task) if task else self.limits
        wall_seconds = wait_seconds + limits.wall_seconds(len(task.frames) if task else 1)
        loading_seconds = wait_seconds + self.limits.loading_seconds
        return math.ceil(lease.shortest_lease(wall_seconds, loading_seconds, self.reserve(task), share))

    def lease_objection(self, job: Job, task: RenderTask | None = None, wait_seconds: float = 0.0) -> str:
        """Why the job's lease is too short for its task, or for any if that is not known, as one clause."""
        needed = self.shortest_lease(job.terms.bond_fri, task, wait_seconds)
        if job.terms.lease_seconds >= needed:
            return ""
        size = f" with {task.size[0]} × {task.size[1]} pixels" if task and task.size else ""
        frames = f" of {len(task.frames)} frames" if task and len(task.frames) > 1 else ""
        return (
            f"its lease of {format_span(job.terms.lease_seconds)} is shorter than the "
            f"{format_span(needed)} that a job{frames}{size} may take"
        )

    def _time(self, job: Job, now: int, task: RenderTask | None) -> str:
        terms = job.terms
        if task is None and terms.deadline - now < self.begin_seconds:
            left = format_span(terms.deadline - now)
            return f"its deadline is in {left}, too soon to check its scene and claim it"
        # Without an arbiter there are no disputes, so only the review delays the pay.
        wait = terms.review_seconds + (terms.arbitration_seconds if terms.arbiter != NOBODY else 0)
        if wait > self.maximum_wait_seconds:
            most = format_span(self.maximum_wait_seconds)
            return f"its pay may take {format_span(wait)} (maximum_wait_seconds is {most})"
        return ""
