"""The draw is repeatable, fair, and the same for a longer check as for a shorter one."""

from __future__ import annotations

import hashlib
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.model.verification.draw import Draw, draw_frames, draw_tiles, odds, seed_of

SEED = seed_of(0x1234, 7, "bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4")


def test_the_seed_is_specified_to_the_byte() -> None:
    """docs/verification.md: SHA-256 of one line with the block's hash, the job and the result."""
    line = b"veriframe-draw 1 0x1234 7 bafkreigl4xh567bbdcu4hv4o6hlij45pucesae2srbsetidkmui4733uu4\n"
    assert hashlib.sha256(line).digest() == SEED


def test_a_draw_is_specified_to_the_byte() -> None:
    """The first 8 bytes of SHA-256 of seed, purpose, space and counter, below the bound."""
    first = hashlib.sha256(SEED + b"frames 0").digest()
    assert Draw(SEED, "frames").below(1000) == int.from_bytes(first[:8], "big") % 1000


@pytest.mark.parametrize("changed", [(0x1235, 7, "a"), (0x1234, 8, "a"), (0x1234, 7, "b")])
def test_everything_that_is_committed_to_changes_the_seed(changed: tuple[int, int, str]) -> None:
    """Another block, job or result draws otherwise."""
    assert seed_of(0x1234, 7, "a") != seed_of(*changed)


def test_numbers_are_equally_likely() -> None:
    """3000 draws below 3: each number about 1000 times."""
    draw = Draw(SEED, "test")
    counts = Counter(draw.below(3) for _ in range(3000))
    assert all(900 < counts[number] < 1100 for number in range(3))


@pytest.mark.parametrize(("frames", "drawn"), [(1, 1), (4, 4), (5, 4), (10, 4), (16, 4), (17, 5), (250, 16)])
def test_each_of_a_few_frames_and_the_square_root_of_many(frames: int, drawn: int) -> None:
    """In the job's order, none twice."""
    found = draw_frames(SEED, range(1, frames + 1))
    assert len(found) == drawn
    assert sorted(set(found)) == list(found)


def test_each_frame_is_drawn_at_times() -> None:
    """Over many seeds, each of 10 frames is drawn."""
    seen = {frame for n in range(50) for frame in draw_frames(seed_of(n, 1, "a"), range(10))}
    assert seen == set(range(10))


@given(
    tiles=st.integers(1, 600),
    flat=st.sets(st.integers(0, 599)),
    wanted=st.integers(0, 40),
    block=st.integers(0, 2**252),
)
def test_tiles_are_drawn_once_each_and_a_longer_check_continues_a_shorter_one(
    tiles: int, flat: set[int], wanted: int, block: int
) -> None:
    """Also where all tiles are flat, or none is."""
    seed = seed_of(block, 1, "a")
    drawn = draw_tiles(seed, 3, tiles, sorted(flat), wanted)
    assert len(drawn) == len(set(drawn)) == min(wanted, tiles)
    assert set(drawn) <= set(range(tiles))
    assert drawn == draw_tiles(seed, 3, tiles, sorted(flat), 600)[: len(drawn)]


def test_every_second_tile_is_drawn_from_all() -> None:
    """The first one, too, so that a picture that was made flat is seen; the others are not flat."""
    flat = list(range(50, 100))
    places: list[Counter[bool]] = [Counter() for _ in range(4)]
    for n in range(200):
        for place, tile in enumerate(draw_tiles(seed_of(n, 1, "a"), 1, 100, flat, 4)):
            places[place][tile in flat] += 1
    assert (places[1][True], places[3][True]) == (0, 0)
    assert all(70 < places[place][True] < 130 for place in (0, 2))


def test_a_picture_that_was_made_flat_is_seen() -> None:
    """fault_291: four tiles were rendered, and 506 made flat: no draw leaves all of these out."""
    flat = list(range(4, 510))
    assert all(set(draw_tiles(seed_of(n, 1, "a"), 1, 510, flat, 4)) & set(flat) for n in range(100))


def test_the_frame_changes_its_tiles() -> None:
    """Each frame is drawn for by itself."""
    assert draw_tiles(SEED, 1, 500, [], 8) != draw_tiles(SEED, 2, 500, [], 8)


@pytest.mark.parametrize(
    ("share", "drawn", "of"),
    [(1.0, 1, 1), (0.5, 4, 8), (0.1, 4, 60), (0.1, 30, 40), (0.01, 4, 135), (0.0, 9, 60), (0.5, 0, 10)],
)
def test_odds(share: float, drawn: int, of: int) -> None:
    """None is drawn twice: the cheat is missed if all drawn ones are among the good ones."""
    bad = max(1, math.floor(share * of)) if share else 0
    assert odds(share, drawn, of) == pytest.approx(1 - math.comb(of - bad, drawn) / math.comb(of, drawn))


def test_odds_are_certain_only_if_nothing_is_left() -> None:
    """All tiles show every cheat, even of one tile; of many, a few never show it for certain."""
    assert odds(0.01, 6, 6) == odds(0.01, 135, 135) == 1
    assert odds(0.01, 134, 135) < 1
    assert 0.999 < odds(0.5, 1000, 10**8) < 1
    assert odds(0.1, 4, 10**9) == pytest.approx(1 - 0.9**4), "of very many, each draw is as the first"
