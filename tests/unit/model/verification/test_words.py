"""Verifications in words: one line, one sentence, and the odds of a cheat."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from veriframe.model.rendering.frames import Region
from veriframe.model.verification import words
from veriframe.model.verification.findings import (
    NOTHING_CHECKED,
    Conclusion,
    FrameFinding,
    JobFinding,
    Subject,
    TileFinding,
)

HERE = Region(left=0, top=0, width=64, height=64)
JOB = JobFinding(
    job=12,
    order=3,
    asset_cid="a",
    result_cid="r",
    seed_block=1,
    seed="00" * 32,
    blender="4.5",
    build_hash="b",
    machine_class="c",
    tiles_of_frame=100,
    frames_of_job=10,
)


def tile(number: int, conclusion: Conclusion = Conclusion.EXACT) -> TileFinding:
    """A finding of one tile; -1 is the whole frame."""
    return TileFinding(tile=number, region=HERE, subject=Subject.NOISY, conclusion=conclusion)


def frame(number: int, *tiles: TileFinding, is_whole: bool = False) -> FrameFinding:
    """A frame with these findings."""
    return FrameFinding(number=number, tiles=tiles, is_whole=is_whole)


DENOISED = "denoised again and every pixel compared"
FOUR = tuple(frame(number, *map(tile, range(4))) for number in range(4))
WHOLE = frame(5, tile(-1), is_whole=True)


def missed(bad: int, drawn: int, of: int) -> float:
    """How likely none of the drawn ones is bad."""
    return math.comb(of - bad, drawn) / math.comb(of, drawn)


def test_each_conclusion_has_a_sentence() -> None:
    """Of its own."""
    assert set(words.MEANING) == set(Conclusion)
    assert len(set(words.MEANING.values())) == len(Conclusion)


@pytest.mark.parametrize(
    ("finding", "line"),
    [
        (replace(JOB, frames=FOUR), "job 12: exact: 16 tiles of 4 of 10 frames rendered again"),
        (
            replace(JOB, frames=FOUR, frames_of_job=4),
            "job 12: exact: 16 tiles of all 4 frames rendered again",
        ),
        (
            replace(JOB, frames=(frame(1, tile(0, Conclusion.WRONG)),), frames_of_job=1),
            "job 12: wrong: 1 tile of its frame rendered again",
        ),
        (replace(JOB, frames=(WHOLE,), frames_of_job=1), "job 12: exact: the whole frame rendered again"),
        (
            replace(JOB, frames=(*FOUR, WHOLE)),
            "job 12: exact: 16 tiles of 4 of 10 frames and 1 of 10 whole frames rendered again",
        ),
        (
            # A whole frame that was denoised again was not rendered again.
            replace(JOB, frames=(frame(1, tile(3), tile(-1)),)),
            f"job 12: exact: 1 tile of 1 of 10 frames rendered again, 1 whole proof {DENOISED}",
        ),
        (
            replace(JOB, frames=tuple(frame(n, tile(3), tile(-1)) for n in range(3))),
            f"job 12: exact: 3 tiles of 3 of 10 frames rendered again, 3 whole proofs {DENOISED}",
        ),
        (
            replace(JOB, frames=(frame(1, tile(3), tile(-1)),), frames_of_job=1),
            f"job 12: exact: 1 tile of its frame rendered again, its whole proof {DENOISED}",
        ),
        (
            replace(JOB, conclusion_of_its_own=Conclusion.WITHHELD),
            "job 12: withheld: nothing was rendered again",
        ),
        (JOB, "job 12: undecided: nothing was rendered again"),
    ],
)
def test_one_line(finding: JobFinding, line: str) -> None:
    """What was concluded, and from how much."""
    assert words.summary(finding) == line


def test_a_reason_says_where() -> None:
    """A tile with the pixel at which it begins; what was denoised again is no tile."""
    there = Region(left=320, top=384, width=64, height=64)
    bad = replace(tile(95, Conclusion.WRONG), region=there, reason="it differs")
    assert replace(JOB, frames=(frame(1, bad),)).why == "Frame 1, tile 95, at pixel 320, 384: it differs"
    whole = replace(bad, tile=-1)
    for is_whole in (True, False):
        found = replace(JOB, frames=(frame(1, whole, is_whole=is_whole),))
        assert found.why == "Frame 1, the whole picture: it differs"


def test_nothing_is_proved_by_nothing() -> None:
    """fault_264: no frame was checked, so that nothing contradicts the result."""
    right = replace(JOB, job=13, frames=FOUR)
    assert (right.conclusion, right.why) == (Conclusion.EXACT, "")
    empty = replace(JOB, frames=(frame(1),))
    for nothing in (JOB, empty):
        assert (nothing.conclusion, nothing.why) == (Conclusion.UNDECIDED, NOTHING_CHECKED)
    mixed = "Of 2 results, it cannot be decided here whether that of job 12"
    assert words.verdict([JOB, right]).startswith(mixed)
    assert words.verdict([]) == "No result was verified."


def test_the_verdict_is_of_the_worst() -> None:
    """And names the jobs that have it, but not hundreds of them."""
    right = replace(JOB, frames=FOUR)
    wrong = replace(JOB, job=13, conclusion_of_its_own=Conclusion.WRONG)
    assert words.verdict([right]) == "The result of job 12 is the same here in every part that was checked."
    assert words.verdict([right, wrong]) == "Of 2 results, that of job 13 is not what was ordered."
    many = [replace(wrong, job=number) for number in range(20)]
    assert "7 and 12 more are not" in words.verdict(many)


def test_odds() -> None:
    """By tiles if a cheat is spread, by frames if it fills some of them."""
    one, ten, half = words.odds_of(replace(JOB, frames=FOUR))
    assert one.spread == pytest.approx(1 - missed(10, 16, 1000))
    assert ten.spread == pytest.approx(1 - missed(100, 16, 1000))
    assert half.spread == pytest.approx(1 - missed(500, 16, 1000))
    assert one.in_frames == ten.in_frames == pytest.approx(1 - missed(1, 4, 10))
    assert half.in_frames == pytest.approx(1 - missed(5, 4, 10))
    assert words.odds_of(replace(JOB, frames=FOUR, frames_of_job=4))[0].in_frames == 1


def test_odds_of_all_tiles() -> None:
    """Each cheat was seen if every tile was drawn: 100 %."""
    every = frame(1, *map(tile, range(6)))
    odds = words.odds_of(replace(JOB, frames=(every,), frames_of_job=1, tiles_of_frame=6))
    assert [words.percent(row.spread) for row in odds] == ["100 %"] * 3
    few = words.odds_of(replace(JOB, frames=(every,), frames_of_job=1, tiles_of_frame=8))
    assert few[0].spread == pytest.approx(6 / 8)


@pytest.mark.parametrize("conclusion", [Conclusion.WRONG, Conclusion.WITHHELD])
def test_no_odds_of_what_is_at_fault(conclusion: Conclusion) -> None:
    """The cheat was seen: nobody asks how likely that was."""
    assert words.odds_of(replace(JOB, frames=FOUR, conclusion_of_its_own=conclusion)) == ()
    assert words.odds_of(replace(JOB, frames=(frame(1, tile(0), tile(1, conclusion)),))) == ()


def test_odds_count_only_what_was_settled() -> None:
    """A tile that could not be judged shows no cheat; a whole frame shows all of its tiles."""
    unsure = frame(1, tile(0, Conclusion.UNDECIDED), tile(1, Conclusion.UNDECIDED), tile(2, Conclusion.EQUAL))
    assert words.odds_of(replace(JOB, frames=(unsure,)))[0].spread == pytest.approx(0.01)
    assert words.odds_of(replace(JOB, frames=(WHOLE,)))[0].spread == pytest.approx(1 - missed(10, 100, 1000))
    denoised = frame(5, tile(-1), tile(0))
    assert words.odds_of(replace(JOB, frames=(denoised,)))[0].spread == pytest.approx(0.01)
    assert words.odds_of(JOB) == ()


@pytest.mark.parametrize(
    ("share", "text"), [(0.01, "1 %"), (0.1485, "14.8 %"), (0.99999, "over 99.9 %"), (1, "100 %"), (0, "0 %")]
)
def test_probabilities(share: float, text: str) -> None:
    """Three digits, and no certainty that there is not."""
    assert words.percent(share) == text
