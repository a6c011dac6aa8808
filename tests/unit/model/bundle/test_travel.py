"""Which files a scene may take along."""

import pytest

from veriframe.model.bundle.travel import Kind, NamedFile, Shape, is_inside, refusal, tiles_of

HOME = "/home/anna/shot"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/anna/.ssh/id_rsa", Kind.IMAGE),
        ("/home/anna/.ssh/id_rsa.png", Kind.IMAGE),
        ("/home/anna/shot/.git/picture.png", Kind.IMAGE),
        ("/home/anna/shot/.picture.png", Kind.IMAGE),
        ("/etc/passwd", Kind.IMAGE),
        ("/etc/ssl/picture.png", Kind.IMAGE),
        ("/proc/self/environ", Kind.IMAGE),
        ("/dev/zero", Kind.VOLUME),
        ("/home/anna/wallet.json", Kind.IMAGE),
        ("/home/anna/shot/notes.txt", Kind.IMAGE),
        ("/home/anna/shot/picture.png", Kind.FONT),
        ("/home/anna/shot/noending", Kind.IMAGE),
        ("/home/anna/keys.blend", Kind.IMAGE),
    ],
)
def test_what_a_scene_should_not_name_does_not_travel(path: str, kind: Kind) -> None:
    """Secrets by their place or their name, wherever the scene lies (fault_142)."""
    assert refusal(path, HOME, kind)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/anna/shot/tex/wood.png", Kind.IMAGE),
        ("/mnt/assets/wood.TIF", Kind.IMAGE),
        ("/srv/props.blend", Kind.LIBRARY),
        ("/home/anna/shot/blendcache_shot/x.bphys", Kind.POINT_CACHE),
    ],
)
def test_files_of_the_kind_that_they_are_used_as_travel(path: str, kind: Kind) -> None:
    """From anywhere else."""
    assert refusal(path, HOME, kind) == ""


def test_a_scene_in_a_hidden_folder_may_use_its_own_files() -> None:
    """The folder is the artist's choice; what is hidden within it, or elsewhere, stays hidden."""
    home = "/home/anna/.work/shot"
    assert refusal(f"{home}/tex/wood.png", home, Kind.IMAGE) == ""
    assert refusal("/home/anna/.work/shared/wood.png", home, Kind.IMAGE) == ""
    assert refusal(f"{home}/.cache/wood.png", home, Kind.IMAGE)
    assert refusal("/home/anna/.ssh/wood.png", home, Kind.IMAGE)


@pytest.mark.parametrize(
    ("name", "matching", "others"),
    [
        ("wood.<UDIM>.png", "wood.1012.png", ("wood.12.png", "wood.0001.png", "wood.2025.png")),
        ("wood_<UVTILE>.exr", "wood_u1_v12.exr", ("wood_1001.exr",)),
        ("a+(1)<UDIM>.png", "a+(1)2000.png", ("a+(1)1000.png", "a+(1)1001.png.key")),
    ],
)
def test_one_path_stands_for_many_tiles(name: str, matching: str, others: tuple[str, ...]) -> None:
    """They are found by the numbers that tiles have; nothing beside them is."""
    found = tiles_of(NamedFile(kind=Kind.IMAGE, block="b", path=f"/a/{name}", shape=Shape.TILES))
    assert found is not None
    assert found.fullmatch(matching)
    assert not any(found.fullmatch(other) for other in others)


def test_other_paths_have_no_tiles() -> None:
    """A mark in the name of a single file means nothing."""
    for name, shape in (("wood.<UDIM>.png", Shape.FILE), ("a_1.png", Shape.SEQUENCE), ("a.png", Shape.TILES)):
        assert tiles_of(NamedFile(kind=Kind.IMAGE, block="b", path=f"/a/{name}", shape=shape)) is None


def test_a_folder_with_a_longer_name_is_another_one() -> None:
    """`/a/bc` is not in `/a/b`."""
    assert is_inside("/a/b/c", "/a/b")
    assert not is_inside("/a/bc", "/a/b")
