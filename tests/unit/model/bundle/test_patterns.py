"""Which files a cache or a sequence stands for, and how they are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.model.bundle.patterns import MOST_GAPS, holds_one_of, is_cache_name, runs, sequence_of
from veriframe.model.bundle.travel import Kind, NamedFile, Shape


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("config/config_0001.uni", Kind.FLUID_CACHE),
        ("data/fluid_data_0001.vdb", Kind.FLUID_CACHE),
        ("noise/fluid_noise_0250.vdb", Kind.FLUID_CACHE),
        ("mesh/fluid_mesh_0001.bobj.gz", Kind.FLUID_CACHE),
        ("particles/fluid_particles_0001.uni", Kind.FLUID_CACHE),
        ("cloth_000001_00.bphys", Kind.POINT_CACHE),
        ("636c6f7468_000012.bphys", Kind.POINT_CACHE),
        ("disp_0001.exr", Kind.OCEAN_CACHE),
        ("1234/meta/00001_00000.json", Kind.BAKE),
        ("blobs/00001_00000.blob", Kind.BAKE),
    ],
)
def test_blenders_own_files_are_of_a_cache(path: str, kind: Kind) -> None:
    """As Blender names them."""
    assert is_cache_name(path, kind)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("wallet-backup.sql.gz", Kind.FLUID_CACHE),
        ("data/wallet.sql.gz", Kind.FLUID_CACHE),
        ("data/dump_0001.raw", Kind.FLUID_CACHE),
        ("mesh/taxes_2025.bobj.gz", Kind.FLUID_CACHE),
        ("fluid_data_0001.vdb", Kind.FLUID_CACHE),
        ("deep/cloth_000001_00.bphys", Kind.POINT_CACHE),
        ("secret.bphys", Kind.POINT_CACHE),
        ("photo_0001.exr", Kind.OCEAN_CACHE),
        ("wallet.json", Kind.BAKE),
        ("meta/wallet.json", Kind.BAKE),
        ("accounts/meta/00001_00000.json", Kind.BAKE),
    ],
)
def test_other_files_are_of_no_cache(path: str, kind: Kind) -> None:
    """Though their ending is right: a folder of backups is no cache (fault_147)."""
    assert not is_cache_name(path, kind)


def sequence(name: str, *names: str) -> tuple[list[str], list[str], tuple[int, ...]]:
    """What is taken of these names, which further ones there are, and the numbers that are missing."""
    return sequence_of(NamedFile(kind=Kind.IMAGE, block="b", path=f"/a/{name}", shape=Shape.SEQUENCE), names)


def test_a_sequence_ends_at_a_gap() -> None:
    """A photo of another day has the same name but for its number (fault_148)."""
    assert sequence("IMG_0002.jpg", "IMG_0001.jpg", "IMG_0002.jpg", "IMG_0007.jpg", "IMG_0008.jpg.key") == (
        ["IMG_0001.jpg", "IMG_0002.jpg"],
        ["IMG_0007.jpg"],
        (3, 4, 5, 6),
    )
    assert len(sequence("s_1.png", "s_1.png", "s_999999999.png")[2]) == MOST_GAPS


def test_numbers_have_the_digits_of_the_named_one() -> None:
    """As Blender writes them: `9` is followed by `10`, and `09` by nothing that `9` is."""
    assert sequence("s_8.png", "s_8.png", "s_9.png", "s_10.png", "s_09.png")[0] == [
        "s_8.png",
        "s_9.png",
        "s_10.png",
    ]
    assert sequence("s_08.png", "s_08.png", "s_9.png", "s_010.png")[0] == ["s_08.png"]
    assert sequence("a+(1)_001.png", "a+(1)_001.png", "a+(2)_002.png")[0] == ["a+(1)_001.png"]
    assert sequence("take2_001_v.png", "take2_001_v.png", "take2_002_v.png", "take3_003_v.png")[0] == [
        "take2_001_v.png",
        "take2_002_v.png",
    ]


def test_a_sequence_need_not_begin_at_the_named_number() -> None:
    """Blender goes by the frame; without a number there is none."""
    assert sequence("s_001.png", "s_011.png", "s_012.png", "s_030.png")[0] == ["s_011.png", "s_012.png"]
    assert sequence("plain.png", "plain.png") == ([], [], ())


def test_a_folder_holds_itself_and_what_is_below() -> None:
    """`/` holds all."""
    assert holds_one_of("/home/anna", ["/home/anna"])
    assert holds_one_of("/home", ["/x", "/home/anna"])
    assert holds_one_of("/", ["/home/anna"])
    assert not holds_one_of("/home/anna/cache", ["/home/anna"])


def test_numbers_without_a_gap_are_told_together() -> None:
    """And nothing else is."""
    names = ("b_3.png", "b_1.png", "z.png", "b_2.png", "b_5.png", "a_4.png", "b_04.png")
    assert sorted(map(list, runs(names))) == [
        ["a_4.png"],
        ["b_04.png"],
        ["b_1.png", "b_2.png", "b_3.png"],
        ["b_5.png"],
        ["z.png"],
    ]


@given(st.sets(st.text("ab01.", min_size=1, max_size=6)))
def test_no_name_is_lost(names: set[str]) -> None:
    """Each is in exactly one run."""
    assert sorted(name for run in runs(names) for name in run) == sorted(names)
