"""Judges a part of a frame whose bits differ, by the rule between machines; and keeps the findings."""

from __future__ import annotations

from dataclasses import dataclass, field

from veriframe.model.rendering.frames import Region
from veriframe.model.verification import rule
from veriframe.model.verification.findings import Conclusion, Subject, TileFinding
from veriframe.model.verification.rule import Answer, Differences
from veriframe.verifier import comparing
from veriframe.verifier.crops import Crop, Crops, Samples, Way
from veriframe.verifier.values import Part, TilePicture

_MEANING = {
    Answer.ACCEPTED: (Conclusion.EQUAL, ""),
    Answer.REJECTED: (Conclusion.WRONG, "it differs by more than honest processors do"),
    Answer.BETWEEN: (
        Conclusion.UNDECIDED,
        "it differs more than honest processors usually do, and less than a cheat would",
    ),
}


@dataclass(slots=True, kw_only=True)
class Judging:
    """The findings of one frame, in the order in which they are made. `size` is the whole picture's."""

    frame: int
    size: tuple[int, int]
    crops: Crops
    findings: list[TileFinding] = field(default_factory=list)
    pictures: list[TilePicture] = field(default_factory=list)
    _rendered: dict[tuple[Region, Way], Crop] = field(default_factory=dict)

    @property
    def is_between(self) -> bool:
        """Whether more tiles may tell: some are undecided, and none is wrong."""
        found = {finding.conclusion for finding in self.findings}
        return Conclusion.UNDECIDED in found and Conclusion.WRONG not in found

    @property
    def wrong_tiles(self) -> int:
        """How many tiles are wrong."""
        return len({one.tile for one in self.findings if one.conclusion is Conclusion.WRONG})

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
        if pictures is not None:
            self.pictures.append(TilePicture(self.frame, part, conclusion, *pictures))

    async def by_rule(self, part: Part, ours: Crop, theirs: Samples, step: float = 0.0) -> None:
        """Judge a part whose bits differ. A rejection counts only if this machine's own renders can tell.

        `step` is what quantisation may change a value by.
        """
        other = await self._again(part, Way.OTHER_KERNEL)
        early = await self._again(part, Way.STOPPED_EARLY)
        a = _subject(ours, part)
        others = _subject(other, part), _subject(early, part)
        worker, honest, stop = comparing.judged(a, *others, theirs, step)
        answer = rule.judge(worker, honest, stop)
        conclusion, reason = _MEANING[answer]
        if answer is Answer.REJECTED and (why := await self._unfit(part, ours, other, early)):
            conclusion, reason = Conclusion.UNDECIDED, f"this machine {why}, so that it cannot judge"
        self.found(part, conclusion, reason, (a, theirs), (worker, honest, stop))

    async def _again(self, part: Part, way: Way) -> Crop:
        """The part rendered another way, once for both of its pictures."""
        key = part.region, way
        if key not in self._rendered:
            self._rendered[key] = await self.crops.render(self.frame, part.region, way)
        return self._rendered[key]

    async def _unfit(self, part: Part, ours: Crop, other: Crop, early: Crop) -> str:
        """Why our own renders cannot tell a cheat, as one clause; empty if they can.

        Without AVX2 both kernels are one: then they show nothing of what rounding does, although samples do
        change the picture.
        """
        if _leaf(other, part) == _leaf(ours, part) != _leaf(early, part):
            return "has one kernel only, which does not show what rounding does"
        return "" if await self._repeats(part, ours) else "does not render the same bits twice"

    async def _repeats(self, part: Part, ours: Crop) -> bool:
        """Whether a fresh process renders our own bits again. Asked once for each asset."""
        sessions = self.crops.sessions
        if sessions.repeats is None:
            again = await self._again(part, Way.FRESH)
            sessions.repeats = (again.leaf, again.picture_leaf) == (ours.leaf, ours.picture_leaf)
        return sessions.repeats


def _subject(crop: Crop, part: Part) -> Samples:
    found = crop.noisy if part.subject is Subject.NOISY else crop.picture
    assert found is not None, "the task has a proof"
    return found


def _leaf(crop: Crop, part: Part) -> str | None:
    return crop.leaf if part.subject is Subject.NOISY else crop.picture_leaf
