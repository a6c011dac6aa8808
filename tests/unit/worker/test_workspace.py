"""The worker's own disk: budget, hostile names, what a killed run left."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from veriframe.errors import HostUnavailable
from veriframe.model.content.cid import Cid, Codec
from veriframe.model.rendering.frames import Frame, Rendering
from veriframe.ports.store import partial_name
from veriframe.worker.workspace import Workspace

ABANDONED, WANTED = (str(Cid(Codec.RAW, bytes((number,)) * 32)) for number in (1, 2))
RENDERING = Rendering(
    frames=(Frame(number=1, file="0001.png", width=9, height=5, seconds=1.5, peak_memory_bytes=7),),
    seconds=2.5,
    peak_memory_bytes=8,
)


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


def test_folders_are_the_workers_alone(workspace: Workspace) -> None:
    """Nobody else on the machine reads strangers' scenes here."""
    assert workspace.scene("a").parent.stat().st_mode & 0o777 == 0o700


def test_within_the_budget_nothing_goes(workspace: Workspace) -> None:
    """Exactly the budget is within it."""
    kept = [put(workspace, cid, 1) for cid in ("a", "b", "c")]
    workspace.make_room([])
    assert all(path.exists() for path in kept)


def test_the_longest_unused_goes_first(workspace: Workspace) -> None:
    """And no more than must."""
    old, oldest, new, newest = (
        put(workspace, cid, age) for cid, age in (("a", 8), ("b", 9), ("c", 7), ("d", 1))
    )
    assert workspace.use(oldest)
    workspace.make_room([])
    assert [path.exists() for path in (old, oldest, new, newest)] == [False, True, True, True]


def test_a_scene_in_use_never_goes(workspace: Workspace) -> None:
    """Even where the budget cannot be held then."""
    paths = [put(workspace, cid, age) for cid, age in (("a", 9), ("b", 8), ("c", 7), ("d", 6))]
    workspace.make_room(["a", "b", "c", "d"])
    assert all(path.exists() for path in paths)
    workspace.make_room(["a", "c", "d"])
    assert [path.exists() for path in paths] == [True, False, True, True]


def test_a_scene_that_is_not_there_cannot_be_used(workspace: Workspace) -> None:
    """It must be fetched."""
    assert not workspace.use(workspace.scene("a"))


@pytest.mark.parametrize(
    "cid", ["", ".", "..", "../x", "/etc/passwd", "a/b", "a\0b", "a\nb", "a" * 129, "~", "ä", "https://x"]
)
def test_a_hostile_cid_never_becomes_a_path(workspace: Workspace, cid: str) -> None:
    """fault_1: refused before there is a path."""
    with pytest.raises(ValueError, match="no CID"):
        workspace.scene(cid)


def test_an_emptied_folder_has_nothing_of_an_earlier_try(workspace: Workspace) -> None:
    """fault_39: new and empty for each attempt, with links and folders gone and their targets kept."""
    out = workspace.empty(workspace.rendered(7))
    (out / "0001.png").write_bytes(b"old")
    (out / "folder").mkdir()
    kept = put(workspace, "a", 1)
    (out / "link").symlink_to(kept)
    assert list(workspace.empty(out).iterdir()) == []
    assert kept.exists()


def test_a_rendering_is_remembered(workspace: Workspace) -> None:
    """For a restart between rendering and proving."""
    assert workspace.rendering(7) is None
    workspace.empty(workspace.rendered(7))
    workspace.note_rendering(7, RENDERING)
    assert workspace.rendering(7) == RENDERING


@pytest.mark.parametrize("content", [b"", b"{", b'{"frames": 3}', b"\xff", b"[]"])
def test_a_damaged_note_of_a_rendering_is_none(workspace: Workspace, content: bytes) -> None:
    """It counts as gone, and not as a bug."""
    (workspace.rendered(7).parent).mkdir()
    (workspace.rendered(7).parent / "rendering.json").write_bytes(content)
    assert workspace.rendering(7) is None


