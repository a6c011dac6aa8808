"""Real scenes are packed in a real sandbox: every kind of file, and what an unknown scene names."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration import packing_scenes

from veriframe.adapters.blender import runtimes
from veriframe.adapters.blender.packer import BlenderPacker
from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.creator.packing.packing import Packing
from veriframe.errors import Code, JobRejected
from veriframe.model.bundle.options import BundleOptions
from veriframe.model.rendering.checks import read_header
from veriframe.model.rendering.frames import RenderLimits
from veriframe.model.rendering.scene import BlenderVersion, SceneHeader, SceneLimits

pytestmark = pytest.mark.slow


def packing() -> Packing:
    """As the wiring builds it, in the strictest sandbox."""
    runtime, sandbox, limits = runtimes.BpyWheel(), BubblewrapSandbox(), RenderLimits()
    renderer = BlenderRenderer(runtime, sandbox, limits=limits)
    return Packing(packer=BlenderPacker(runtime, sandbox, limits), renderer=renderer, limits=SceneLimits())


def state(folder: Path) -> dict[Path, tuple[str, int]]:
    """Digest and time of every file."""
    return {path: (_digest(path), path.stat().st_mtime_ns) for path in _files(folder)}


def digests(folder: Path) -> dict[str, str]:
    """Digests by the paths within the folder."""
    return {str(path.relative_to(folder)): _digest(path) for path in _files(folder)}


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def _disk(path: Path) -> int:
    return path.stat().st_dev


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("where", ["beside", "parent", "absolute"])
async def test_every_kind_of_file_travels_from_every_place(where: str, tmp_path: Path) -> None:
    """The bundle holds them all, renders as the original does, and tells nothing of this machine.

    The original is only read. A second artist with the same files in another folder gets the same bytes.
    """
    root, other = tmp_path / "planted-anna", tmp_path / "planted-robert" / "deeper"
    home = root / "work" / "shots"
    files = {"beside": home / "maps", "parent": root / "work" / "maps", "absolute": root / "maps"}[where]
    scene = packing_scenes.every_kind(home, files, where)
    scenes, bundles = [scene, scene], []
    if where != "absolute":
        shutil.copytree(root, other)
        scenes[1] = other / scene.relative_to(root)
    before, packer = state(root), packing()
    for number, each in enumerate(scenes):
        found = await packer.find(each)
        packed = await packer.write(found, tmp_path / str(number), BundleOptions())
        assert packed.left_out == ()
        if number == 0:
            # What an export wrote about itself is the only thing that cannot be rewritten, and is told.
            assert {trace.partition(": ")[0].rpartition("/")[2] for trace in packed.traces} == {"a.abc"}
        assert bool(found.outside) == (where != "beside")
        bundles.append(packed.folder)
    assert state(root) == before
    names = {Path(path).name for path in digests(bundles[0])}
    assert names >= packing_scenes.TAKEN
    assert "unused.png" not in names
    assert len([name for name in names if name.endswith(".bphys")]) == 3
    assert not any("baked_cone" in path for path in digests(bundles[0]))  # it is in the scene
    assert digests(bundles[0]) == digests(bundles[1])
    assert [path.name for path in _files(bundles[0]) if b"planted" in path.read_bytes()] == ["a.abc"]
    compared = await packer.compare(found, packed)
    assert compared.is_equal, compared.difference


async def test_a_bundle_that_lacks_a_file_does_not_render_the_same(tmp_path: Path) -> None:
    """So that equal pixels mean that nothing is missing: each file of the scene is seen in its picture."""
    scene = packing_scenes.every_kind(tmp_path / "shots", tmp_path / "maps", "absolute")
    packer = packing()
    found = await packer.find(scene)
    packed = await packer.write(found, tmp_path / "bundle", BundleOptions(frames=(2,)))
    unseen = []
    # The comparison ends at the first frame, so that another tile or picture of the sequence is not seen.
    others = {"frame_001.png", "frame_003.png", "bell.wav"}
    for path in _files(packed.folder):
        is_seen = path.suffix not in {".json", ".bphys", ".blend"} or "_000002_" in path.name
        if path.name in others or not is_seen or path == packed.scene:
            continue
        hidden = path.rename(tmp_path / "hidden")
        if (await packer.compare(found, packed)).is_equal:
            unseen.append(path.name)
        hidden.rename(path)
    assert unseen == []


async def test_an_unknown_scene_takes_nothing_private_along(tmp_path: Path) -> None:
    """Keys, pipes, devices and links are named and left; the packing ends, whatever they are (fault_142).

    None of them is opened: a pipe that nobody writes to would wait for ever (fault_144).
    """
    home, private = tmp_path / "shot", tmp_path / "private"
    (private / ".ssh").mkdir(parents=True)
    (private / ".ssh" / "id_rsa").write_text("planted key")
    (private / ".ssh" / "id_rsa.png").write_text("planted key")
    (private / "wallet.json").write_text("planted key")
    home.mkdir()
    os.mkfifo(home / "pipe.png")
    (home / "link.png").symlink_to(private / ".ssh" / "id_rsa")
    (home / "zero.png").symlink_to("/dev/zero")
    scene = packing_scenes.make(_HOSTILE, home, private)
    packer = packing()
    found = await packer.find(scene)
    assert found.files == ()
    assert len([left for left in found.left_out if left.is_used]) == len(_HOSTILE_PATHS)
    assert b"planted" not in b"".join(left.sentence.encode() for left in found.left_out)


_HOSTILE_PATHS = (
    *("/etc/passwd", "{files}/.ssh/id_rsa", "{files}/.ssh/id_rsa.png", "{files}/wallet.json"),
    *(
        "//pipe.png",
        "//link.png",
        "//zero.png",
        "/proc/self/environ",
        "//missing.png",
        "//../../../etc/shadow",
    ),
)
_HOSTILE = f"""
new()
camera()
for number, path in enumerate({_HOSTILE_PATHS!r}):
    image = bpy.data.images.new(str(number), 8, 8)
    image.source = "FILE"
    image.filepath_raw = path.format(files=files)
    showing(str(number), 0, 0, image)
