"""Whether a decoded picture is what was ordered: depth, passes, channels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import decoding

NAMES = ("decode_frames", "exr_file", "merge_tiles", "ordered")
decode_frames, exr_file, merge_tiles, ordered = map(decoding.script, NAMES)

WIDTH, HEIGHT = 8, 4
ASKED = {"depth": 0, "passes": [], "is_tile": False, "most_channels": 16}
RED = {f"V.Combined.{name}": np.float32 for name in "RGB"}
TILE = {
    **{f"V.Combined.{name}": np.float32 for name in "RGBA"},
    **{f"V.Denoising Albedo.{name}": np.float32 for name in "RGB"},
    **{f"V.Denoising Normal.{name}": np.float32 for name in "XYZ"},
}


def _decoded(tmp_path: Path, channels: dict[str, Any], **asked: Any) -> list[str]:
    """Decode a picture of these channels. Returns their names, sorted."""
    exr_file.write(tmp_path / "in.exr", {n: np.ones((HEIGHT, WIDTH), kind) for n, kind in channels.items()})
    has_layers = any("." in name for name in channels)
    frame = {
        "format": "OPEN_EXR_MULTILAYER" if has_layers else "OPEN_EXR",
        "width": WIDTH,
        "height": HEIGHT,
        "asked": {**ASKED, **asked},
    }
    planes, _ = decode_frames.decode(frame, tmp_path / "in.exr", tmp_path / "out.exr")
    return sorted(planes)


@pytest.mark.parametrize(
    ("channels", "asked"),
    [
        (dict.fromkeys("RGB", np.float32), {"depth": 32}),
        (dict.fromkeys("RGBA", np.float16), {"depth": 16}),
        ({**RED, "V.Depth.V": np.float32}, {"depth": 32, "passes": ["z"]}),
        ({**dict.fromkeys(RED, np.float16), "V.Depth.V": np.float32}, {"depth": 16}),
        ({**RED, "V.Glossy Color.R": np.float32}, {"passes": ["glossy_color"]}),
        (TILE, {"is_tile": True, "depth": 32}),
        ({**TILE, "V.Depth.V": np.float32}, {"is_tile": True, "depth": 32}),
    ],
)
def test_what_was_ordered(tmp_path: Path, channels: dict[str, Any], asked: dict[str, Any]) -> None:
    """It is taken, with passes of the scene's own."""
    assert _decoded(tmp_path, channels, **asked) == sorted(channels)


@pytest.mark.parametrize(
    ("channels", "asked", "why"),
    [
        (dict.fromkeys("RGB", np.float16), {"depth": 32}, "16 bits"),
        ({**dict.fromkeys(RED, np.float16), "V.Depth.V": np.float32}, {"depth": 32}, "16 bits"),
        (RED, {"passes": ["z"]}, "pass z"),
        ({**RED, "V.Deep.Depth": np.float32}, {"passes": ["z"]}, "pass z"),
        ({**RED, **{f"V.More{n}.V": np.float32 for n in range(14)}}, {}, "17 channels"),
        (dict.fromkeys(("R", "G", "B", "A", "Z"), np.float32), {}, "5 channels"),
        (dict.fromkeys(TILE, np.float16), {"is_tile": True}, "32 bits"),
        ({**TILE, "W.Combined.R": np.float32}, {"is_tile": True}, "single"),
        (RED, {"is_tile": True}, "Combined.A"),
        (dict.fromkeys([f"V.Combined.{name}" for name in "RGBA"], np.float32), {"is_tile": True}, "Albedo"),
    ],
)
def test_what_was_not(tmp_path: Path, channels: dict[str, Any], asked: dict[str, Any], why: str) -> None:
    """fault_282: a picture of fewer bits, or without a pass, is refused, and nothing is written."""
    with pytest.raises(exr_file.NotAPictureError, match=why):
        _decoded(tmp_path, channels, **asked)
    assert not (tmp_path / "out.exr").exists()


def _tile(value: float, name: str, pixels: int) -> dict[str, Any]:
    """A tile of ones; the first pixels of one channel have this value."""
    planes = {one: np.ones((HEIGHT, WIDTH), np.float32) for one in TILE}
    planes[name].flat[:pixels] = value
    return planes


@pytest.mark.parametrize(
    ("value", "name", "pixels"),
    [
        (1e17, "V.Combined.R", WIDTH * HEIGHT // 2 - 1),
        (9e5, "V.Combined.G", WIDTH * HEIGHT),
        (-1.0, "V.Denoising Normal.Z", WIDTH * HEIGHT),
        (1e9, "V.Denoising Albedo.R", 3),
    ],
)
def test_a_bright_tile(value: float, name: str, pixels: int) -> None:
    """A sun, its fireflies, or a lamp as large as the tile are right."""
    ordered.check_tile(_tile(value, name, pixels))


@pytest.mark.parametrize(
    ("value", "name", "pixels", "why"),
    [
        (np.nan, "V.Denoising Normal.X", 1, "finite"),
        (np.inf, "V.Denoising Albedo.B", 1, "finite"),
        (3e38, "V.Combined.R", 1, "no picture"),
        (1e7, "V.Combined.B", WIDTH * HEIGHT // 2 + 1, "no picture"),
        (1e4, "V.Denoising Albedo.G", WIDTH * HEIGHT, "no picture"),
        (-20.0, "V.Denoising Normal.Y", WIDTH * HEIGHT, "no picture"),
    ],
)
def test_a_tile_that_would_spoil_the_others(value: float, name: str, pixels: int, why: str) -> None:
    """fault_285: it is refused before it is denoised with them."""
    with pytest.raises(exr_file.NotAPictureError, match=why):
        ordered.check_tile(_tile(value, name, pixels))


def test_a_merge_of_guides_that_are_no_numbers(tmp_path: Path) -> None:
    """fault_285: the tile is named."""
    exr_file.write(tmp_path / "0.exr", _tile(np.nan, "V.Denoising Albedo.R", 1))
    whole = [0, 0, WIDTH, HEIGHT]
    tile = {"file": "0.exr", "shown": whole, "kept": whole}
    asked = {"width": WIDTH, "height": HEIGHT, "picture": "Combined", "tiles": [tile]}
    with pytest.raises(ValueError, match="tile 1 holds"):
        merge_tiles.merged(asked, tmp_path)


def test_a_bomb_of_channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fault_283: the header's channels are counted, and no sample is decompressed."""
    channels = {f"V.More{number}.V": np.ones((HEIGHT, WIDTH), np.float32) for number in range(200)}
    exr_file.write(tmp_path / "in.exr", channels)
    real: Callable[..., Any] = exr_file.OpenEXR.File
    opened = list[bool]()

    def file(*words: Any, **options: Any) -> Any:
        opened.append(options.get("header_only", False))
        return real(*words, **options)

    monkeypatch.setattr(exr_file.OpenEXR, "File", file)
    with pytest.raises(exr_file.NotAPictureError, match="200 channels"):
        exr_file.read_layers(tmp_path / "in.exr", WIDTH, HEIGHT, 128)
    assert opened == [True]
