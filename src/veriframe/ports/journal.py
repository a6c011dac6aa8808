"""The journal: a worker's attempts and failures."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.failure import Failure


class Journal(Protocol):
    """A worker's attempts and failures, durable before `move` returns. Raises `HostUnavailable`."""

    @abstractmethod
    def add(self, attempt: Attempt) -> bool:
        """Add a new attempt. Returns False if there already is one on this job."""

    @abstractmethod
    def get(self, job_id: int) -> Attempt | None:
        """The attempt at a job, or None."""

    @abstractmethod
    def move(self, before: Attempt, after: Attempt) -> None:
        """Replace `before` by `after` if the journal still has `before`'s stage (compare-and-set).

        Otherwise raises `RuntimeError`: two processes use one journal, which is a bug.
        """

    @abstractmethod
    def unfinished(self) -> Sequence[Attempt]:
        """The attempts whose stage is not an end, oldest first."""

    @abstractmethod
    def attempts(self) -> Sequence[Attempt]:
        """All attempts, oldest first."""

    @abstractmethod
    def belongs_to(self, identity: str) -> str:
        """The registry of this journal: the first identity recorded, which is `identity` in a new journal."""

    @abstractmethod
    def note_failure(self, failure: Failure) -> None:
        """Record why a scene failed, so that it is not tried forever. The oldest entries may be dropped."""

    @abstractmethod
    def failures(self) -> Sequence[Failure]:
        """All recorded failures, oldest first."""

    @abstractmethod
    def forget_failures(self, asset_cid: str | None = None) -> int:
        """Delete the failures of one scene, or of all. Returns their number."""