save(scene_file)
done()
"""


async def test_libraries_that_link_each_other_are_each_packed_once(tmp_path: Path) -> None:
    """And a scene that is its own library's library (fault_146)."""
    home, files = tmp_path / "shot", tmp_path / "files"
    scene = packing_scenes.make(_LOOP, home, files, "beside")
    packer = packing()
    found = await packer.find(scene)
    packed = await packer.write(found, tmp_path / "bundle", BundleOptions(frames=(1,)))
    assert set(digests(packed.folder)) == {"shot.blend", "job.json", "files/library/other.blend"}
    assert (await packer.compare(found, packed)).is_equal


_LOOP = """
os.makedirs(home, exist_ok=True)
other = os.path.join(files, "other.blend")
steps = (scene_file, None, "First"), (other, scene_file, "Second"), (scene_file, other, "Third")
for path, source, name in steps:
    new()
    camera()
    look = emitting(name)[0]
    item = square(name, 0, 0)
    item.data.materials.append(look)
    if source:
        with bpy.data.libraries.load(source, link=True, relative=True) as (theirs, linked):
            linked.materials = [one for one in theirs.materials if one in {"First", "Second"}]
        for number, one in enumerate(bpy.data.materials):
            square(str(number), 1 + number, 0).data.materials.append(one)
    save(path)
done()
"""


async def test_names_that_are_no_text_travel_under_others(tmp_path: Path) -> None:
    """And the scene finds them there (fault_143)."""
    scene = packing_scenes.make(_NO_TEXT, tmp_path / "shot", tmp_path / "files")
    packer = packing()
    found = await packer.find(scene)
    assert [file.place.isascii() for file in found.files] == [True]
    packed = await packer.write(found, tmp_path / "bundle", BundleOptions(frames=(1,)))
    assert (await packer.compare(found, packed)).is_equal


_NO_TEXT = """
new()
camera()
picture("one.png", (1, 0, 0))
path = os.fsencode(files) + b"/\\xff\\xfe.png"
os.rename(os.path.join(files, "one.png").encode(), path)
image = bpy.data.images.new("x", 8, 8)
image.source = "FILE"
image.filepath_raw = os.fsdecode(path)
showing("image", 0, 0, image)
os.makedirs(home, exist_ok=True)
save(scene_file)
done()
"""


def _header(scene: Path) -> SceneHeader:
    with scene.open("rb") as stream:
        return read_header(stream, SceneLimits())


_WHEEL = importlib.util.find_spec("bpy")
BLENDS = sorted(Path(_WHEEL.origin).parent.rglob("*.blend")) if _WHEEL and _WHEEL.origin else []


@pytest.mark.parametrize("blend", BLENDS, ids=lambda blend: f"{blend.parent.name}-{blend.stem}")
async def test_blenders_own_files_are_saved_anew_as_they_are(blend: Path, tmp_path: Path) -> None:
    """As libraries, with all that a release has: the same scene is in them, and names no file of Blender's.

    Of this release, the bytes are the same each time. As scenes, others are refused with that reason.
    """
    packer, scene = packing(), tmp_path / blend.name
    shutil.copyfile(blend, scene)
    named = await packer.packer.files(scene, {})
    assert [file for file in named.files if file.is_used] == []
    saved = tmp_path / "1.blend", tmp_path / "2.blend"
    for each in saved:
        await packer.packer.rewrite(scene, {}, {str(scene): "a.blend"}, "a.blend", each)
    # Nodes that Blender adds to a scene of another release get numbers by chance.
    if BlenderVersion(4, 5) == _header(scene).version:
        assert saved[0].read_bytes() == saved[1].read_bytes()
    async with packer.renderer.open(saved[0]) as ours, packer.renderer.open(scene) as theirs:
        found, wanted = await ours.inspect(), await theirs.inspect()
    assert replace(found, seconds=0, outputs=()) == replace(wanted, seconds=0, outputs=())
    try:
        packed = await packer.pack(scene, tmp_path / "bundle", BundleOptions(frames=(1,)))
    except JobRejected as error:
        assert error.code in {Code.VERSION, Code.NO_CAMERA}  # noqa: PT017 - it may be packed as well
    else:
        assert packed.traces == ()


async def test_a_scene_is_saved_on_another_file_system(tmp_path: Path) -> None:
    """fault_296: such as a memory stick, whatever disk the sandbox writes to."""
    scene = tmp_path / "scene.blend"
    shutil.copyfile(BLENDS[0], scene)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        saved = Path(folder) / "a.blend"
        assert _disk(saved.parent) != _disk(Path(tempfile.gettempdir()))
        await packing().packer.rewrite(scene, {}, {str(scene): "a.blend"}, "a.blend", saved)
        assert _header(saved).version == BlenderVersion(4, 5)
