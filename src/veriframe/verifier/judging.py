"""Judges a part of a frame whose bits differ, by the rule between machines; and keeps the findings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from veriframe.errors import Code, RenderFailed
from veriframe.model.bundle.chunks import whole_region
from veriframe.model.rendering.frames import Region
from veriframe.model.verification.findings import Conclusion, Subject, TileFinding
from veriframe.model.verification.rule import Answer, Differences
from veriframe.model.verification.tiles import TileGrid
from veriframe.verifier import comparing
from veriframe.verifier.crops import Crop, Crops, Way
from veriframe.verifier.samples import Samples, part_of
from veriframe.verifier.values import Part, TilePicture

SETTLED_TILES, SETTLED_SHARE = 8, 0.25
"""Of at least so many tiles, at most this share may be between."""

MOST_PICTURES = 8
"""Pictures that are kept of a frame, the first ones."""

BETWEEN_SHARE = 0.01
"""The share of a whole picture's tiles that may be between."""

Take = Callable[[Crop], Samples]
"""What of a crop is compared."""

_BETWEEN = "it differs more than honest processors usually do, and less than a cheat would"
_MEANING = {
    Answer.ACCEPTED: (Conclusion.EQUAL, ""),
    Answer.REJECTED: (Conclusion.WRONG, "it differs by more than honest processors do"),
    Answer.BETWEEN: (Conclusion.UNDECIDED, _BETWEEN),
}


