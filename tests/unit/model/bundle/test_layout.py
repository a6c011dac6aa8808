"""Where files lie in a bundle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.model.bundle.layout import Layout, fit_name, is_fit
from veriframe.model.bundle.travel import Kind


def layout() -> Layout:
    """Of a scene in `/home/anna/shot`."""
    return Layout("/home/anna/shot", "/home/anna/shot/shot.blend")


def test_what_is_below_the_scene_keeps_its_place() -> None:
    """So that the artist finds it, and paths that were relative stay as they are."""
    assert layout().place("/home/anna/shot/tex/wood.png", Kind.IMAGE) == "tex/wood.png"


def test_the_rest_is_ordered_by_kind_and_tells_nothing_of_the_machine() -> None:
    """Equal names, even in another case, get folders of their own."""
    places = layout()
    assert places.place("/mnt/a/wood.png", Kind.IMAGE) == "files/image/wood.png"
    assert places.place("/mnt/b/wood.png", Kind.IMAGE) == "files/image/2/wood.png"
    assert places.place("/mnt/c/Wood.PNG", Kind.IMAGE) == "files/image/3/Wood.PNG"
    assert places.place("/mnt/a/wood.png", Kind.IMAGE) == "files/image/wood.png"


def test_a_folder_from_elsewhere_loses_its_name() -> None:
    """It may be that of a person; the scene's own folder is not below itself (fault_149)."""
    places = layout()
    assert places.place("/home/anna/shot", Kind.FLUID_CACHE) == "files/fluid_cache/cache"
    assert places.place("/home/anna", Kind.FLUID_CACHE) == "files/fluid_cache/2/cache"
    assert places.place("/home/anna", Kind.POINT_CACHE) == "files/fluid_cache/2/cache"
    assert places.place("/home/anna/shot/cache_fluid", Kind.FLUID_CACHE) == "cache_fluid"


def test_a_place_that_is_taken_is_not_given_twice() -> None:
    """Whether by the description of the job, or by a file of that name beside the scene."""
    places = layout()
    assert places.place("/home/anna/shot/job.json", Kind.BAKE) == "files/bake/cache"
    assert places.place("/home/anna/shot/files/image/a.png", Kind.IMAGE) == "files/image/a.png"
    assert places.place("/mnt/a.png", Kind.IMAGE) == "files/image/2/a.png"


def test_caches_lie_beside_their_scene_under_its_name() -> None:
    """Blender finds them by it."""
    places = layout()
    places.place("/mnt/a/props.blend", Kind.LIBRARY)
    places.place("/mnt/b/props.blend", Kind.LIBRARY)
    found = places.beside("/mnt/b/blendcache_props", "/mnt/b/props.blend")
    assert found == "files/library/2/blendcache_props"


@pytest.mark.parametrize(
    "name", ["\udcff.png", ".hidden.png", "a\nb.png", "a\u202eb.png", "x" * 300 + ".png"]
)
def test_names_that_workers_refuse_are_replaced(name: str) -> None:
    """The ending stays, since Blender goes by it (fault_143)."""
    place = layout().place(f"/home/anna/shot/{name}", Kind.IMAGE)
    assert is_fit(place)
    assert place.endswith(".png")


@given(st.text(st.characters(codec=None), min_size=1, max_size=300).filter(lambda name: "/" not in name))
def test_every_name_becomes_fit(name: str) -> None:
    """Whatever it is."""
    assert is_fit(fit_name(name))


def test_many_of_one_name_take_few_looks() -> None:
    """fault_288: each goes on at the number of the one before."""

    class Counting(set[str]):
        looks = 0

        def __contains__(self, name: object) -> bool:
            self.looks += 1
            return super().__contains__(name)

    layout = Layout("/home/anna", "/home/anna/shot.blend")
    layout._taken = Counting(layout._taken)
    places = [layout.place(f"/x{number}/a.png", Kind.IMAGE) for number in range(500)]
    assert places[:3] == ["files/image/a.png", "files/image/2/a.png", "files/image/3/a.png"]
    assert len(set(places)) == 500
    assert layout._taken.looks < 4 * 500
