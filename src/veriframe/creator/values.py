"""The values that the creator's steps return: a draft, a posted order, a followed job and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from veriframe.creator.files import Stamp
from veriframe.model.attempt.proportion import TermsWarning
from veriframe.model.registry.history import JobHistory
from veriframe.model.registry.job import Terms
from veriframe.model.registry.job_status import JobStatus
from veriframe.model.registry.offer import Offer
from veriframe.model.rendering.scene import SceneHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A scene that passed the header check, and the cost of posting it. Nothing is public or paid yet.

    `terms` are computed at this moment; `post` computes the deadline again. `warnings` are about terms out of
    proportion.
    """

    scene: Path
    stamp: Stamp
    header: SceneHeader
    offer: Offer
    terms: Terms
    deposit_fri: int
    warnings: tuple[TermsWarning, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A posted order. `deposited_fri` was taken from the wallet."""

    jobs: tuple[int, ...]
    asset_cid: str
    terms: Terms
    deposited_fri: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A downloaded result: a PNG file, judged by its first bytes, which also give its size in pixels."""

    path: Path
    result_cid: str
    size_bytes: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A downloaded file of a dispute, of which nothing is known but its CID: anyone may have written it."""

    path: Path
    cid: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A job at one poll, with its history. `is_news`: a move was made, or a time limit passed."""

    status: JobStatus
    history: JobHistory
    is_news: bool
