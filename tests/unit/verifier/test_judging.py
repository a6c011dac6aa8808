"""When a verifier's own renders cannot tell a cheat, and tiles that are half hair."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from veriframe.errors import Code, RenderFailed
from veriframe.model.rendering.frames import Region
from veriframe.model.verification.findings import Conclusion, Subject, TileFinding
from veriframe.model.verification.rule import Answer
from veriframe.verifier import comparing
from veriframe.verifier.crops import Crop, Way
from veriframe.verifier.judging import _BETWEEN, Judging
from veriframe.verifier.samples import Samples
from veriframe.verifier.values import Part

REGION = Region(left=0, top=0, width=64, height=64)
PART = Part(0, REGION, Subject.NOISY)
DICE = np.random.default_rng(1)
OURS = DICE.uniform(0.2, 0.8, (64, 64, 4)).astype(np.float32)


def moved(by: float) -> Samples:
    """Our pixels, each changed by a share of up to so much."""
    return (OURS * (1 + DICE.uniform(-by, by, OURS.shape))).astype(np.float32)


def crop(pixels: Samples) -> Crop:
    """A crop with these pixels."""
    leaf = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Crop(picture=pixels, picture_leaf=leaf, noisy=pixels, leaf=leaf)


@dataclass
class Repeats:
    """What is known of this machine: nothing yet."""

    repeats: dict[int, bool] = field(default_factory=dict)
    has_cycle: bool = False


@dataclass
class Ready:
    """Crops that were rendered before, by the way of rendering."""

    pixels: Mapping[Way, Samples]
    sessions: Repeats = field(default_factory=Repeats)

    async def render(self, frame: int, wanted: Region, way: Way = Way.OURS) -> Crop:
        """The one of this way."""
        return crop(self.pixels[way])


@dataclass
class Failing(Ready):
    """The early stop fails with this code."""

    code: Code = Code.BLENDER_ERROR

    async def render(self, frame: int, wanted: Region, way: Way = Way.OURS) -> Crop:
        """The one of this way."""
        if way is Way.STOPPED_EARLY:
            raise RenderFailed(self.code, "it failed")
        return crop(self.pixels[way])


async def judged(
    other: Samples, early: Samples, fresh: Samples, theirs: Samples, *, has_two_kernels: bool = True
) -> tuple[Conclusion, str]:
    """What is found of a worker's tile."""
    ready = Ready({Way.OTHER_KERNEL: other, Way.STOPPED_EARLY: early, Way.FRESH: fresh})
    judging = Judging(
        frame=1,
        size=(640, 640),
        crops=ready,  # type: ignore[arg-type]
        has_two_kernels=has_two_kernels,
    )
    await judging.by_rule(PART, crop(OURS), theirs)
    (finding,) = judging.findings
    return finding.conclusion, finding.reason


async def test_a_cheat_is_wrong_and_rounding_is_not() -> None:
    """On a machine whose two kernels round differently."""
    rounded, early = moved(1e-6), moved(0.02)
    assert (await judged(rounded, early, OURS, moved(0.05)))[0] is Conclusion.WRONG
    assert (await judged(rounded, early, OURS, moved(1e-6)))[0] is Conclusion.EQUAL


async def test_a_machine_with_one_kernel_rejects_nothing() -> None:
    """fault_350: without AVX2 both kernels are one: honest work would look like a cheat.

    Also where the early stop changes nothing, as where adaptive sampling ended before it.
    """
    for early in (moved(0.02), OURS):
        found, reason = await judged(OURS, early, OURS, moved(0.05), has_two_kernels=False)
        assert found is Conclusion.UNDECIDED
        assert "one kernel only" in reason
    assert (await judged(OURS, moved(0.02), OURS, OURS, has_two_kernels=False))[0] is Conclusion.EQUAL


async def test_two_kernels_that_agree_reject_a_cheat() -> None:
    """fault_335: flat colours are the same on all processors, and a cheat of them is wrong."""
    assert (await judged(OURS, moved(0.02), OURS, moved(0.05)))[0] is Conclusion.WRONG


async def test_a_tile_that_no_sample_changes_is_still_judged() -> None:
    """Where neither rounding nor samples change a bit, any other pixel is wrong."""
    assert (await judged(OURS, OURS, OURS, moved(0.05)))[0] is Conclusion.WRONG


