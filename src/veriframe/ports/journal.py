"""The journal: a worker's attempts, their frames, and its failures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Protocol

from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.failure import Failure
from veriframe.model.attempt.stakes import CreatorTotals
from veriframe.model.registry.job import Address
from veriframe.model.rendering.frames import SpooledFrame


class Journal(Protocol):
    """A worker's attempts, their frames, and its failures; durable before a method returns.

    A job may be tried again after an attempt has ended, so it may have several, but only one that is live.
    A method that is cancelled completes its work before it raises the cancellation. All raise
    `HostUnavailable`.
    """

    @abstractmethod
    async def start(self, attempt: Attempt) -> Attempt:
        """Store a new attempt. Returns it with its number.

        Raises `RuntimeError` if another attempt at the job is live.
        """

    @abstractmethod
    async def record(self, before: Attempt, after: Attempt) -> None:
        """Replace `before` by `after` if the journal still has `before`'s stage (compare-and-set).

        May also revive an attempt that has ended. Raises `RuntimeError` if the stage is another, since two
        processes use one journal, which is a bug; or if another attempt at the job is live.
        """

    @abstractmethod
    async def live(self) -> Sequence[Attempt]:
        """The attempts that have not ended, oldest first."""

    @abstractmethod
    async def history(self) -> Sequence[Attempt]:
        """All attempts that were not compacted, oldest first."""

    @abstractmethod
    async def creator_totals(self) -> Mapping[Address, CreatorTotals]:
        """What each creator paid and cost in attempts that were compacted."""

    @abstractmethod
    async def compact(self, before: float) -> int:
        """Fold attempts that ended before `before` (Unix seconds) into the totals of their creators.

        Deletes them and their frames. Returns how many.
        """

    @abstractmethod
    async def note_frame(self, attempt: Attempt, frame: SpooledFrame) -> None:
        """Store a frame of an attempt, in place of an earlier one of the same number."""

    @abstractmethod
    async def frames(self, attempt: Attempt) -> Sequence[SpooledFrame]:
        """The stored frames of an attempt, by number."""

    @abstractmethod
    async def forget_frames(self, attempt: Attempt) -> None:
        """Delete the frames of an attempt."""

    @abstractmethod
    async def belongs_to(self, identity: str) -> str:
        """The registry of this journal: the first identity recorded, which is `identity` in a new journal."""

    @abstractmethod
    async def note_failure(self, failure: Failure) -> None:
        """Record why a scene failed, so that it is not tried forever. The oldest entries may be dropped."""

    @abstractmethod
    async def failures(self) -> Sequence[Failure]:
        """All recorded failures, oldest first."""

    @abstractmethod
    async def forget_failures(self, asset_cid: str | None = None) -> int:
        """Delete the failures of one scene, or of all. Returns their number."""

    @abstractmethod
    async def close(self) -> None:
        """Close the journal. Afterwards every other method raises `HostUnavailable`."""
