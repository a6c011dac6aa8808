"""An artist's order from scene to film, on embedded parts, with a real Blender and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest
from PIL import Image
from tests.e2e.conftest import Home

pytestmark = pytest.mark.slow


def _told(home: Home, *arguments: str | Path) -> dict[str, object]:
    ran = home.run(*arguments, "--json")
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert isinstance(told, dict)
    return told


def test_an_animation_becomes_a_film(home: Home, light_scene: Path) -> None:
    """Packed, estimated, posted, rendered in chunks, fetched, paid, filmed; and lost frames again."""
    asked = ("--frames", "1-8", "--chunk", "3", "--samples", "6", "--price", "0.1")
    created = home.run("order", "create", light_scene, *asked, "--yes", "--json")
    assert created.returncode == 0, created.stderr
    posted = json.loads(created.stdout)
    assert (posted["order"], posted["chunks"], posted["rewards_fri"]) == (1, 3, str(9 * 10**17))
    assert "on this machine" in created.stderr
    assert home.run("order", "cancel", "1", "--frames", "8").returncode == 0
    assert home.run("worker", "--once").returncode == 0
    watched = home.run("order", "watch", "1", "--result", "--previews", home.folder)
    # A chunk was refunded.
    assert watched.returncode == 6
    assert (home.folder / "job-1.jpg").read_bytes()[:2] == b"\xff\xd8"
    fetched = _told(home, "order", "fetch", "1", "-o", "frames")
    assert fetched["written"] == [1, 2, 3, 4, 5, 6]
    assert fetched["frames_per_second"] == 24.0

    again = _told(home, "order", "create", "--again", "1", "--yes")
    assert (again["order"], again["frames"], again["scene"]) == (2, 2, light_scene.name)
    assert home.run("worker", "--once").returncode == 0
    assert _told(home, "order", "fetch", "2", "-o", "frames")["written"] == [7, 8]
    for order in ("1", "2"):
        assert home.run("order", "accept", order).returncode == 0
    film = _told(home, "order", "film", "frames", "-o", "film.mp4")
    assert (film["frames"], film["missing"], film["width"]) == (8, [], 96)
    with av.open(str(home.folder / "film.mp4")) as opened:
        assert sum(1 for _ in opened.decode(video=0)) == 8
    with Image.open(home.folder / "frames" / "frame_0008.png") as picture:
        assert (picture.size, picture.info) == ((96, 54), {})
    listed = _told(home, "order", "list")["orders"]
    assert isinstance(listed, list)
    assert [one["paid_fri"] for one in listed] == [str(2 * 10**17), str(6 * 10**17)]


def test_another_machine_reads_the_order_without_notes(home: Home, light_scene: Path) -> None:
    """fault_173: its frames are known from the registry and the asset."""
    arguments = ("--frames", "2-5", "--chunk", "2", "--price", "0.1", "--no-check", "--yes")
    assert home.run("order", "create", light_scene, *arguments).returncode == 0
    (home.folder / "scenes-creator.jsonl").unlink()
    shown = _told(home, "order", "show", "1")
    assert isinstance(shown["chunks"], list)
    assert [chunk["frames"] for chunk in shown["chunks"]] == ["2-3", "4-5"]
    assert shown["scene"] == light_scene.name


def test_a_still_that_was_split_is_the_whole(home: Home, light_scene: Path) -> None:
    """Four tiles by one worker, one of them ordered again: every pixel is that of the still in one piece."""
    asked = (light_scene, "--frames", "3", "--price", "0.4", "--no-check", "--yes")
    assert home.run("order", "create", *asked, "--tiles", "2x2").returncode == 0
    assert home.run("order", "create", *asked).returncode == 0
    assert home.run("order", "cancel", "1", "--jobs", "2").returncode == 0
    assert home.run("worker", "--once").returncode == 0
    assert _told(home, "order", "create", "--again", "1", "--yes")["job_ids"] == [6]
    assert home.run("worker", "--once").returncode == 0
    for order in ("1", "2"):
        assert _told(home, "order", "fetch", order)["written"] == [3]
    # Its one tile was checked and merged with those of the first order.
    assert home.run("order", "accept", "3").returncode == 0
    pixels = []
    for order in ("1", "2"):
        with Image.open(home.folder / f"order-{order}" / "frame_0003.png") as picture:
            pixels.append((picture.size, picture.tobytes()))
    assert pixels[0] == pixels[1]