@pytest.mark.parametrize(("rounding", "theirs"), [(1e-6, 2e-6), (1e-6, 3e-6), (1e-5, 2e-5), (3e-7, 1e-6)])
async def test_rounding_is_no_cheat_where_the_early_stop_shows_nothing(
    rounding: float, theirs: float
) -> None:
    """fault_351: an honest processor may round by two or three times as much as our two kernels differ."""
    other, worker = moved(rounding), moved(theirs)
    with_it, without = [(await judged(other, early, OURS, worker))[0] for early in (moved(0.02), OURS)]
    assert with_it is without is not Conclusion.WRONG
    assert (await judged(other, OURS, OURS, moved(0.001)))[0] is Conclusion.WRONG


async def test_an_early_stop_that_this_machine_cannot_render_decides_nothing() -> None:
    """fault_351: out of time or memory, it is no scene that cannot be stopped early."""
    for code, falls_back in ((Code.BLENDER_ERROR, True), (Code.TIMEOUT, False), (Code.OOM, False)):
        ready = Failing({Way.OTHER_KERNEL: moved(1e-6), Way.FRESH: OURS}, code=code)
        judging = Judging(frame=1, size=(640, 640), crops=ready)  # type: ignore[arg-type]
        with nullcontext() if falls_back else pytest.raises(RenderFailed):
            await judging.by_rule(PART, crop(OURS), moved(1e-6))
        assert bool(judging.findings) is falls_back


async def test_a_machine_that_does_not_repeat_its_bits_rejects_nothing() -> None:
    """The fresh process renders something else."""
    found, reason = await judged(moved(1e-6), moved(0.02), moved(1e-6), moved(0.05))
    assert found is Conclusion.UNDECIDED
    assert "the same bits each time" in reason


async def test_a_scene_with_a_cycle_rejects_nothing() -> None:
    """fault_360: what Blender evaluates depends on what it evaluated before, and a worker did otherwise."""
    ready = Ready({Way.OTHER_KERNEL: moved(1e-6), Way.STOPPED_EARLY: moved(0.02), Way.FRESH: OURS})
    ready.sessions.has_cycle = True
    judging = Judging(frame=1, size=(640, 640), crops=ready)  # type: ignore[arg-type]
    await judging.by_rule(PART, crop(OURS), moved(0.05))
    (finding,) = judging.findings
    assert finding.conclusion is Conclusion.UNDECIDED
    assert "dependency cycle" in finding.reason


def half_hair(share: float, dice: np.random.Generator) -> Samples:
    """Our pixels as another processor renders them: in this share of them, rounding grows by chance."""
    grown = 10 ** dice.normal(-2, 0.5, OURS.shape[:2]) * (dice.random(OURS.shape[:2]) < share)
    return (OURS * (1 + np.maximum(grown, 1e-7)[..., None])).astype(np.float32)


@pytest.mark.parametrize("share", [0.24, 0.26, 0.5, 0.74, 0.76, 1.0])
@pytest.mark.parametrize("is_stopped", [True, False])
def test_tiles_that_are_partly_hair_are_accepted(share: float, is_stopped: bool) -> None:
    """Chance decides on which side of the edge a quantile lies; two honest processors differ by that."""
    early, dice = moved(0.02) if is_stopped else OURS, np.random.default_rng(2)
    answers = [
        comparing.judge(OURS, half_hair(share, dice), early, half_hair(share, dice))[0] for _ in range(60)
    ]
    assert set(answers) == {Answer.ACCEPTED}


def undecided(tile: int, conclusion: Conclusion = Conclusion.EQUAL, reason: str = "") -> TileFinding:
    """What was found of a tile."""
    return TileFinding(tile=tile, region=REGION, subject=Subject.NOISY, conclusion=conclusion, reason=reason)


@pytest.mark.parametrize(
    ("tiles", "between", "settled"), [(16, 4, True), (8, 2, True), (16, 5, False), (4, 1, False)]
)
def test_a_few_tiles_between_are_chance(tiles: int, between: int, settled: bool) -> None:
    """Of enough tiles; a tile that this machine cannot judge stays undecided."""
    judging = Judging(frame=1, size=(640, 640), crops=None)  # type: ignore[arg-type]
    unsure = undecided(0, Conclusion.UNDECIDED, _BETWEEN)
    judging.findings = [replace(unsure, tile=n) if n < between else undecided(n) for n in range(tiles)]
    judging.settle()
    assert (Conclusion.UNDECIDED not in {one.conclusion for one in judging.findings}) is settled
    judging.findings = [undecided(n, Conclusion.UNDECIDED, "unfit") for n in range(tiles)]
    judging.settle()
    assert {one.conclusion for one in judging.findings} == {Conclusion.UNDECIDED}
