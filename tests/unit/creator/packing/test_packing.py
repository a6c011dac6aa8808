"""Packing: what is written where, and that the originals stay as they are."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from tests.fakes.packer import FakePacker
from tests.fakes.renderer import INSPECTION, FakeRenderer, Script
from tests.scenes.blend_bytes import blend, block

from veriframe.creator.packing.packing import Packing, with_chunk
from veriframe.errors import Code, JobRejected, SettingsError
from veriframe.model.bundle.job_file import parse_job_file
from veriframe.model.bundle.options import BundleOptions
from veriframe.model.bundle.travel import Kind, NamedFile, Shape
from veriframe.model.rendering.overrides import Overrides
from veriframe.model.rendering.scene import MissingFile, SceneLimits

SCENE = blend(block(b"REND", b"x" * 72))


class Artist:
    """A scene with a picture beside it, one elsewhere, and a library with a picture of its own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.shared, self.target = folder / "shot", folder / "shared", folder / "bundle"
        for made in (self.home, self.shared):
            made.mkdir()
        self.scene, self.library = self.home / "shot.blend", self.shared / "props.blend"
        self.scene.write_bytes(SCENE)
        self.library.write_bytes(zstandard.compress(SCENE))
        self.pictures = self.home / "beside.png", self.shared / "props.png"
        for picture in self.pictures:
            picture.write_bytes(picture.name.encode())
        self.renderer = FakeRenderer()
        self.packer = FakePacker(
            self.renderer,
            {
                str(self.scene): (
                    named(self.library, Kind.LIBRARY, self.scene),
                    named(self.pictures[0], Kind.IMAGE, self.scene),
                ),
                str(self.library): (
                    named(self.scene, Kind.LIBRARY, self.library),
                    named(self.pictures[1], Kind.IMAGE, self.library),
                ),
            },
        )
        self.packing = Packing(packer=self.packer, renderer=self.renderer, limits=SceneLimits())

    def show(self, **changes: object) -> None:
        """What Blender sees in the scene."""
        self.renderer.scripts = {b"BLENDER": Script(inspection=replace(INSPECTION, **changes))}  # type: ignore[arg-type]

    def state(self) -> dict[Path, tuple[bytes, int]]:
        """Digests and times of all files but the bundle."""
        files = [path for path in self.home.parent.rglob("*") if self.target not in path.parents]
        return {
            path: (
                hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b"",
                path.stat().st_mtime_ns,
            )
            for path in files
            if path not in {self.home.parent, self.target}
        }


def named(path: Path, kind: Kind, owner: Path, shape: Shape = Shape.FILE) -> NamedFile:
    """A file that a `.blend` names."""
    return NamedFile(kind=kind, block="b", path=str(path), shape=shape, owner=str(owner))


@pytest.fixture
def artist(tmp_path: Path) -> Artist:
    """The artist."""
    return Artist(tmp_path.resolve())


def bundle(target: Path) -> set[str]:
    """All files of the bundle."""
    return {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}


async def test_a_scene_is_packed_with_its_libraries_and_theirs(artist: Artist) -> None:
    """A library that links its scene back ends no search (fault_146)."""
    packed = await artist.packing.pack(artist.scene, artist.target, BundleOptions(frames=(1, 2, 3)))
    assert bundle(artist.target) == {
        *("shot.blend", "beside.png", "job.json"),
        *("files/library/props.blend", "files/image/props.png"),
    }
    assert parse_job_file((artist.target / "job.json").read_bytes()) == packed.bundle
    assert packed.bundle.frames == (1, 2, 3)
    # As the scene has it, so that results can be compared with it (fault_131).
    expected = Overrides(engine="CYCLES", resolution=(64, 36), samples=4, color_depth=8)
    assert packed.bundle.overrides == expected
    assert packed.files == 5
    # Each library was visible before its own names were asked for.
    assert artist.packer.shown == [{}, {str(artist.library): artist.library}]
    assert artist.renderer.folders == [artist.renderer.opened[0].parent]


async def test_the_originals_stay_as_they_are(artist: Artist) -> None:
    """Neither their bytes nor their times change, and nothing is left beside them."""
    before = artist.state()
    await artist.packing.pack(artist.scene, artist.target, BundleOptions())
    assert artist.state() == before


async def test_scenes_are_compressed_as_they_were(artist: Artist) -> None:
    """A plain one stays plain."""
    await artist.packing.pack(artist.scene, artist.target, BundleOptions())
    assert (artist.target / "shot.blend").read_bytes().startswith(SCENE)
    library = (artist.target / "files" / "library" / "props.blend").read_bytes()
    assert zstandard.ZstdDecompressor().decompress(library).startswith(zstandard.compress(SCENE))


