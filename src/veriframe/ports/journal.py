"""The journal: what this worker has done."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from veriframe.model.attempt.attempt import Attempt
from veriframe.model.attempt.failure import Failure


class Journal(Protocol):
    """What this worker has done, durable before `move` returns. Raises `HostUnavailable`."""

    @abstractmethod
    def add(self, attempt: Attempt) -> bool:
        """Note a new attempt. False where one on this job is already there."""

    @abstractmethod
    def get(self, job_id: int) -> Attempt | None:
        """The attempt on a job."""

    @abstractmethod
    def move(self, before: Attempt, after: Attempt) -> None:
        """Replace `before` by `after`, only if `before`'s stage is still the journal's (compare-and-set).

        Raises `RuntimeError` where it is not: two processes work on one journal, which is a bug.
        """

    @abstractmethod
    def unfinished(self) -> Sequence[Attempt]:
        """The attempts whose stage is not an end, oldest first."""

    @abstractmethod
    def attempts(self) -> Sequence[Attempt]:
        """All attempts, oldest first."""

    @abstractmethod
    def belongs_to(self, identity: str) -> str:
        """The registry that this journal is about: what was noted first, `identity` where nothing was."""

    @abstractmethod
    def note_failure(self, failure: Failure) -> None:
        """Keep why a scene failed, so that the same bytes are not tried for ever. The oldest may go."""

    @abstractmethod
    def failures(self) -> Sequence[Failure]:
        """What has failed here, oldest first."""

    @abstractmethod
    def forget_failures(self, asset_cid: str | None = None) -> int:
        """Forget the failures of one scene, or of all. Returns how many there were."""
