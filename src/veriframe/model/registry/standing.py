"""How a worker's account stands at a registry that wants to know its workers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStanding:
    """What a registry says of its worker's account. None where it does not tell.

    `may_register`: whether the worker itself can ask to be taken in. `is_paused`: nobody can act there.
    """

    may_register: bool
    is_registered: bool | None
    is_verified: bool | None
    reputation: int | None
    is_paused: bool
