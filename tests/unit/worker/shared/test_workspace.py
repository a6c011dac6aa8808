"""The worker's own disk: budget, hostile names, leftovers of killed runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from veriframe.errors import HostUnavailable
from veriframe.model.content.cid import Cid, Codec
from veriframe.ports.store import partial_name
from veriframe.worker.shared.workspace import Workspace

ABANDONED, WANTED = (str(Cid(Codec.RAW, bytes((number,)) * 32)) for number in (1, 2))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Room for 30 bytes of scenes."""
    made = Workspace(tmp_path / "work", 30)
    made.prepare()
    return made


def put(workspace: Workspace, cid: str, age: int) -> Path:
    """A fetched scene of 10 bytes that was used `age` seconds ago."""
    path = workspace.scene(cid)
    path.write_bytes(b"0123456789")
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


def test_folders_are_private(workspace: Workspace) -> None:
    """Other users of the machine cannot read fetched scenes."""
    assert workspace.scene("a").parent.stat().st_mode & 0o777 == 0o700


def test_within_the_budget_nothing_is_deleted(workspace: Workspace) -> None:
    """Exactly the budget is within it."""
    kept = [put(workspace, cid, 1) for cid in ("a", "b", "c")]
    workspace.make_room([])
    assert all(path.exists() for path in kept)


def test_the_least_recently_used_is_deleted_first(workspace: Workspace) -> None:
    """And no more than necessary."""
    old, oldest, new, newest = (
        put(workspace, cid, age) for cid, age in (("a", 8), ("b", 9), ("c", 7), ("d", 1))
    )
    assert workspace.find("b") == oldest
    workspace.make_room([])
    assert [path.exists() for path in (old, oldest, new, newest)] == [False, True, True, True]


def test_a_scene_in_use_is_never_deleted(workspace: Workspace) -> None:
    """Even if that exceeds the budget."""
    paths = [put(workspace, cid, age) for cid, age in (("a", 9), ("b", 8), ("c", 7), ("d", 6))]
    workspace.make_room(["a", "b", "c", "d"])
    assert all(path.exists() for path in paths)
    workspace.make_room(["a", "c", "d"])
    assert [path.exists() for path in paths] == [True, False, True, True]


def test_a_missing_scene_cannot_be_used(workspace: Workspace) -> None:
    """It must be fetched."""
    assert workspace.find("a") is None


@pytest.mark.parametrize(
    "cid", ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\0b", "a\nb", "a" * 129, "~", "ä", "https://x"]
)
def test_a_hostile_cid_never_becomes_a_path(workspace: Workspace, cid: str) -> None:
    """fault_1: refused before there is a path."""
    with pytest.raises(ValueError, match="not a CID"):
        workspace.scene(cid)


def test_an_emptied_folder_has_no_files_of_an_earlier_try(workspace: Workspace) -> None:
    """fault_39: new and empty for each attempt; links and folders are removed, their targets kept."""
    out = workspace.empty(workspace.rendered(7))
    (out / "0001.png").write_bytes(b"old")
    (out / "folder").mkdir()
    kept = put(workspace, "a", 1)
    (out / "link").symlink_to(kept)
    assert list(workspace.empty(out).iterdir()) == []
    assert kept.exists()


def test_the_sweep_removes_leftovers_of_killed_runs(workspace: Workspace) -> None:
    """fault_46: folders and partial fetches of finished jobs go; unfinished jobs, and scenes, stay."""
    for job_id in (1, 2):
        workspace.empty(workspace.rendered(job_id))
    scene = put(workspace, "a", 1)
    (scene.parent / ".fetch-1234").mkdir()
    (scene.parent / ".fetch-1234" / "new").write_bytes(b"half")
    (scene.parent / "half.part").write_bytes(b"half")
    half = scene.parent / partial_name(WANTED)
    half.write_bytes(b"half")
    (scene.parent / partial_name(ABANDONED)).write_bytes(b"half")
    workspace.sweep([2], [WANTED, "", "a", "veriframe"])
    assert sorted(path.name for path in (workspace.folder / "jobs").iterdir()) == ["2"]
    assert sorted(scene.parent.iterdir()) == [half, scene]


def test_the_sweep_removes_nothing_else(workspace: Workspace) -> None:
    """fault_46: only its own folders; files beside them, and targets of links, stay."""
    beside = workspace.folder.parent / "of-others"
    beside.mkdir()
    (beside / "precious").write_bytes(b"x")
    (workspace.folder / "jobs" / "9").symlink_to(beside)
    workspace.sweep([], [])
    assert (beside / "precious").exists()
    assert list((workspace.folder / "jobs").iterdir()) == []


