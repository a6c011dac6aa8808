"""Sentences and tables where an encoding lacks their characters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich import box
from rich.console import Console
from rich.table import Table

from veriframe.readable import IN_ASCII, READABLE

SOURCE = Path(__file__).parents[2] / "src" / "veriframe"


def test_what_stands_for_a_character_is_ascii() -> None:
    """fault_105: whatever the encoding is, it has that."""
    assert all(len(letter) == 1 and text.isascii() for letter, text in IN_ASCII.items())


@pytest.mark.parametrize(
    ("text", "written"),
    [("0x1234…abcd → 2×3", "0x1234...abcd -> 2x3"), ("“10⁻¹⁸”", '"10^-18"'), ("日", "\\u65e5")],
)
def test_other_characters_are_escaped(text: str, written: str) -> None:
    """fault_105: nothing is lost, and nothing raises."""
    assert text.encode("ascii", READABLE).decode("ascii") == written


def test_a_table_of_rich_keeps_its_lines() -> None:
    """fault_105: each line of a table on a terminal is as long as before."""
    table = Table("one", "two", box=box.HEAVY_HEAD)
    table.add_row("1", "2")
    console = Console(width=40, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(table)
    drawn = captured.get()
    assert "┏" in drawn
    written = drawn.encode("ascii", READABLE).decode("ascii")
    assert "\\" not in written
    assert [len(line) for line in written.splitlines()] == [len(line) for line in drawn.splitlines()]


def test_every_character_of_our_sentences_has_its_ascii() -> None:
    """fault_105: all those of `cli/`."""
    found = set[str]()
    for path in (SOURCE / "cli").rglob("*.py"):
        found |= set(re.findall(r"[^\x00-\x7f]", path.read_text(encoding="utf-8")))
    assert {letter for letter in found if "\\" in letter.encode("ascii", READABLE).decode("ascii")} == set()
