"""The pixel digest: vectors, a second implementation, and what it must and must not depend on."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests import decoding, independent_digest

from veriframe.model.bundle import merkle

exr_file, pixel_digest, png_file = map(decoding.script, ("exr_file", "pixel_digest", "png_file"))
VECTORS = Path(__file__).parents[5] / "vectors" / "pixel_digest"
EXPECTED: dict[str, dict[str, str]] = json.loads((VECTORS / "digests.json").read_text(encoding="utf-8"))


def planes_of(file: Path) -> Any:
    """The channels of a picture, read by the scripts."""
    data = file.read_bytes()
    if file.suffix == ".png":
        size = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
        pixels = png_file.read(io.BytesIO(data), *size)
        names = {1: "Y", 2: "YA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
        return {name: pixels[:, :, n] for n, name in enumerate(names)}
    return (exr_file.read_layers if file.stem == "layers" else exr_file.read)(file, 70, 66)


def test_every_vector_has_a_digest() -> None:
    """And every digest its picture."""
    assert {file.name for file in VECTORS.iterdir()} - {"digests.json"} == set(EXPECTED)
    assert len(EXPECTED) >= 9


@pytest.mark.parametrize("name", EXPECTED)
def test_vectors_have_their_digests(name: str) -> None:
    """By both implementations, from the files on."""
    planes = planes_of(VECTORS / name)
    expected = EXPECTED[name]
    found = {"channels": pixel_digest.channel_names(list(planes)), "digest": pixel_digest.digest(planes)}
    assert found == expected
    assert independent_digest.digest_of(VECTORS / name) == expected["digest"]


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(st.data(), st.sampled_from(["u1", "u2", "f2", "f4"]), st.integers(1, 70), st.integers(1, 140))
def test_both_implementations_agree(data: st.DataObject, kind: str, height: int, width: int) -> None:
    """Whatever the names and the samples: NaN with payloads, infinities, −0."""
    usual = st.sampled_from([list("Y"), list("YA"), list("ARGB"), list("RGB")])
    names = data.draw(usual | st.lists(NAMES, min_size=1, max_size=3, unique=True))
    bits = data.draw(arrays(f"u{kind[1]}", (len(names), height, width), fill=st.integers(0, 3)))
    planes = {name: bits[n].view(kind) for n, name in enumerate(names)}
    expected = independent_digest.tree(independent_digest.contents(planes)).hex()
    assert pixel_digest.digest(planes) == expected


def test_half_beside_single_precision_is_widened() -> None:
    """The digest is that of the same values in single precision."""
    values = np.linspace(0, 1, 35, dtype=np.float16).reshape(5, 7)
    wide = values.astype(np.float32)
    mixed = pixel_digest.digest({"L.P.R": values, "L.Z.Z": wide})
    assert mixed == pixel_digest.digest({"L.P.R": wide, "L.Z.Z": wide})


@pytest.mark.parametrize("bits", [0x7FC00005, 0xFFC00000, 0x7F800001])
def test_all_nans_are_one(bits: int) -> None:
    """Signed, signalling and with a payload."""
    usual, other = np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)
    usual[1, 2], other.view(np.uint32)[1, 2] = np.nan, bits
    assert pixel_digest.digest({"Y": usual}) == pixel_digest.digest({"Y": other})
    assert pixel_digest.digest({"Y": usual}) != pixel_digest.digest({"Y": np.ones((2, 3), np.float32)})


def test_the_samples_of_a_caller_stay_as_they_are() -> None:
    """They are written to a file afterwards."""
    samples = np.full((3, 3), -0.0, np.float32)
    pixel_digest.digest({"Y": samples})
    assert np.signbit(samples).all()


@pytest.mark.parametrize("place", [(0, 0), (63, 63), (64, 0), (69, 129)])
def test_one_pixel_changes_the_leaf_of_its_tile_alone(place: tuple[int, int]) -> None:
    """Tiles by rows, three in each."""
    before, after = np.zeros((70, 130), np.uint8), np.zeros((70, 130), np.uint8)
    after[place] = 1
    pairs = zip(pixel_digest.leaves({"Y": before}), pixel_digest.leaves({"Y": after}), strict=True)
    changed = [n for n, (one, other) in enumerate(pairs) if one != other]
    assert changed == [place[0] // 64 * 3 + place[1] // 64]


@pytest.mark.parametrize("count", range(1, 18))
def test_the_tree_is_the_models(count: int) -> None:
    """The scripts cannot import it."""
    leaves = [merkle.leaf_hash(bytes([n])) for n in range(count)]
    assert pixel_digest.root(leaves) == merkle.root(leaves)
