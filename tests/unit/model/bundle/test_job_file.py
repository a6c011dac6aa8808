"""`job.json`: what is taken, what is refused, and that it is written as it is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veriframe.errors import Code, JobRejected
from veriframe.model.bundle.job_file import Bundle, Split, parse_job_file, schema, write_job_file
from veriframe.model.rendering.frames import ImageFormat, format_frames, parse_frames
from veriframe.model.rendering.overrides import Overrides

LEAST = {"veriframe": 1, "scene": "shot.blend", "blender": "4.5"}
FULL = {
    **LEAST,
    "scene": "shots/shot_010.blend",
    "frames": "1-10,15,20-40x2",
    "chunk": 10,
    "camera": "Camera.001",
    "view_layer": "Beauty",
    "engine": "CYCLES",
    "resolution": [1920, 1080],
    "samples": 256,
    "seed": 7,
    "denoise": True,
    "output": {"format": "OPEN_EXR_MULTILAYER", "color_depth": 16, "passes": ["z", "normal"]},
    "class": ["4.5.15 abc CPU 0123456789abcdef"],
    "limits": {"frame_seconds": 300, "memory_bytes": 8589934592},
    "verify": {"tiles": 6},
}


def parse(**changes: object) -> Bundle:
    """The least job file with changes; `...` leaves a key out."""
    content = {name: value for name, value in {**LEAST, **changes}.items() if value is not ...}
    return parse_job_file(json.dumps(content).encode())


def test_the_least() -> None:
    """Everything but the scene and its Blender has a default: frame 1 to PNG, with the scene's settings."""
    assert parse() == Bundle(scene="shot.blend", blender="4.5")


def test_everything() -> None:
    """Every key arrives."""
    assert parse_job_file(json.dumps(FULL).encode()) == Bundle(
        scene="shots/shot_010.blend",
        blender="4.5",
        frames=(*range(1, 11), 15, *range(20, 41, 2)),
        chunk=10,
        overrides=Overrides(
            camera="Camera.001",
            view_layer="Beauty",
            engine="CYCLES",
            resolution=(1920, 1080),
            samples=256,
            seed=7,
            denoise=True,
            color_depth=16,
            passes=("z", "normal"),
        ),
        format=ImageFormat.MULTILAYER,
        classes=("4.5.15 abc CPU 0123456789abcdef",),
        frame_seconds=300.0,
        memory_bytes=8589934592,
        proof_tiles=6,
    )


