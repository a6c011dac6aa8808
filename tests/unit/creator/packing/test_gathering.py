"""Which files on this machine go into a bundle, and what is said of the others."""

import os
from pathlib import Path

import pytest

from veriframe.creator.packing import gathering
from veriframe.creator.packing.gathering import Gathering
from veriframe.errors import Code, JobRejected
from veriframe.model.bundle.travel import Kind, NamedFile, Shape


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of a scene, inside one that stands for a person's home."""
    folder = tmp_path / "anna" / "shot"
    (folder / "tex").mkdir(parents=True)
    (folder / "shot.blend").write_bytes(b"BLENDER")
    return folder.resolve()


def named(path: Path | str, kind: Kind = Kind.IMAGE, shape: Shape = Shape.FILE, **more: object) -> NamedFile:
    """A path that the scene names."""
    return NamedFile(kind=kind, block="wood", path=str(path), shape=shape, **more)  # type: ignore[arg-type]


def gathered(home: Path, *files: NamedFile) -> Gathering:
    """What becomes of them."""
    found = Gathering(home / "shot.blend")
    for file in files:
        found.add(file)
    return found


def places(found: Gathering) -> dict[str, bool]:
    """The places of all files, and whether each comes from outside."""
    return {file.place: file.is_outside for file in found.files.values()}


def test_files_beside_the_scene_and_elsewhere_are_told_apart(home: Path) -> None:
    """The person is told which files of other folders a scene takes along."""
    (home / "tex" / "a.png").write_bytes(b"a")
    (home.parent / "b.png").write_bytes(b"bb")
    found = gathered(home, named(home / "tex" / "a.png"), named(home.parent / "b.png"))
    assert places(found) == {"tex/a.png": False, "files/image/b.png": True}
    assert sum(file.size_bytes for file in found.files.values()) == 3
    assert found.left_out == {}


def test_tiles_sequences_and_caches_are_complete(home: Path) -> None:
    """And hold nothing else that lies beside them."""
    for name in ("t.1001.png", "t.1002.png", "t.1002.txt", "s_1.png", "s_2.png", "other.png"):
        (home / "tex" / name).write_bytes(b"x")
    cache = home / "blendcache_shot"
    cache.mkdir()
    (cache / "c_000001_00.bphys").write_bytes(b"x")
    (cache / "id_rsa").write_bytes(b"x")
    found = gathered(
        home,
        named(home / "tex" / "t.<UDIM>.png", shape=Shape.TILES),
        named(home / "tex" / "s_1.png", shape=Shape.SEQUENCE),
        named(
            home / "blendcache_shot",
            Kind.POINT_CACHE,
            Shape.FOLDER,
            is_derived=True,
            owner=str(home / "shot.blend"),
        ),
    )
    assert set(places(found)) == {
        *("tex/t.1001.png", "tex/t.1002.png", "tex/s_1.png", "tex/s_2.png"),
        "blendcache_shot/c_000001_00.bphys",
    }
    assert found.paths[str(home / "tex" / "t.<UDIM>.png")] == "tex/t.<UDIM>.png"
    assert all(file.is_collected for file in found.files.values())


def test_a_cache_takes_nothing_but_what_blender_writes(home: Path) -> None:
    """A folder named as a cache may be one of backups (fault_147)."""
    (home / "sim" / "data").mkdir(parents=True)
    for name in ("data/fluid_data_0001.vdb", "wallet.sql.gz", "data/dump.raw"):
        (home / "sim" / name).write_bytes(b"x")
    found = gathered(home, named(home / "sim", Kind.FLUID_CACHE, Shape.FOLDER))
    assert set(places(found)) == {"sim/data/fluid_data_0001.vdb"}