@dataclass(slots=True, kw_only=True)
class Judging:
    """The findings of one frame, in the order in which they are made. `size` is the whole picture's.

    `has_two_kernels`: this machine's kernels show what rounding does.
    """

    frame: int
    size: tuple[int, int]
    crops: Crops
    has_two_kernels: bool = True
    findings: list[TileFinding] = field(default_factory=list)
    pictures: list[TilePicture] = field(default_factory=list)
    _rendered: dict[tuple[Region, Way], Crop] = field(default_factory=dict)

    @property
    def is_between(self) -> bool:
        """Whether more tiles may tell: some are between, and none is wrong. An unfit machine stays so."""
        is_wrong = any(one.conclusion is Conclusion.WRONG for one in self.findings)
        return not is_wrong and any(one.reason == _BETWEEN for one in self.findings)

    @property
    def wrong_tiles(self) -> int:
        """How many tiles are wrong."""
        return len({one.tile for one in self.findings if one.conclusion is Conclusion.WRONG})

    def settle(self) -> None:
        """After enough tiles, take a few that are between as what chance explains: equal."""
        found = {one.tile: one for one in self.findings if not one.is_whole}
        between = [one for one in self.findings if not one.is_whole and one.reason == _BETWEEN]
        if len(found) >= SETTLED_TILES and len(between) <= SETTLED_SHARE * len(found):
            self.findings = [
                replace(one, conclusion=Conclusion.EQUAL, reason="") if one in between else one
                for one in self.findings
            ]

    def is_wrong(self, tile: int) -> bool:
        """Whether a picture of this tile is wrong."""
        return any(one.tile == tile and one.conclusion is Conclusion.WRONG for one in self.findings)

    def exact(self, part: Part) -> None:
        """Note equal bits, or what cannot be told from them."""
        self.found(part, Conclusion.EXACT)

    def found(
        self,
        part: Part,
        conclusion: Conclusion,
        reason: str = "",
        pictures: tuple[Samples, Samples] | None = None,
        judged: tuple[Differences, Differences, Differences] | None = None,
    ) -> None:
        """Note a finding; with our picture and theirs, and with their differences, if there are any."""
        worker, honest, early = judged or (None, None, None)
        finding = TileFinding(
            tile=part.tile,
            region=part.region,
            subject=part.subject,
            conclusion=conclusion,
            reason=reason,
            worker=worker,
            honest=honest,
            early=early,
        )
        self.findings.append(finding)
        if pictures is not None and len(self.pictures) < MOST_PICTURES:
            # Copies: a part of a decoded frame would keep all of it in memory.
            ours, theirs = (samples.copy() for samples in pictures)
            self.pictures.append(TilePicture(self.frame, part, conclusion, ours, theirs))

    async def by_rule(
        self, part: Part, ours: Crop, theirs: Samples, step: float = 0.0, take: Take | None = None
    ) -> None:
        """Judge a part whose bits differ. A rejection counts only if this machine's own renders can tell.

        `step` is what quantisation may change a value by. `take` says what of a crop is compared with theirs;
        None: the part's subject.
        """
        other = await self._again(part, Way.OTHER_KERNEL)
        early = await self._early(part, ours)
        taken = take or partial(_subject, part=part)
        a = taken(ours)
        others = taken(other), taken(early)
        is_light = part.subject is Subject.NOISY and take is None
        # In threads, since whole frames take seconds: meanwhile deliveries for other examinations go on.
        answer, judged = await asyncio.to_thread(comparing.judge, a, *others, theirs, step, is_light=is_light)
        if part.is_whole:
            answer = await asyncio.to_thread(_of_tiles, a, *others, theirs, step)
        conclusion, reason = _MEANING[answer]
        if answer is Answer.REJECTED and (why := await self._unfit(part, ours)):
            conclusion, reason = Conclusion.UNDECIDED, f"this machine {why}, so that it cannot judge"
        self.found(part, conclusion, reason, (a, theirs), judged)

    async def prepare(self, regions: Sequence[Region]) -> None:
        """Render tiles that differ in the other ways, all together, before they are judged."""
        for way in (Way.OTHER_KERNEL, Way.STOPPED_EARLY):
            try:
                crops = await self.crops.render_all(self.frame, regions, way)
            except RenderFailed:
                continue  # each tile is tried by itself
            self._rendered |= {(region, way): crop for region, crop in zip(regions, crops, strict=True)}

    async def _early(self, part: Part, ours: Crop) -> Crop:
        """The part stopped early. Where the scene allows no such render, ours: then rounding alone counts."""
        try:
            return await self._again(part, Way.STOPPED_EARLY)
        except RenderFailed as error:
            # A limit of this machine says nothing of the scene.
            if error.code is not Code.BLENDER_ERROR:
                raise
            return ours

    async def _again(self, part: Part, way: Way) -> Crop:
        """The part rendered another way, once for both of its pictures."""
        key = part.region, way
        if key not in self._rendered:
            self._rendered[key] = await self.crops.render(self.frame, part.region, way)
        return self._rendered[key]

    async def _unfit(self, part: Part, ours: Crop) -> str:
        """Why our own renders cannot tell a cheat, as one clause; empty if they can.

        Without AVX2 both kernels are one, and show nothing of what rounding does. Two kernels that agree show
        that rounding does nothing to the picture.
        """
        if not self.has_two_kernels:
            return "has one kernel only, which does not show what rounding does"
        if self.crops.sessions.has_cycle:
            return "does not know after which frames a worker evaluated the scene's dependency cycle"
        return "" if await self._repeats(part, ours) else "does not render the same bits each time"

    async def _repeats(self, part: Part, ours: Crop) -> bool:
        """Whether a fresh process renders our own bits. Asked once for each frame."""
        repeats = self.crops.sessions.repeats
        if self.frame not in repeats:
            again = await self._again(part, Way.FRESH)
            # Denoising need not repeat where rendering does.
            repeats[self.frame] = (
                again.picture_leaf == ours.picture_leaf if ours.leaf is None else again.leaf == ours.leaf
            )
        return repeats[self.frame]


def _of_tiles(ours: Samples, other: Samples, early: Samples, theirs: Samples, step: float) -> Answer:
    """The rule for each tile of a whole picture: what is wrong in one of them vanishes among all."""
    size = ours.shape[1], ours.shape[0]
    grid, here = TileGrid(*size), whole_region(size)
    between = 0
    for tile in range(grid.count):
        region = grid.region(tile)
        a, s, e, w = (part_of(samples, region, here) for samples in (ours, other, early, theirs))
        answer, _ = comparing.judge(a, s, e, w, step)
        if answer is Answer.REJECTED:
            return answer
        between += answer is Answer.BETWEEN
    # Of many honest tiles, chance leaves a few between.
    return Answer.BETWEEN if between > grid.count * BETWEEN_SHARE else Answer.ACCEPTED


def _subject(crop: Crop, part: Part) -> Samples:
    found = crop.noisy if part.subject is Subject.NOISY else crop.picture
    assert found is not None, "the task has a proof"
    return found
