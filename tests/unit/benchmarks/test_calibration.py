"""The figures by which the rule of verification was fixed, and the tables that docs/verification.md shows."""

from __future__ import annotations

import pytest
from benchmarks.calibration import figures, table
from benchmarks.calibration.cases import PLACES, Case, Crop, Machine
from benchmarks.calibration.figures import Figure

from veriframe.model.verification import rule
from veriframe.model.verification.rule import Answer

FOUND = figures.read()


def ids(one: Figure) -> str:
    """A figure's name."""
    return f"{one.scene}-{one.place}-{one.samples}-{one.adaptive}-{one.way}"


@pytest.mark.parametrize("one", [one for one in FOUND if one.is_honest], ids=ids)
def test_no_honest_pair_is_rejected(one: Figure) -> None:
    """The rule as it is now, on what was measured."""
    assert rule.judge(*one.differences) is not Answer.REJECTED


@pytest.mark.parametrize("one", [one for one in FOUND if "1/2" in one.way or "seed" in one.way], ids=ids)
def test_half_the_work_and_another_seed_are_rejected_everywhere(one: Figure) -> None:
    """In the hardest scenes, too.

    Never accepted where adaptive sampling ends most pixels before half; nor in dense fur another seed, which
    saves no work, and half of 1024 samples.
    """
    answer = rule.judge(*one.differences)
    is_dense = (one.scene, one.place) == ("fur", "place2") and ("seed" in one.way or one.samples >= 1024)
    if (one.adaptive and one.exact > 0.5) or is_dense:
        assert answer is not Answer.ACCEPTED
    else:
        assert answer is Answer.REJECTED


def test_all_scenes_were_measured() -> None:
    """The answers kept are those of the present rule."""
    assert {one.scene for one in FOUND if not one.is_honest} == set(PLACES)
    assert {one.way for one in FOUND if one.is_honest} >= {"4.5.0", "another processor"}
    assert [one.answer for one in FOUND] == [rule.judge(*one.differences).value for one in FOUND]


def test_the_page_shows_these_figures() -> None:
    """Nobody wrote into its tables by hand."""
    page = table.PAGE.read_text("utf-8")
    assert table.with_tables(page, FOUND) == page
    assert "| fur |" in page


def test_few_samples_have_few_shares() -> None:
    """Of 16 samples, 63/64 is what 15/16 is: it is rendered once."""
    names = [way.name for way in Case(Crop("fur", "x", 0.5, 0.5), 16, False).ways((Machine.OWN,))]
    assert "15/16 of the sequence" in names
    assert "63/64 of the sequence" not in names
