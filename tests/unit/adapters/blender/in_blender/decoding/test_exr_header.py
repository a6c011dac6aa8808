"""A published EXR: what a worker writes passes, and nothing else that shows another picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from tests import decoding

exr_file, exr_header, decode_frames, cut_pictures = map(
    decoding.script, ("exr_file", "exr_header", "decode_frames", "cut_pictures")
)
WIDTH, HEIGHT = 70, 37
ROWS = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}


def planes(kind: Any = np.float32, prefix: str = "", size: tuple[int, int] = (HEIGHT, WIDTH)) -> Any:
    """Random samples."""
    random = np.random.default_rng(3)
    return {f"{prefix}{name}": random.random(size, np.float32).astype(kind) for name in "RGBA"}


def check(file: Path) -> str:
    """Why a file is refused, or nothing."""
    try:
        exr_header.require_pixels_only(file, WIDTH, HEIGHT)
    except exr_header.NotAPictureError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("size", [(1, 1), (16, 3), (HEIGHT, WIDTH), (200, 130)])
@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("prefix", ["", "ViewLayer.Combined.", f"{'a long name' * 12}, é.Combined."])
def test_what_a_worker_publishes_passes(
    tmp_path: Path, kind: Any, prefix: str, size: tuple[int, int]
) -> None:
    """fault_273: written by its own decoder from a file with all that Blender adds."""
    (tmp_path / "raw").mkdir()
    found = planes(kind, prefix, size)
    if prefix:
        found |= {f"{prefix}Z": np.ones(size, np.float32)}
    header = {**ROWS, "Software": "Blender", "owner": "me", "Date": "now", "xDensity": 72.0}
    OpenEXR.File(header | exr_file.LAYERED, found).write(str(tmp_path / "raw" / "a.exr"))
    frame = {
        "file": "a.exr",
        "format": "OPEN_EXR_MULTILAYER" if prefix else "OPEN_EXR",
        "width": size[1],
        "height": size[0],
        "asked": {"depth": 0, "passes": [], "is_tile": False, "most_channels": 9},
    }
    decode_frames.decode(frame, tmp_path / "raw" / "a.exr", tmp_path / "a.exr")
    exr_header.require_pixels_only(tmp_path / "a.exr", size[1], size[0])
    with pytest.raises(exr_header.NotAPictureError):
        exr_header.require_pixels_only(tmp_path / "raw" / "a.exr", size[1], size[0])


@pytest.mark.parametrize(
    "more",
    [
        {"displayWindow": (np.array([40, 20], np.int32), np.array([59, 29], np.int32))},
        {"chromaticities": (0.0, 1.0, 1.0, 0.0, 0.3, 0.3, 0.1, 0.1)},
        {"pixelAspectRatio": 4.0},
        {"whiteLuminance": 0.001},
        {"screenWindowWidth": 2.0},
        {"lineOrder": OpenEXR.DECREASING_Y},
        {"compression": OpenEXR.ZIPS_COMPRESSION},
        {"BlenderMultiChannel": "another"},
        {"comments": "x" * 4_000_000},
    ],
)
def test_an_attribute_that_shows_another_picture_is_refused(tmp_path: Path, more: dict[str, Any]) -> None:
    """fault_273: the pixels are the right ones, and a viewer would show others."""
    file = tmp_path / "a.exr"
    OpenEXR.File(ROWS | more, planes()).write(str(file))
    assert "header" in check(file)
    cut = {"file": file.name, "kind": "EXR", "most_channels": 4, "is_published": True}
    cut |= {"shown": [0, 0, WIDTH, HEIGHT], "wanted": [0, 0, WIDTH, HEIGHT], "size": [WIDTH, HEIGHT]}
    with pytest.raises(cut_pictures.NotAPictureError):
        cut_pictures.wanted_of(file, cut)
    assert set(cut_pictures.wanted_of(file, cut | {"is_published": False})) == set("RGBA")


def test_bytes_beside_the_pixels_are_refused(tmp_path: Path) -> None:
    """fault_273: at the end, between rows, and a file of tiles or that is cut short."""
    file = tmp_path / "a.exr"
    exr_file.write(file, planes())
    content = file.read_bytes()
    assert not check(file)
    for changed in (
        content + b"\0",
        content[:-1],
        content[:200],
        content.replace(b"R\0\2\0\0\0\0", b"R\0\2\0\0\0\1"),
        b"\0" * len(content),
    ):
        assert changed != content
        file.write_bytes(changed)
        assert check(file)
    exr_file.write(file, planes(), tiled=True)
    assert check(file)


def test_samples_are_written_a_few_rows_at_a_time() -> None:
    """The rows together are what the whole would be; integers become fractions."""
    found = planes(np.float16, size=(150, 9))
    rows = list(cut_pictures.values(found))
    assert [len(one) for one in rows] == [64, 64, 22]
    whole = np.stack([found[name] for name in "RGBA"], axis=2).astype(np.float32)
    assert (np.concatenate(rows) == whole).all()
    (levels,) = cut_pictures.values({"Y": np.array([[0, 51, 255]], np.uint8)})
    assert levels.ravel().tolist() == pytest.approx([0, 0.2, 1])
