"""What an arbiter looks at because a report calls it wrong."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.model.verification.test_report import EXACT, JOB, frames

from veriframe.model.verification.findings import Conclusion, FrameFinding, Subject, TileFinding
from veriframe.model.verification.report import suspects_of


def tile(
    number: int, conclusion: Conclusion = Conclusion.WRONG, subject: Subject = Subject.NOISY
) -> TileFinding:
    """A finding of a tile."""
    return replace(EXACT, tile=number, conclusion=conclusion, subject=subject)


def test_suspects() -> None:
    """The wrong tiles of the job's frames, each once; a frame that is wrong by itself has none of them."""
    whole = FrameFinding(number=3, tiles=(tile(-1),))
    itself = FrameFinding(number=4, conclusion_of_its_own=Conclusion.WRONG)
    both = FrameFinding(
        number=2,
        tiles=(tile(5), tile(6, Conclusion.UNDECIDED), tile(5, subject=Subject.DELIVERED), tile(9)),
    )
    fine = FrameFinding(number=1, tiles=(tile(8, Conclusion.EQUAL), tile(1, Conclusion.WITHHELD)))
    job = replace(JOB, frames=(fine, both, whole, itself))
    found = suspects_of([replace(JOB, job=11), job], 12)
    assert found == {2: (5, 9), 3: (), 4: ()}
    assert suspects_of([job], 13) == {}


@given(st.lists(frames, max_size=20, unique_by=lambda frame: frame.number))
@settings(deadline=None, max_examples=30)
def test_suspects_are_few(many: list[FrameFinding]) -> None:
    """fault_263: a report calls every tile wrong, to keep an arbiter busy."""
    more = tuple(replace(frame, tiles=(*frame.tiles, *map(tile, range(9)))) for frame in many)
    found = suspects_of([replace(JOB, frames=more)], 12)
    assert sum(max(1, len(tiles)) for tiles in found.values()) == min(
        16,
        sum(len({t.tile for t in f.tiles if t.tile >= 0 and t.conclusion is Conclusion.WRONG}) for f in more),
    )
    assert all(number >= 0 for tiles in found.values() for number in tiles)


def test_frames_without_tiles_are_few_as_well() -> None:
    """Each counts as one tile."""
    many = tuple(FrameFinding(number=number, conclusion_of_its_own=Conclusion.WRONG) for number in range(40))
    assert list(suspects_of([replace(JOB, frames=many)], 12)) == list(range(16))