async def test_traces_of_the_machine_are_told(artist: Artist) -> None:
    """A scene may hold a folder's name in any text of its own."""
    artist.scene.write_bytes(blend(block(b"REND", os.fsencode(artist.shared).ljust(72, b"\0"))))
    packed = await artist.packing.pack(artist.scene, artist.target, BundleOptions())
    assert packed.traces == (f"shot.blend: {artist.shared}",)


async def test_what_was_found_is_told_before_anything_is_written(artist: Artist) -> None:
    """So that a person can stop it."""

    class StoppedError(Exception):
        pass

    def stop(found: object) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        await artist.packing.pack(artist.scene, artist.target, BundleOptions(), stop)
    assert not artist.target.exists()
    assert artist.packer.plans == []


async def test_a_scene_that_no_worker_would_take_leaves_no_bundle(artist: Artist) -> None:
    """The refusal is that of the inspection of the bundle."""
    artist.show(missing=(MissingFile(kind="image", name="x", path="//x.png", used=True),))
    with pytest.raises(JobRejected) as refused:
        await artist.packing.pack(artist.scene, artist.target, BundleOptions())
    assert refused.value.code is Code.MISSING_FILES
    assert sorted(path.name for path in artist.home.parent.iterdir()) == ["shared", "shot"]


async def test_overrides_are_checked_against_the_scene(artist: Artist) -> None:
    """Before the bundle is there."""
    asked = BundleOptions(overrides=Overrides(camera="None", samples=3))
    with pytest.raises(SettingsError, match="--camera does not fit the scene"):
        await artist.packing.pack(artist.scene, artist.target, asked)
    assert not artist.target.exists()


async def test_options_that_no_bundle_can_hold_are_refused_at_once(artist: Artist) -> None:
    """As its worker would refuse them: PNG has no 32 bits."""
    with pytest.raises(SettingsError, match="--depth"):
        await artist.packing.pack(
            artist.scene, artist.target, BundleOptions(overrides=Overrides(color_depth=32))
        )
    assert artist.packer.shown == []


async def test_nothing_is_written_over(artist: Artist) -> None:
    """Neither a file nor a folder that holds something; an empty folder is used."""
    artist.target.mkdir()
    await artist.packing.pack(artist.scene, artist.target, BundleOptions())
    for target in (artist.target, artist.scene):
        with pytest.raises(SettingsError):
            await artist.packing.pack(artist.scene, target, BundleOptions())


async def test_the_scenes_own_range_is_rendered_unless_asked_otherwise(artist: Artist) -> None:
    """Chunks are decided later, by the estimate."""
    artist.show(frame_start=-5, frame_end=3)
    packed = await artist.packing.pack(artist.scene, artist.target, BundleOptions())
    assert packed.bundle.frames == (0, 1, 2, 3)
    again = with_chunk(packed, 2)
    assert parse_job_file((artist.target / "job.json").read_bytes()).chunk == again.bundle.chunk == 2


async def test_what_the_scene_varies_stays_its_own_and_is_told(artist: Artist) -> None:
    """One number of samples would end an animation of it (fault_132)."""
    artist.show(varied=("samples",))
    packed = await artist.packing.pack(artist.scene, artist.target, BundleOptions())
    assert packed.bundle.overrides.samples is None
    assert any("varies its samples" in warning for warning in packed.verdict.warnings)


async def test_frames_outside_the_scenes_range_are_told(artist: Artist) -> None:
    """fault_230: a wrong number is seen before it is paid for; the scene's own range is not warned of."""
    artist.show(frame_start=1, frame_end=8)
    asked = BundleOptions(frames=(8, 9, 250))
    packed = await artist.packing.pack(artist.scene, artist.target, asked)
    assert any("frames 9,250 are outside" in warning for warning in packed.verdict.warnings)
    usual = await artist.packing.pack(artist.scene, artist.target.with_name("usual"), BundleOptions())
    assert not any("outside" in warning for warning in usual.verdict.warnings)


async def test_what_packing_does_not_know_is_told(artist: Artist) -> None:
    """Paths of unknown kinds and nodes of add-ons."""
    artist.packer.unknown, artist.packer.machine = ("Brush: /x",), ("the node X of M",)
    packed = await artist.packing.pack(artist.scene, artist.target, BundleOptions())
    assert [left.is_used for left in packed.left_out] == [False, True]


async def test_bundle_and_original_are_compared_by_their_pixels(artist: Artist) -> None:
    """A difference is named after what was left out."""
    found = await artist.packing.find(artist.scene)
    packed = await artist.packing.write(found, artist.target, BundleOptions(frames=(1, 2, 3)))
    compared = await artist.packing.compare(found, packed)
    assert compared.is_equal
    assert compared.frame == 2
    bundled = (artist.target / "shot.blend").read_bytes()
    artist.renderer.scripts = {bundled: Script(colour=(1, 2, 3))}
    assert not (await artist.packing.compare(found, packed)).is_equal
