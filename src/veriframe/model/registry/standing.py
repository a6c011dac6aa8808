"""The standing of a worker's account at a registry that registers its workers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStanding:
    """The standing of an account. A field is None if the registry does not say.

    `may_register`: whether a worker can register itself. `is_paused`: whether the registry is paused.
    """

    may_register: bool
    is_registered: bool | None
    is_verified: bool | None
    reputation: int | None
    is_paused: bool
