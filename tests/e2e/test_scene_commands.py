"""`veriframe scene check` and `veriframe scene render`, for scripts and people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.e2e.conftest import Home

pytestmark = pytest.mark.slow


def test_a_fit_scene_is_described(home: Home, light_scene: Path) -> None:
    """As one JSON object with verdict and facts."""
    ran = home.run("scene", "check", light_scene, "--json")
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["verdict"] == "fit"
    assert answer["header"]["wrapping"] == "zstd"
    inspection = answer["inspection"]
    assert (inspection["engine"], inspection["width"], inspection["height"]) == ("CYCLES", 96, 54)
    assert inspection["camera"] == "Camera"


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda content: b"", "NOT_BLEND"),
        (lambda content: b"<!DOCTYPE html><title>404</title>", "NOT_BLEND"),
        (lambda content: content[: len(content) // 2], "TRUNCATED"),
    ],
    ids=["empty", "page", "cut"],
)
def test_a_damaged_scene_is_refused_with_its_code(home: Home, light_scene: Path, damage, code: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """fault_16, fault_17: exit code 5, a sentence for people, code and reason for scripts."""
    bad = home.folder / "bad.blend"
    bad.write_bytes(damage(light_scene.read_bytes()))
    ran = home.run("scene", "check", bad, "--json")
    assert ran.returncode == 5
    answer = json.loads(ran.stdout)
    assert (answer["verdict"], answer["code"]) == ("refused", code)
    assert "Traceback" not in ran.stderr


def test_frames_are_rendered_and_described(home: Home, light_scene: Path) -> None:
    """A list of frames in one process; existing files are not replaced without --force."""
    out = home.folder / "frames"
    ran = home.run("scene", "render", light_scene, "--frames", "1-3x2,8", "-o", out, "--json")
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert [frame["number"] for frame in answer["frames"]] == [1, 3, 8]
    names = ["frame_0001.png", "frame_0003.png", "frame_0008.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    assert len({frame["pixel_digest"] for frame in answer["frames"]}) == 3
    with Image.open(out / names[0]) as picture:
        assert picture.size == (96, 54)
    again = home.run("scene", "render", light_scene, "-o", out)
    assert again.returncode == 2
    assert "--force" in again.stderr


def test_invalid_arguments_are_refused_in_one_line(home: Home, light_scene: Path) -> None:
    """fault_34, fault_189: a frame outside Blender's range, a missing file."""
    ran = home.run("scene", "render", light_scene, "--frames", "1048575", "-o", home.folder / "out")
    assert (ran.returncode, "--frames" in ran.stderr) == (2, True)
    ran = home.run("scene", "check", home.folder / "nothing.blend")
    assert (ran.returncode, len(ran.stderr.strip().splitlines())) == (2, 1)