def test_a_partial_fetch_that_is_not_needed_is_removed(workspace: Workspace) -> None:
    """fault_46: partial scenes would fill the disk; complete ones have their budget."""
    scene = put(workspace, ABANDONED, 1)
    halves = {cid: scene.parent / partial_name(cid) for cid in (ABANDONED, WANTED)}
    for half in halves.values():
        half.write_bytes(b"half")
    workspace.forget_fetch(ABANDONED)
    workspace.forget_fetch("")
    assert sorted(scene.parent.iterdir()) == [halves[WANTED], scene]


@pytest.mark.parametrize("text", ["v", "b", "", ".", "veriframe-fetch", "/", WANTED[:-1], "../x"])
def test_partial_fetches_of_other_scenes_stay(workspace: Workspace, text: str) -> None:
    """fault_91: an asset “v” removed every partial scene with that letter in its name."""
    half = workspace.scene("a").parent / partial_name(WANTED)
    half.write_bytes(b"half")
    workspace.forget_fetch(text)
    workspace.sweep([], [WANTED, text])
    assert half.exists()
    workspace.sweep([], [text])
    assert not half.exists()


def test_a_missing_scenes_folder_is_created_again(workspace: Workspace) -> None:
    """Users may delete fetched scenes at any time, with their folder."""
    scene = put(workspace, "a", 1)
    shutil.rmtree(scene.parent)
    workspace.forget_fetch("a")
    assert workspace.find("a") is None
    workspace.make_room([])
    put(workspace, "a", 1)


def test_a_start_survives_deeply_nested_leftovers(workspace: Workspace) -> None:
    """fault_92: folders too deep for recursion, left by a job, stopped this start and every later one."""
    out, here = workspace.empty(workspace.rendered(7)), os.getcwd()  # noqa: PTH109
    try:
        os.chdir(out)
        for _ in range(2_500):
            Path("d").mkdir()
            os.chdir("d")
    finally:
        os.chdir(here)
    workspace.empty(workspace.rendered(7))
    workspace.sweep([], [])
    assert list((workspace.folder / "jobs").iterdir()) == []


def test_leftovers_that_cannot_be_removed_do_no_harm(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_92: a new folder has a new name."""
    out = workspace.empty(workspace.rendered(7))
    (out / "stubborn").touch()
    monkeypatch.setattr("veriframe.disk.remove", lambda _: False)
    assert list(workspace.empty(workspace.rendered(7)).iterdir()) == []


def test_forgetting_twice_is_allowed(workspace: Workspace) -> None:
    """An interrupted clean-up is repeated."""
    out = workspace.empty(workspace.rendered(7))
    workspace.forget(7)
    workspace.forget(7)
    assert not out.exists()


def test_too_little_disk_is_reported_with_the_remedy(workspace: Workspace) -> None:
    """fault_41: with the free space, the needed space and the remedy."""
    workspace.require_free(1)
    with pytest.raises(HostUnavailable, match="disk_free_bytes"):
        workspace.require_free(2**62)


def test_a_folder_that_cannot_be_created_is_reported_with_the_remedy(tmp_path: Path) -> None:
    """A file is in the place of the folder."""
    (tmp_path / "file").touch()
    with pytest.raises(HostUnavailable, match="set home"):
        Workspace(tmp_path / "file" / "work", 1).prepare()


def test_a_published_file_replaces_an_earlier_one(workspace: Workspace) -> None:
    """A link is moved as it is: it is refused later."""
    there = workspace.validated(7)
    for content in (b"first", b"second"):
        clean = workspace.empty(workspace.rendered(7) / "1-clean")
        (clean / "0001.png").write_bytes(content)
        workspace.publish([clean / "0001.png"], there)
        assert (there / "0001.png").read_bytes() == content
    (clean / "link").symlink_to("/nowhere")
    workspace.publish([clean / "link"], there)
    assert (there / "link").is_symlink()


def test_a_file_is_moved_into_a_folder_of_its_own(workspace: Workspace) -> None:
    """What was in the folder is not mistaken for it."""
    arrived = workspace.empty(workspace.rendered(7) / "new") / "0001.png"
    (workspace.empty(alone := workspace.rendered(7) / "1") / "old.png").write_bytes(b"old")
    arrived.write_bytes(b"x")
    workspace.move([arrived], alone)
    assert [path.name for path in alone.iterdir()] == ["0001.png"]
    assert not arrived.exists()
