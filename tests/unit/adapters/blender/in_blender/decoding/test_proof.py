"""What the clean sandbox makes of the passes that Blender kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from tests import decoding, independent_digest

exr_file, proof = map(decoding.script, ("exr_file", "proof"))
HEIGHT, WIDTH = 70, 130


def passes(layer: str, *names: str) -> dict[str, Any]:
    """Random single-precision samples."""
    random = np.random.default_rng(len(layer))
    channels = {"Denoising Normal": "XYZ", "Denoising Depth": "Z", "Denoising Albedo": "RGB"}
    return {
        f"{layer}.{name}.{channel}": random.random((HEIGHT, WIDTH), np.float32)
        for name in names
        for channel in channels.get(name, "RGBA")
    }


DENOISED = ("Combined", "Noisy Image", "Denoising Albedo", "Denoising Normal", "Denoising Depth")


def written(folder: Path, planes: dict[str, Any]) -> tuple[str, dict[str, Any], bytes]:
    """The root, the proof's channels, and the tiles file."""
    exr_file.write(folder / "in.exr", planes)
    root = proof.write(folder / "in.exr", WIDTH, HEIGHT, folder / "out.exr", folder / "out.tiles")
    return root, exr_file.read_layers(folder / "out.exr", WIDTH, HEIGHT), (folder / "out.tiles").read_bytes()


def test_it_holds_the_noisy_image_and_what_the_denoiser_got(tmp_path: Path) -> None:
    """In tiles, bit for bit, without metadata; the leaves are those of the noisy image alone."""
    planes = passes("View, é", *DENOISED)
    root, found, tiles = written(tmp_path, dict(planes))
    kept = {name for name in planes if "Combined" not in name and "Depth" not in name}
    assert set(found) == kept
    assert all(np.array_equal(found[name], planes[name]) for name in kept)
    noisy = {name: planes[name] for name in kept if "Noisy" in name}
    contents = independent_digest.contents(noisy)
    assert tiles == b"".join(independent_digest.tree([content]) for content in contents)
    assert root == independent_digest.tree(contents).hex()
    header = OpenEXR.File(str(tmp_path / "out.exr"), separate_channels=True).header()
    assert (header["tiles"].xSize, header["tiles"].ySize, header["type"]) == (64, 64, OpenEXR.tiledimage)
    needed = {"channels", "compression", "dataWindow", "displayWindow", "lineOrder", "pixelAspectRatio"}
    needed |= {"screenWindowCenter", "screenWindowWidth", "type", "tiles"}
    assert set(header) - needed == {"BlenderMultiChannel"}


def test_without_denoising_the_combined_pass_is_the_noisy_image(tmp_path: Path) -> None:
    """Of every view layer, whether it is denoised or not; the compositor's picture is none of them."""
    planes = passes("A", "Combined", "Denoising Albedo") | passes("Second", *DENOISED)
    _, found, _ = written(tmp_path, planes | passes("Composite", "Combined"))
    assert {name.rsplit(".", 1)[0] for name in found} == {
        "A.Noisy Image",
        "Second.Noisy Image",
        "Second.Denoising Albedo",
        "Second.Denoising Normal",
    }
    assert np.array_equal(found["A.Noisy Image.R"], planes["A.Combined.R"])
    assert np.array_equal(found["Second.Noisy Image.R"], planes["Second.Noisy Image.R"])


def test_a_layer_may_be_called_composite(tmp_path: Path) -> None:
    """If it is the only one."""
    _, found, _ = written(tmp_path, passes("Composite", "Combined"))
    assert set(found) == {f"Composite.Noisy Image.{channel}" for channel in "RGBA"}


@pytest.mark.parametrize(
    "planes",
    [
        {name: plane for name, plane in passes("A", "Combined").items() if not name.endswith("G")},
        {name: plane.astype(np.float16) for name, plane in passes("A", "Combined").items()},
        {"R": np.zeros((HEIGHT, WIDTH), np.float32)},
        {"A.Combined.R": np.zeros((HEIGHT, WIDTH), np.uint32)},
    ],
)
def test_anything_else_is_refused(tmp_path: Path, planes: dict[str, Any]) -> None:
    """A file that the render may have forged."""
    with pytest.raises(exr_file.NotAPictureError) as refused:
        written(tmp_path, planes)
    assert refused.value.code == "NOT_IMAGE"
