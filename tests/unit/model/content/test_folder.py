"""The allowed names of entries in an untrusted folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.errors import Code, JobRejected
from veriframe.model.content.folder import FolderLimits, check_path, check_totals

LIMITS = FolderLimits(size_bytes=10, entries=2, depth=3, path_bytes=300)


@pytest.mark.parametrize(
    "path", ["a", "frames/frame_0001.png", "a/b/Wüste 砂漠 👩‍🚀", "مشهد.blend", "x" * 255]
)
def test_names_of_any_script_are_fit(path: str) -> None:
    """Right-to-left letters and joiners of emoji are allowed."""
    check_path(path, LIMITS)


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "a/..",
        "a//",
        "a\0b",
        "x" * 256,
        "gnp\u202eexe",
        "\u2066a",
        "\u200fa",
        "a\nb",
        "\x1b[2J",
        "\x9b",
        "a\u2028b",
        "\ud800",
    ],
)
def test_unfit_names_are_refused(path: str) -> None:
    """fault_4, fault_15: with a printable sentence."""
    with pytest.raises(JobRejected) as caught:
        check_path(path, LIMITS)
    assert (caught.value.code, str(caught.value).isprintable()) == (Code.CORRUPT, True)


@pytest.mark.parametrize("path", ["a/b/c/d", "x" * 150 + "/" + "ü" * 75])
def test_long_paths_are_too_large(path: str) -> None:
    """fault_5: deeper, or longer in bytes, than the limit."""
    with pytest.raises(JobRejected) as caught:
        check_path(path, LIMITS)
    assert caught.value.code == Code.TOO_LARGE


@given(st.text(max_size=300))
def test_fit_paths_lead_nowhere_else(path: str) -> None:
    """Every accepted path is a valid name below its folder."""
    try:
        check_path(path, LIMITS)
    except JobRejected:
        return
    assert path.rsplit("/", maxsplit=1)[-1] not in ("", ".", "..")
    assert "\0" not in path
    assert all(
        character.isprintable() or ord(character) > 127 for character in path.rsplit("/", maxsplit=1)[-1]
    )


def test_totals_are_limited() -> None:
    """fault_4, fault_51: the limits themselves are allowed."""
    check_totals(LIMITS, entries=2, size_bytes=10)
    for entries, size_bytes in ((3, 10), (2, 11)):
        with pytest.raises(JobRejected) as caught:
            check_totals(LIMITS, entries=entries, size_bytes=size_bytes)
        assert caught.value.code == Code.TOO_LARGE
