"""What the arbiter needs from whoever examines a disputed result."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Protocol

from veriframe.model.registry.job import Job, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an examination says of a disputed job. `reason` is one sentence, or two.

    `verdict` is None if it cannot be decided here. `report` is a JSON document, which is published.
    """

    verdict: Verdict | None
    reason: str
    report: bytes


class Judge(Protocol):
    """Examines disputed results."""

    @abstractmethod
    async def judge(self, job: Job, seed_block: int) -> Judgement:
        """Examine a disputed job by what is drawn from the hash of `seed_block`, which exists.

        Raises `Unavailable` if it may be decided later, and `SettingsError`.
        """
