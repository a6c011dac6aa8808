"""The tables in docs/verification.md: a row for each result, and what a row counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.verification import page
from tests.integration.verification.cheats import CHEATS
from tests.integration.verification.honest import HONEST
from tests.integration.verification.table import CLASSES, wrong_tiles

from veriframe.model.rendering.frames import Region
from veriframe.model.verification.findings import Conclusion, FrameFinding, Subject, TileFinding
from veriframe.ports.renderer import Kernel

PART = Region(left=0, top=0, width=64, height=64)


def test_each_cheat_has_its_row() -> None:
    """For each class of worker, with the conclusion that it must have; `make cheats` measures them."""
    rows = {cells[:2]: cells[2] for cells in page.rows_of("cheats")}
    assert rows == {
        (cheat.name, CLASSES[kernel]): cheat.conclusion for cheat in CHEATS for kernel in cheat.kernels
    }


def test_each_honest_result_has_its_row() -> None:
    """No false alarm, and what is undecided says why; `make honest` measures them."""
    rows = {name: said for name, *said in page.rows_of("honest")}
    assert {name: [one.partition(":")[0] for one in said] for name, said in rows.items()} == {
        one.name: [one.expected.get(kernel, "") for kernel in Kernel] for one in HONEST
    }
    conclusions = {conclusion for one in HONEST for conclusion in one.expected.values()}
    assert conclusions <= {Conclusion.EXACT, Conclusion.EQUAL, Conclusion.UNDECIDED}


def test_a_table_is_read_as_it_was_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the page stays as it is; a page without a place for it is refused."""
    file = tmp_path / "page.md"
    file.write_text("before\n<!-- one: begin --><!-- one: end -->\nafter\n")
    monkeypatch.setattr(page, "PAGE", file)
    for rows in ([("a", ""), ("b", "2")], [("c", "3")]):
        page.put("one", page.markdown(("name", "number"), rows))
        assert page.rows_of("one") == rows
        text = file.read_text()
        assert text.startswith("before\n<!-- one: begin -->\n")
        assert text.endswith("<!-- one: end -->\nafter\n")
    with pytest.raises(ValueError, match="two"):
        page.put("two", "")


def tile(number: int, subject: Subject, conclusion: Conclusion = Conclusion.EXACT) -> TileFinding:
    """A finding of a tile; -1 is the whole picture."""
    return TileFinding(tile=number, region=PART, subject=subject, conclusion=conclusion)


def test_wrong_tiles_are_those_that_a_draw_would_show() -> None:
    """Those that are wrong, and those whose picture only the whole can judge; each must be compared."""
    frame = FrameFinding(
        number=1,
        tiles=(
            tile(0, Subject.NOISY),
            tile(0, Subject.DELIVERED),
            tile(1, Subject.NOISY, Conclusion.WRONG),
            tile(2, Subject.NOISY),
            tile(-1, Subject.DELIVERED, Conclusion.WRONG),
            tile(3, Subject.NOISY),
            tile(3, Subject.DELIVERED, Conclusion.WRONG),
            tile(4, Subject.NOISY, Conclusion.EQUAL),
            tile(4, Subject.DELIVERED, Conclusion.EQUAL),
        ),
    )
    assert wrong_tiles(frame, 5) == {1, 2, 3}
    with pytest.raises(AssertionError):
        wrong_tiles(frame, 6)
