"""The tree keeps its rooms: their size, their picture, and the words that are no longer used."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
from tools import rooms_picture

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "veriframe"
MOST_LINES = 300
MOST_MODULES = 16
QUESTION = re.compile(r"^\| (?P<question>[^|]+\?) \| `(?P<path>[^`|]+)` \| (?P<line>[^|]+) \|$", re.MULTILINE)


def _tracked(*patterns: str) -> list[Path]:
    told = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in told.stdout.split("\0") if name and (ROOT / name).is_file()]


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def test_no_file_is_longer_than_it_may_be() -> None:
    """A longer file has more than one subject."""
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in _tracked("*.py")}
    assert {str(path.relative_to(ROOT)): n for path, n in lines.items() if n > MOST_LINES} == {}
    assert len(lines) > 300


def test_no_room_holds_more_than_it_may() -> None:
    """A package with more modules has rooms of its own."""
    rooms = [path.parent for path in SOURCE.rglob("__init__.py")]
    modules = {room: len(list(room.glob("*.py"))) - 1 for room in rooms}
    assert {str(room.relative_to(SOURCE)): n for room, n in modules.items() if n > MOST_MODULES} == {}
    assert len(rooms) > 20


def test_each_room_says_what_it_is_for() -> None:
    """By the first line of its package."""
    assert [str(path) for path in SOURCE.rglob("__init__.py") if not _first_line(path)] == []


def test_each_room_with_rooms_has_its_order() -> None:
    """import-linter orders the layers of every package that has packages in it, and of the largest ones."""
    ordered = set(rooms_picture.read_layers())
    nested = {path.parent.parent for path in SOURCE.rglob("__init__.py") if path.parent != SOURCE}
    names = {".".join(("veriframe", *room.relative_to(SOURCE).parts)) for room in nested}
    assert names - ordered <= {"veriframe.adapters"}  # their order is that there is none


def test_the_picture_of_the_rooms_is_true() -> None:
    """`python tools/rooms_picture.py` draws it anew."""
    assert rooms_picture.PICTURE.read_text(encoding="utf-8") == rooms_picture.draw()


def test_questions_are_answered_by_paths_and_first_lines() -> None:
    """CONTRIBUTING.md has ten at least; each names a file and quotes its first line."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    answers = {found["path"]: found["line"] for found in QUESTION.finditer(page)}
    assert answers == {path: _first_line(SOURCE / path) for path in answers}
    assert len(answers) >= 10


RETIRED = {
    "wall": r"wall(s|ed)?(?![ _-](clock|time|seconds|limit))",
    "stranger": r"strangers?",
    "reckon": r"reckon(s|ed|ing)?",
    "wish": r"wish(es|ed)?",
    "parcel": r"parcels?",
    "cargo": r"cargo(?! (install|build|\"Rust))",
    "customs": r"customs",
    "purse": r"purses?",
    "shelf": r"shel(f|ves)",
    "bait": r"baits?",
    "caution": r"caution(s|ed|ary)?",
    "upkeep": r"upkeep",
    "patience": r"(im)?patien(ce|t|tly)",
    "sighting": r"sightings?",
    "unheard": r"unheard",
    "manieth": r"manieth",
    "place": r"seats?",
    "PROVED": r"PROVED",
}
"""Words of our own that were replaced by the field's, by how they are found."""

ALLOWED = (
    "CHANGELOG.md",
    "tests/unit/test_rooms.py",
    # A migration and its test.
    "src/veriframe/adapters/sqlite_journal/schema.py",
    "tests/unit/adapters/sqlite_journal/test_migrations.py",
    # Text of the contract's source, with names of its own.
    "tests/integration/contract_mutants.py",
)


@pytest.mark.parametrize("word", RETIRED)
def test_retired_words_stay_retired(word: str) -> None:
    """Outside the glossary's "formerly" column, the changelog and migrations."""
    # Letters, not word boundaries: an underscore joins words of an identifier.
    whole = rf"(?<![A-Za-z])({RETIRED[word]})(?![A-Za-z])"
    pattern = re.compile(whole, re.IGNORECASE if word.islower() else 0)
    found: list[str] = []
    for path in _tracked("*.py", "*.md", "*.toml", "*.yaml", "Makefile", "Dockerfile", "tools/*"):
        name = str(path.relative_to(ROOT))
        if name in ALLOWED:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            text = line.rpartition("|")[0].rpartition("|")[0] if name == "docs/glossary.md" else line
            if pattern.search(text):
                found.append(f"{name}:{number}: {line.strip()}")
    assert found == []
