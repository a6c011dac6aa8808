"""The names of posted scenes: a note of one account in the home."""

from __future__ import annotations

import stat
from pathlib import Path

from veriframe.creator.scene_names import SceneNames


def test_the_newest_name_of_a_cid_counts(tmp_path: Path) -> None:
    """Without its folder; another account has its own note, and nobody else can read it."""
    names = SceneNames(tmp_path, "creator")
    names.note("a", Path("somewhere/old.blend"))
    names.note("b", Path("café.blend"))
    names.note("a", Path("new.blend"))
    assert names.read() == {"a": "new.blend", "b": "café.blend"}
    assert SceneNames(tmp_path, "other").read() == {}
    [file] = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_damaged_or_missing_note_costs_only_names(tmp_path: Path) -> None:
    """A job is posted whether or not its scene's name can be kept."""
    names = SceneNames(tmp_path, "creator")
    names.note("a", Path("a.blend"))
    [file] = tmp_path.iterdir()
    with file.open("ab") as stream:
        stream.write(b"\xff\x00\n[1]\n{}\n3\n")
    names.note("b", Path("b.blend"))
    assert names.read() == {"a": "a.blend", "b": "b.blend"}
    SceneNames(file, "creator").note("a", Path("a.blend"))
