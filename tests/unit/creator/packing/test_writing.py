"""Copying a bundle's files: within the room, and with one look at each for paths of this machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from veriframe.creator.packing import writing
from veriframe.creator.packing.values import Found, TakenFile
from veriframe.errors import Code, JobRejected, SettingsError
from veriframe.model.bundle.travel import Kind
from veriframe.model.rendering.scene import BlenderVersion, SceneHeader, Wrapping

HEADER = SceneHeader(version=BlenderVersion(4, 5), wrapping=Wrapping.PLAIN, blocks=1, unpacked_bytes=1)


def _found(folder: Path, size_bytes: int) -> Found:
    """A scene with one sparse volume of this size."""
    volume = folder / "smoke.vdb"
    with volume.open("wb") as stream:
        os.truncate(stream.fileno(), size_bytes)
    file = TakenFile(
        kind=Kind.VOLUME,
        source=volume,
        real=volume,
        place="smoke.vdb",
        size_bytes=size_bytes,
        is_outside=False,
    )
    scene = folder / "shot.blend"
    return Found(
        scene=scene, header=HEADER, files=(file,), libraries={}, paths={str(volume): "smoke.vdb"}, left_out=()
    )


def test_files_of_any_size_are_counted_before_they_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_289: a sparse file of a terabyte takes no disk where it is, and all of it in a bundle."""
    found = _found(tmp_path, 2**40)
    with pytest.raises(JobRejected, match="bundle_bytes") as refused:
        writing.require_room(found, tmp_path, 2**34)
    assert refused.value.code is Code.TOO_LARGE
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**40 - 1))
    with pytest.raises(SettingsError, match="free"):
        writing.require_room(found, tmp_path, 2**41)
    writing.require_room(_found(tmp_path, 2**40 - 1), tmp_path, 2**41)


def test_traces_are_found_at_the_longest(tmp_path: Path) -> None:
    """fault_289: with one look for each pair of folders, whatever the number of words."""
    words = [b"/home/ann", b"/home/ann/film", *(b"/home/ann/film/%04d" % n for n in range(2000)), b"/data/x"]
    file = tmp_path / "a.abc"
    file.write_bytes(b"..../home/ann/film/1999/tree.abc \0 /home/annex /data/y /home/ann/film")
    assert writing._traces(file, "a.abc", words) == ["a.abc: /home/ann/film/1999"]
    file.write_bytes(b"/home/ann;/data/x/y")
    assert writing._traces(file, "a.abc", words) == ["a.abc: /data/x", "a.abc: /home/ann"]
    file.write_bytes(b"/home/an, /data, /DATA/X")
    assert writing._traces(file, "a.abc", words) == []
