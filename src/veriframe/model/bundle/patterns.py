"""Which files of a folder a cache or a sequence stands for. Names that Blender would not read never do."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Sequence
from itertools import islice

from veriframe.model.bundle.travel import Kind, NamedFile, Shape, is_inside

_UNI = r"(uni|vdb|raw)"
_CACHES = {
    kind: re.compile(pattern, re.DOTALL | re.ASCII)
    for kind, pattern in {
        Kind.FLUID_CACHE: (
            rf"config/config_\d{{4,6}}\.{_UNI}"
            rf"|(data|noise|particles|guiding)/(fluid_)?(data|noise|particles|guiding)_\d{{4,6}}\.{_UNI}"
            rf"|mesh/(fluid_|l)(mesh|mesh_?vel|velmesh)_\d{{4,6}}\.({_UNI}|obj|bobj\.gz)"
        ),
        Kind.POINT_CACHE: r"[^/]*_-?\d{5,6}(_\d{2,3})?\.bphys",
        Kind.OCEAN_CACHE: r"(disp|foam|normal|spray|spray_inverse)_-?\d{4,6}\.exr",
        Kind.BAKE: r"(\d+/)?(meta/-?\d+_\d+\.json|blobs/-?\d+_\d+\.blob)",
    }.items()
}
"""How Blender itself names the files of a cache, from the cache's folder."""

_NUMBERED = re.compile(r"(?s)(.*?)(\d+)(\D*)")


def is_cache_name(path: str, kind: Kind) -> bool:
    """Whether Blender would give this path to a file of a cache. `path` is within the cache's folder."""
    return _CACHES[kind].fullmatch(path) is not None


def holds_one_of(folder: str, places: Iterable[str]) -> bool:
    """Whether a folder is one of these places, or one of them is below it."""
    return any(place == folder or is_inside(place, folder) for place in places)


MOST_GAPS = 1000
"""The most missing numbers of a sequence that are told."""


def sequence_of(file: NamedFile, names: Collection[str]) -> tuple[list[str], list[str], tuple[int, ...]]:
    """The names of a numbered sequence without gaps, about the one that is named; and the further ones.

    And the numbers that are missing between all of them, at most `MOST_GAPS`.

    Blender writes each number with as many digits as the one in the path, or more if it is longer.
    """
    stem, ending = posixpath.splitext(posixpath.basename(file.path))
    found = _NUMBERED.fullmatch(stem)
    if file.shape is not Shape.SEQUENCE or found is None:
        return [], [], ()
    before, digits, after = found.groups()
    pattern = re.compile(re.escape(before) + r"(\d{1,9})" + re.escape(after + ending), re.DOTALL)
    numbers = {
        int(match[1]): name
        for name in names
        if (match := pattern.fullmatch(name)) and match[1] == str(int(match[1])).zfill(len(digits))
    }
    if not numbers:
        return [], [], ()
    named = int(digits)
    first = last = min(numbers, key=lambda number: (abs(number - named), number))
    while first - 1 in numbers:
        first -= 1
    while last + 1 in numbers:
        last += 1
    taken = [numbers[number] for number in range(first, last + 1)]
    missing = (number for number in range(min(numbers), max(numbers)) if number not in numbers)
    return taken, sorted(set(numbers.values()) - set(taken)), tuple(islice(missing, MOST_GAPS))


def runs(names: Iterable[str]) -> list[Sequence[str]]:
    """Names in order; those that differ by a number alone, which grows by one, are together.

    So the first and the last of a run tell all of it.
    """
    parts = sorted((_parts(name), name) for name in names)
    found: list[list[str]] = []
    before: tuple[str, str, int, int] | None = None
    for part, name in parts:
        if before is not None and part == (*before[:3], before[3] + 1) and part[3] >= 0:
            found[-1].append(name)
        else:
            found.append([name])
        before = part
    return list(found)


def _parts(name: str) -> tuple[str, str, int, int]:
    """The text before and after the last number, its digits, and the number; -1 without one."""
    stem, ending = posixpath.splitext(name)
    found = _NUMBERED.fullmatch(stem)
    if found is None or len(found[2]) > 9:
        return name, "", 0, -1
    return found[1], found[3] + ending, len(found[2]), int(found[2])