def test_the_sweep_removes_what_killed_runs_left(workspace: Workspace) -> None:
    """fault_46: folders of finished jobs and fetches for them go; unfinished jobs, and scenes, stay."""
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


def test_the_sweep_touches_nothing_else(workspace: Workspace) -> None:
    """fault_46: only the own folders; what lies beside them, and what links lead to, stays."""
    beside = workspace.folder.parent / "of-others"
    beside.mkdir()
    (beside / "precious").write_bytes(b"x")
    (workspace.folder / "jobs" / "9").symlink_to(beside)
    workspace.sweep([], [])
    assert (beside / "precious").exists()
    assert list((workspace.folder / "jobs").iterdir()) == []


def test_a_fetch_that_nobody_waits_for_goes(workspace: Workspace) -> None:
    """fault_46: what strangers' scenes left half-done would fill the disk; whole ones have their budget."""
    scene = put(workspace, ABANDONED, 1)
    halves = {cid: scene.parent / partial_name(cid) for cid in (ABANDONED, WANTED)}
    for half in halves.values():
        half.write_bytes(b"half")
    workspace.forget_fetch(ABANDONED)
    workspace.forget_fetch("")
    assert sorted(scene.parent.iterdir()) == [halves[WANTED], scene]


@pytest.mark.parametrize("text", ["v", "b", "", ".", "veriframe-fetch", "/", WANTED[:-1], "../x"])
def test_nobody_removes_anothers_half_done_scene(workspace: Workspace, text: str) -> None:
    """fault_91: an asset “v” removed every half-done scene with that letter in its name."""
    half = workspace.scene("a").parent / partial_name(WANTED)
    half.write_bytes(b"half")
    workspace.forget_fetch(text)
    workspace.sweep([], [WANTED, text])
    assert half.exists()
    workspace.sweep([], [text])
    assert not half.exists()


def test_a_scenes_folder_that_is_gone_is_made_again(workspace: Workspace) -> None:
    """Fetched scenes may be deleted at any time, with their folder: nothing waits for it for ever."""
    scene = put(workspace, "a", 1)
    shutil.rmtree(scene.parent)
    workspace.forget_fetch("a")
    assert not workspace.use(scene)
    workspace.make_room([])
    put(workspace, "a", 1)


def test_a_start_outlives_what_a_scene_has_left(workspace: Workspace) -> None:
    """fault_92: folders too deep for a recursion, left by a job, stopped this start and every later one."""
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


def test_what_cannot_be_removed_stands_in_nobodys_way(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fault_92: a new folder is new by its name, too."""
    out = workspace.empty(workspace.rendered(7))
    (out / "stubborn").touch()
    monkeypatch.setattr("veriframe.disk.remove", lambda _: False)
    assert list(workspace.empty(workspace.rendered(7)).iterdir()) == []


def test_forgetting_is_no_error_twice(workspace: Workspace) -> None:
    """A cut-off clean-up is repeated."""
    out = workspace.empty(workspace.rendered(7))
    workspace.forget(7)
    workspace.forget(7)
    assert not out.exists()


def test_too_little_disk_is_said_with_the_remedy(workspace: Workspace) -> None:
    """fault_41: how much there is, how much is wanted, what to do."""
    workspace.require_free(1)
    with pytest.raises(HostUnavailable, match="disk_free_bytes"):
        workspace.require_free(2**62)


def test_a_folder_that_cannot_be_made_is_said_with_the_remedy(tmp_path: Path) -> None:
    """A file lies where the folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(HostUnavailable, match="set home"):
        Workspace(tmp_path / "file" / "work", 1).prepare()


def test_the_proved_frames_are_brought_to_the_disk(workspace: Workspace) -> None:
    """Links and folders among them are left alone: they are refused later."""
    clean = workspace.empty(workspace.validated(7))
    (clean / "0001.png").write_bytes(b"x")
    (clean / "link").symlink_to("/nowhere")
    (clean / "folder").mkdir()
    workspace.sync(clean)
