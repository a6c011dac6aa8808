"""Whether a decoded picture is what was ordered: depth, passes, channels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import decoding

decode_frames, exr_file = map(decoding.script, ("decode_frames", "exr_file"))

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
