"""The demo's picture of a cheat: a row of pictures that a newcomer understands."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from veriframe.demo import side_by_side
from veriframe.demo.side_by_side import CAPTION, GAP, HEIGHT, write_side_by_side
from veriframe.model.rendering.frames import Region
from veriframe.model.verification.findings import Conclusion, Subject
from veriframe.verifier.values import Part, TilePicture

SIZE = (960, 540)
REGION = Region(left=320, top=384, width=64, height=64)
FRAME_WIDE = HEIGHT * SIZE[0] // SIZE[1]


def cheat() -> TilePicture:
    """A tile of a gradient, and the same with noise: A, B, G, R."""
    ramp = np.linspace(0.1, 2.0, 64, dtype=np.float32)
    ours = np.broadcast_to(ramp[:, None, None], (64, 64, 4)).copy()
    noise = np.random.default_rng(1).normal(1, 0.2, ours.shape).astype(np.float32)
    part = Part(95, REGION, Subject.NOISY)
    return TilePicture(1, part, Conclusion.WRONG, ours, np.abs(ours * noise))


def frame() -> bytes:
    """A small JPEG of a whole frame: grey, lighter to the right."""
    content = BytesIO()
    picture = Image.linear_gradient("L").rotate(90).resize((640, 360)).convert("RGB")
    picture.save(content, format="JPEG")
    return content.getvalue()


def drawn(folder: Path) -> Image.Image:
    """The picture of this cheat."""
    target = folder / "cheat.png"
    write_side_by_side(cheat(), frame(), SIZE, target)
    return Image.open(target).convert("RGB")


def test_four_pictures_with_captions(tmp_path: Path) -> None:
    """The frame, ours, theirs and the difference: each has dark letters above its own width."""
    picture = drawn(tmp_path)
    assert picture.height == CAPTION + HEIGHT + GAP
    lefts = [GAP, *(2 * GAP + FRAME_WIDE + n * (HEIGHT + GAP) for n in range(3))]
    assert picture.width == lefts[-1] + HEIGHT + GAP
    light = np.asarray(picture.convert("L"))
    for left, wide in zip(lefts, (FRAME_WIDE, HEIGHT, HEIGHT, HEIGHT), strict=True):
        right = left + wide
        assert light[:CAPTION, left:right].min() < 100, "letters"
        assert light[:, right : right + GAP].min() == 255, "no caption runs into the next"
        assert light[CAPTION : CAPTION + HEIGHT, left:right].min() < 255, "a picture"


def test_the_tile_is_marked_in_the_frame(tmp_path: Path) -> None:
    """A rectangle of the tile's size, where the tile is; the pixels in it are those of the frame."""
    picture = drawn(tmp_path).crop((GAP, CAPTION, GAP + FRAME_WIDE, CAPTION + HEIGHT))
    red = ImageColor.getrgb(side_by_side.RIM)
    marked = np.argwhere((np.asarray(picture) == red).all(axis=2))
    (top, left), (bottom, right) = marked.min(axis=0), marked.max(axis=0)
    scale = HEIGHT / SIZE[1]
    expected = (REGION.left, REGION.top, REGION.left + REGION.width, REGION.top + REGION.height)
    for found, side in zip((left, top, right, bottom), expected, strict=True):
        assert abs(found - side * scale) <= side_by_side.RIM_PIXELS + 1
    across, down = (round((side + 32) * scale) for side in (REGION.left, REGION.top))
    assert len(set(np.asarray(picture)[down, across])) == 1, "grey, as the frame is"


def test_a_tile_at_the_edge_is_marked_too(tmp_path: Path) -> None:
    """The last tile of a frame is smaller; its rectangle stays in the picture."""
    corner = Region(left=896, top=512, width=64, height=28)
    edge = TilePicture(1, Part(134, corner, Subject.NOISY), Conclusion.WRONG, *(cheat().ours[:28],) * 2)
    write_side_by_side(edge, frame(), SIZE, tmp_path / "edge.png")
    with Image.open(tmp_path / "edge.png") as written:
        picture = np.asarray(written.convert("RGB"))[CAPTION : CAPTION + HEIGHT, GAP : GAP + FRAME_WIDE]
    marked = (picture == ImageColor.getrgb(side_by_side.RIM)).all(axis=2)
    assert marked[-1].any()
    assert marked[:, -1].any()
