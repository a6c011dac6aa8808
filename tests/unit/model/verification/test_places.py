"""Paths, hosts and users are taken out of texts, and nothing else is; test_report.py has what goes."""

from __future__ import annotations

import pytest

from veriframe.model.verification.places import PLACE, without_places


@pytest.mark.parametrize(
    "text", ["it has 64×36 pixels, and 1/16 and 4.5.15 LTS", "R/G/B of 3 / 4: a and/or b", "nothing"]
)
def test_other_words_stay(text: str) -> None:
    """What only looks a little like a path."""
    assert without_places(text, 100) == text


def test_what_is_left_beside_a_place() -> None:
    """It may look like a place only then."""
    assert without_places("10.0.0.7:1/secret", 100) == PLACE * 2


def test_texts_are_bounded() -> None:
    """And have no hidden characters."""
    assert len(without_places("/a b" * 1000, 100)) <= 100
    assert without_places("a\u202eb", 100) == "a\ufffdb"