@pytest.mark.parametrize(
    "content", [LEAST, FULL, {**LEAST, "split": {"tiles": [3, 2], "only": [5]}}, {**LEAST, "verify": None}]
)
def test_it_is_written_as_it_is_read(content: dict[str, object]) -> None:
    """Writing gives the same bundle again, and the same bytes for the same bundle."""
    bundle = parse_job_file(json.dumps(content).encode())
    assert parse_job_file(write_job_file(bundle)) == bundle
    assert write_job_file(parse_job_file(write_job_file(bundle))) == write_job_file(bundle)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"veriframe": 2}, "veriframe"),
        ({"veriframe": ...}, "veriframe"),
        ({"unknown": 1}, "unknown"),
        ({"scene": "../shot.blend"}, ""),
        ({"scene": "/etc/shot.blend"}, ""),
        ({"scene": "a//b.blend"}, ""),
        ({"scene": "shot.txt12"}, "scene"),
        ({"blender": "4.5.1"}, "blender"),
        ({"frames": 3}, "frames"),
        ({"frames": "3-1"}, ""),
        ({"chunk": 0}, "chunk"),
        ({"chunk": 2.0}, "chunk"),
        ({"chunk": True}, "chunk"),
        ({"engine": "cycles"}, "engine"),
        ({"engine": "POVRAY"}, "engine"),
        ({"resolution": [1920]}, "resolution"),
        ({"resolution": [1920, 10**9]}, "resolution.1"),
        ({"samples": 0}, "samples"),
        ({"seed": -1}, "seed"),
        ({"denoise": "yes"}, "denoise"),
        ({"output": {"format": "TIFF"}}, "output.format"),
        ({"output": {"format": "PNG", "color_depth": 32}}, "output"),
        ({"output": {"format": "OPEN_EXR", "color_depth": 8}}, "output"),
        ({"output": {"passes": ["z"]}}, "output"),
        ({"output": {"format": "OPEN_EXR_MULTILAYER", "passes": ["z", "z"]}}, "output"),
        ({"output": {"format": "OPEN_EXR_MULTILAYER", "passes": ["beauty"]}}, "output.passes.0"),
        ({"class": []}, "class"),
        ({"limits": {"frame_seconds": 0}}, "limits.frame_seconds"),
        ({"verify": {"tiles": 0}}, "verify.tiles"),
        ({"verify": {}}, "verify.tiles"),
        ({"split": {"tiles": [0, 2]}}, "split.tiles.0"),
        ({"split": {"tiles": [2, 2], "only": []}}, "split.only"),
        ({"split": {"tiles": [2, 2], "only": [4]}}, "split"),
        ({"split": {"tiles": [2, 2], "only": [-1]}}, "split.only"),
        ({"split": {"tiles": [2, 2], "only": [1, 1]}}, "split"),
        ({"split": {"tiles": [2, 2], "only": [1, 0]}}, "split"),
        ({"split": {"tiles": [2, 2]}, "frames": "1-2"}, "split"),
        ({"split": {"tiles": [2, 2]}, "denoise": True}, "split"),
    ],
)
def test_what_is_refused(changes: dict[str, object], named: str) -> None:
    """Anything else is refused, and the key at fault is named."""
    with pytest.raises(JobRejected) as refused:
        parse(**changes)
    assert named in str(refused.value)
    assert refused.value.code in (Code.BAD_BUNDLE, Code.FRAME_RANGE, Code.CORRUPT)


@pytest.mark.parametrize("asked", ["fast", ["fast", 5], [], [""], ["x"] * 101, None, {"any": 1}])
def test_a_class_that_cannot_be_read_is_told_its_form(asked: object) -> None:
    """fault_323: in one sentence with an example and the command that shows one, not in a parser's words."""
    content = json.dumps({**LEAST, "class": asked}).encode()
    with pytest.raises(JobRejected) as refused:
        parse_job_file(content)
    said = str(refused.value)
    assert said.count("class: ") == 1
    for words in ('"any"', "-CPU-", "veriframe doctor", "veriframe order show"):
        assert words in said
    assert "valid" not in said


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"veriframe": 1' + b" " * 70_000 + b"}",
        b"[" * 60_000,
        b"\xff\xfe{}",
        b'{"veriframe": 1, "veriframe": 1, "scene": "a.blend", "blender": "4.5"}',
    ],
)
def test_what_is_no_job_file(content: bytes) -> None:
    """Whatever lies there, the job is refused with a sentence."""
    with pytest.raises(JobRejected, match=r"job\.json") as refused:
        parse_job_file(content)
    assert refused.value.code is Code.BAD_BUNDLE


def test_a_split() -> None:
    """Columns come first."""
    assert parse(split={"tiles": [3, 2]}).split == Split(columns=3, rows=2)
    assert parse(split={"tiles": [3, 2], "only": [1, 5]}).split == Split(columns=3, rows=2, only=(1, 5))


@given(st.lists(st.integers(0, 60), min_size=1, unique=True))
def test_frame_lists(frames: list[int]) -> None:
    """A list is written as it is read, in any order."""
    assert parse_frames(format_frames(tuple(frames))) == tuple(frames)


def test_the_schema_refuses_unknown_keys() -> None:
    """The published schema is as strict as the program."""
    assert schema()["additionalProperties"] is False
    assert set(FULL) <= set(schema()["properties"])
