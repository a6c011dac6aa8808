"""Scenes that failed here: which are not tried again, for which creators, and until when."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict

from veriframe.errors import Code
from veriframe.model.attempt.attempt import Attempt, Stage
from veriframe.model.attempt.failure import Failure
from veriframe.model.registry.job import Address
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.rendering.scene import SceneLimits
from veriframe.ports.journal import Journal
from veriframe.ports.renderer import RendererFacts

FAILED_RENDERS = 2
"""After this many failed renders, the same bytes are not tried again. One may be bad luck."""

KEPT_SECONDS = 7 * 86400.0
"""A failure counts for a week: a machine may be repaired without a trace in its settings."""

READ_SECONDS = 60.0
"""How often the journal is read again."""

VERDICTS = frozenset(
    (
        *(Code.BAD_CID, Code.NOT_A_FILE, Code.TOO_LARGE),
        *(Code.NOT_BLEND, Code.TRUNCATED, Code.BOMB, Code.VERSION, Code.CORRUPT),
        *(Code.NO_CAMERA, Code.NO_RENDER_LAYER, Code.MISSING_FILES, Code.RESOLUTION, Code.SAMPLES),
        *(Code.ENGINE, Code.NOT_STILL, Code.UNREPEATABLE, Code.FRAME_RANGE),
        *(Code.BAD_BUNDLE, Code.OVERRIDE),
    )
)
"""Refusals that follow from bytes, limits and build alone: one ends all jobs of the scene."""

NOT_THE_BYTES = frozenset(
    (
        *(Code.LOST, Code.CANCELLED, Code.LEASE, Code.STOPPED),  # time and other workers
        *(Code.NOT_FOUND, Code.UPLOAD),  # the store
        Code.PARTS,  # an order
        *(Code.DISK, Code.GPU, Code.SANDBOX, Code.CLASS),  # this machine
    )
)
"""Failures that say nothing about the scene's bytes: not counted, except against a creator's own leases."""


def conditions(facts: RendererFacts, render: RenderLimits, scene: SceneLimits) -> str:
    """Returns a digest of what decides whether a scene fails here: the Blender build, and all limits."""
    facts_and_limits = {
        "blender": [facts.program, facts.version_text, facts.build_hash],
        "render": asdict(render),
        "scene": asdict(scene),
    }
    return hashlib.sha256(json.dumps(facts_and_limits, sort_keys=True).encode()).hexdigest()[:16]


class Failures:
    """What the journal knows of scenes that failed under the present conditions.

    `clock` gives Unix seconds: failures older than `KEPT_SECONDS` do not count.
    """

    def __init__(self, journal: Journal, under: str, clock: Callable[[], float]) -> None:
        """`under` is the digest of the present conditions. Call `read` before use."""
        self._journal, self._conditions, self._clock = journal, under, clock
        self._by_asset: defaultdict[str, list[Failure]] = defaultdict(list)
        self._rendered: set[tuple[str, Address]] = set()
        self._recorded: set[str] = set()
        self._read_at = -math.inf

    async def read(self, history: Sequence[Attempt] = ()) -> None:
        """Reads the journal if that is long ago: the user may have removed a failure.

        `history`: attempts of earlier runs. Raises `HostUnavailable`.
        """
        self._rendered |= {(a.asset_cid, a.creator) for a in history if _is_rendered(a)}
        if self._clock() - self._read_at < READ_SECONDS:
            return
        self._read_at = self._clock()
        failures = await self._journal.failures()
        self._by_asset.clear()
        self._recorded = {failure.asset_cid for failure in failures}
        for failure in failures:
            if failure.conditions == self._conditions:
                self._by_asset[failure.asset_cid].append(failure)

    def objection(self, asset_cid: str, creator: Address) -> str:
        """Returns why jobs of this creator with this scene are skipped, as one clause, or an empty text."""
        is_own = (asset_cid, creator) in self._rendered
        live = [
            one
            for one in self._live(asset_cid)
            # For a creator whose job with this scene was rendered here, only that creator's later failures
            # count.
            if one.creator == creator or not (is_own or one.code is Code.LEASE)
        ]
        for failure in live:
            if failure.code in VERDICTS:
                return f"its scene was refused here before ({failure.code})"
        if len(live) >= FAILED_RENDERS:
            return f"its scene has failed here {len(live)} times (last: {live[-1].code})"
        return ""

    def note(self, attempt: Attempt) -> None:
        """Takes note that an attempt has failed, or that it was submitted, before the next claim."""
        if _is_rendered(attempt):
            self._rendered.add((attempt.asset_cid, attempt.creator))
            self._by_asset.pop(attempt.asset_cid, None)
        elif _counts(attempt):
            self._by_asset[attempt.asset_cid].append(self._failure(attempt))

    async def record(self, attempt: Attempt) -> None:
        """Records in the journal how an attempt that was noted has ended. Raises `HostUnavailable`."""
        if _is_rendered(attempt):
            if attempt.asset_cid in self._recorded:
                await self._journal.forget_failures(attempt.asset_cid)
                self._recorded.discard(attempt.asset_cid)
        elif _counts(attempt):
            self._recorded.add(attempt.asset_cid)
            await self._journal.note_failure(self._failure(attempt))

    def _failure(self, attempt: Attempt) -> Failure:
        assert attempt.code is not None
        return Failure(
            asset_cid=attempt.asset_cid,
            creator=attempt.creator,
            code=attempt.code,
            detail=attempt.detail,
            conditions=self._conditions,
            at=self._clock(),
        )

    def _live(self, asset_cid: str) -> list[Failure]:
        oldest = self._clock() - KEPT_SECONDS
        return [failure for failure in self._by_asset.get(asset_cid, ()) if failure.at >= oldest]


def _is_rendered(attempt: Attempt) -> bool:
    return attempt.stage in (Stage.SUBMITTED, Stage.PAID)


def _counts(attempt: Attempt) -> bool:
    if attempt.code is Code.LEASE:
        # A creator may offer the same short lease again; it says nothing about the bytes or other creators'
        # jobs.
        return attempt.stage in (Stage.FAILED, Stage.RELEASED)
    ends = (Stage.REFUSED, Stage.FAILED, Stage.RELEASED)
    return attempt.stage in ends and attempt.code is not None and attempt.code not in NOT_THE_BYTES