@pytest.mark.parametrize("folder", [".", "..", "../..", "/", "~", "link"])
def test_the_scenes_own_folder_is_no_cache(
    home: Path, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a folder that holds it, or the person's own, by links too (fault_147)."""
    person = tmp_path / "person"
    monkeypatch.setenv("HOME", str(person))
    for place in (home, person):
        (place / "data").mkdir(parents=True)
        (place / "data" / "fluid_data_0001.vdb").write_bytes(b"x")
    (home / "link").symlink_to(home)
    path = str(person) if folder == "~" else os.path.normpath(home / folder)
    found = gathered(home, named(path, Kind.FLUID_CACHE, Shape.FOLDER))
    assert found.files == {}
    assert found.left_out[path].is_used
    assert path not in found.paths


def test_a_sequence_with_a_gap_is_told(home: Path) -> None:
    """What is behind the gap stays, and the picture may need it (fault_148)."""
    for name in ("IMG_0001.jpg", "IMG_0002.jpg", "IMG_0007.jpg"):
        (home / "tex" / name).write_bytes(b"x")
    path = home / "tex" / "IMG_0001.jpg"
    found = gathered(home, named(path, shape=Shape.SEQUENCE))
    assert set(places(found)) == {"tex/IMG_0001.jpg", "tex/IMG_0002.jpg"}
    left = found.left_out[str(path)]
    assert "IMG_0007.jpg" in left.why
    # fault_238: which files are missing, and what helps if no frame needs them.
    assert "numbers 3-6 are missing" in left.why
    assert "--frames" in left.remedy
    assert "--no-check" in left.remedy


def test_what_nothing_uses_stays(home: Path) -> None:
    """A scene may name more than it shows."""
    (home / "tex" / "a.png").write_bytes(b"a")
    assert gathered(home, named(home / "tex" / "a.png", is_used=False)).files == {}


@pytest.mark.parametrize("secret", [".ssh/id_rsa", ".ssh/id_rsa.png", "wallet.json", "keys.txt"])
def test_a_scene_takes_no_secrets_along(home: Path, secret: str) -> None:
    """Not by their own path, nor by a link from beside the scene (fault_142)."""
    file = home.parent / secret
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"secret")
    (home / "tex" / "link.png").symlink_to(file)
    found = gathered(home, named(file), named(home / "tex" / "link.png"))
    assert found.files == {}
    assert set(found.left_out) == {str(file), str(home / "tex" / "link.png")}


def test_a_link_to_another_folder_counts_as_outside(home: Path) -> None:
    """Though its name is beside the scene."""
    (home.parent / "b.png").write_bytes(b"b")
    (home / "tex" / "link.png").symlink_to(home.parent / "b.png")
    assert places(gathered(home, named(home / "tex" / "link.png"))) == {"tex/link.png": True}


def test_nothing_but_regular_files_travels(home: Path) -> None:
    """A pipe would block whoever opens it; a link to itself leads nowhere (fault_144)."""
    pipe, loop, folder = (home / "tex" / name for name in ("pipe.png", "loop.png", "folder.png"))
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    folder.mkdir()
    (home / "tex" / "zero.png").symlink_to("/dev/zero")
    found = gathered(home, *(named(each) for each in (pipe, loop, folder, home / "tex" / "zero.png")))
    assert found.files == {}
    assert len(found.left_out) == 4


def test_what_is_missing_is_named_with_its_remedy(home: Path) -> None:
    """Whatever its shape is."""
    found = gathered(
        home,
        named(home / "no.png"),
        named(home / "no.<UDIM>.png", shape=Shape.TILES),
        named(home / "no_1.png", shape=Shape.SEQUENCE),
        named(home / "cache", Kind.FLUID_CACHE, Shape.FOLDER),
    )
    assert len(found.left_out) == 4
    assert all("wood" in left.sentence and left.is_used for left in found.left_out.values())
    assert "Find Missing Files" in found.left_out[str(home / "no.png")].remedy


