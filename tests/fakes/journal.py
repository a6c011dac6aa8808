"""A journal in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from veriframe.errors import HostUnavailable
from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.failure import Failure
from veriframe.model.attempt.stakes import CreatorTotals, fold
from veriframe.model.registry.job import Address
from veriframe.model.rendering.frames import SpooledFrame
from veriframe.ports.journal import Journal


class FakeJournal(Journal):
    """Attempts in a dictionary. `moves` lists the new attempts; every call raises `fault` while it is set."""

    def __init__(self) -> None:
        self.tries: dict[int, Attempt] = {}
        self.moves: list[Attempt] = []
        self.failed: list[Failure] = []
        self.identity = ""
        self.fault: Exception | None = None
        self._frames: defaultdict[int, dict[int, SpooledFrame]] = defaultdict(dict)
        self._totals: dict[Address, CreatorTotals] = {}
        self._last = 0

    @property
    def by_job(self) -> Mapping[int, Attempt]:
        """The newest attempt at each job."""
        return {attempt.job_id: attempt for attempt in self.tries.values()}

    def put(self, attempt: Attempt) -> Attempt:
        """Stores a new attempt without any check. Returns it with its number."""
        self._last += 1
        self.tries[self._last] = numbered = replace(attempt, number=self._last)
        return numbered

    async def start(self, attempt: Attempt) -> Attempt:
        """Stores a new attempt. Returns it with its number."""
        self._fail()
        self._alone(replace(attempt, number=0))
        return self.put(attempt)

    async def record(self, before: Attempt, after: Attempt) -> None:
        """Replaces an attempt by the next one."""
        self._fail()
        if (before.number, before.job_id) != (after.number, after.job_id):
            raise ValueError(f"from an attempt at job {before.job_id} to another at job {after.job_id}")
        there = self.tries.get(before.number)
        if there is None or there.stage is not before.stage:
            raise RuntimeError(f"The attempt at job {before.job_id} is not at {before.stage}.")
        self._alone(after)
        self.tries[before.number] = after
        self.moves.append(after)

    async def live(self) -> Sequence[Attempt]:
        """Returns the attempts that have not ended, oldest first."""
        return [attempt for attempt in await self.history() if not attempt.stage.is_end]

    async def history(self) -> Sequence[Attempt]:
        """Returns all attempts, oldest first."""
        self._fail()
        return list(self.tries.values())

    async def creator_totals(self) -> Mapping[Address, CreatorTotals]:
        """Returns the totals of compacted attempts."""
        self._fail()
        return dict(self._totals)

    async def compact(self, before: float) -> int:
        """Folds attempts into the totals of their creators. Returns how many."""
        self._fail()
        old = [a for a in self.tries.values() if a.ended_at is not None and a.ended_at < before]
        for attempt in old:
            del self.tries[attempt.number]
            self._frames.pop(attempt.number, None)
        self._totals = fold(self._totals, old)
        return len(old)

    async def note_frame(self, attempt: Attempt, frame: SpooledFrame) -> None:
        """Stores a frame."""
        self._fail()
        self._frames[attempt.number][frame.number] = frame

    async def frames(self, attempt: Attempt) -> Sequence[SpooledFrame]:
        """Returns the frames of an attempt, by number."""
        self._fail()
        kept = self._frames[attempt.number]
        return [kept[number] for number in sorted(kept)]

    async def forget_frames(self, attempt: Attempt) -> None:
        """Deletes the frames of an attempt."""
        self._fail()
        self._frames.pop(attempt.number, None)

    async def belongs_to(self, identity: str) -> str:
        """Returns the identity of the first call."""
        self._fail()
        self.identity = self.identity or identity
        return self.identity

    async def note_failure(self, failure: Failure) -> None:
        """Records a failure."""
        self._fail()
        self.failed.append(failure)

    async def failures(self) -> Sequence[Failure]:
        """Returns the failures."""
        self._fail()
        return list(self.failed)

    async def forget_failures(self, asset_cid: str | None = None) -> int:
        """Deletes failures. Returns how many."""
        self._fail()
        kept = [one for one in self.failed if asset_cid not in (None, one.asset_cid)]
        forgotten = len(self.failed) - len(kept)
        self.failed = kept
        return forgotten

    async def close(self) -> None:
        """Makes every later call fail."""
        self.fault = HostUnavailable("The journal is closed.")

    def _alone(self, attempt: Attempt) -> None:
        """Raises `RuntimeError` if `attempt` and another attempt at its job would both be live."""
        others = [a for a in self.tries.values() if a.job_id == attempt.job_id and a.number != attempt.number]
        if not attempt.stage.is_end and any(not other.stage.is_end for other in others):
            raise RuntimeError(f"Another attempt at job {attempt.job_id} is live.")

    def _fail(self) -> None:
        if self.fault is not None:
            raise self.fault