def test_names_need_not_be_text(home: Path) -> None:
    """They get a fit name in the bundle (fault_143)."""
    path = os.fsdecode(os.fsencode(home) + b"/tex/\xff\xfe.png")
    Path(path).write_bytes(b"x")
    missing = os.fsdecode(os.fsencode(home) + b"/\xff.png")
    found = gathered(home, named(path), named(missing))
    assert len(places(found)) == 1
    assert next(iter(places(found))).isascii()
    assert found.left_out[missing].sentence.isprintable()


def test_a_bundle_has_a_limited_number_of_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers take no folder with more (fault_145)."""
    monkeypatch.setattr("veriframe.creator.packing.gathering.MOST_FILES", 10)
    for number in range(11):
        (home / "tex" / f"s_{number}.png").write_bytes(b"x")
    with pytest.raises(JobRejected) as refused:
        gathered(home, named(home / "tex" / "s_1.png", shape=Shape.SEQUENCE))
    assert refused.value.code is Code.TOO_LARGE


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that are read, in order."""
    found, real = list[str](), os.listdir

    def listdir(folder: str) -> list[str]:
        found.append(str(folder))
        return real(folder)

    monkeypatch.setattr(os, "listdir", listdir)
    return found


@pytest.mark.parametrize("folder", ["/usr", "/proc", "/sys/devices", "/usr/lib/python3"])
def test_system_folders_are_not_walked(home: Path, listings: list[str], folder: str) -> None:
    """fault_288: however many caches of a hostile scene name them."""
    caches = [named(folder, Kind.FLUID_CACHE, Shape.FOLDER, is_derived=bool(n)) for n in range(2)]
    found = gathered(home, *caches)
    assert (list(found.left_out), listings) == ([folder], [])
    assert "system" in found.left_out[folder].why


def test_a_folder_is_read_once(home: Path, listings: list[str]) -> None:
    """fault_288: for all caches, sequences and tiles that name it."""
    (home.parent / "cache" / "data").mkdir(parents=True)
    (home.parent / "cache" / "data" / "fluid_data_0001.vdb").write_bytes(b"x")
    files = [
        NamedFile(
            kind=Kind.FLUID_CACHE, block=f"Domain {n}", path=str(home.parent / "cache"), shape=Shape.FOLDER
        )
        for n in range(50)
    ]
    tiles = [named(home / "tex" / f"t{n}.<UDIM>.png", shape=Shape.TILES) for n in range(50)]
    found = gathered(home, *files, *tiles)
    assert list(places(found)) == ["files/fluid_cache/cache/data/fluid_data_0001.vdb"]
    assert sorted(listings) == sorted(
        str(folder) for folder in (home.parent / "cache", home.parent / "cache" / "data", home / "tex")
    )


def test_names_without_end_are_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_288: as those of a folder of millions, or of thousands that are looked at again and again."""
    monkeypatch.setattr(gathering, "MOST_NAMES", 100)
    for number in range(9):
        (home / "tex" / f"{number}.txt").write_bytes(b"x")
    first, second = (named(home / "tex" / f"{n}.<UDIM>.png", shape=Shape.TILES) for n in "ab")
    gathered(home, first, second)
    with pytest.raises(JobRejected) as refused:
        gathered(home, first, second, named(home / "tex" / "c.<UDIM>.png", shape=Shape.TILES))
    assert refused.value.code is Code.TOO_LARGE


def test_only_what_is_there_gets_a_place(home: Path) -> None:
    """fault_288: thousands of tiles of one name that nobody has take no numbers."""
    missing = [named(f"/x{n}/a.<UDIM>.png", shape=Shape.TILES) for n in range(20)]
    (home.parent / "other").mkdir()
    (home.parent / "other" / "a.1001.png").write_bytes(b"x")
    found = gathered(home, *missing, named(home.parent / "other" / "a.<UDIM>.png", shape=Shape.TILES))
    assert list(places(found)) == ["files/image/a.1001.png"]
    assert len(found.left_out) == 20
