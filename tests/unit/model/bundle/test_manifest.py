"""`manifest.json`: written as it is read, and refused if it is anything else."""

import json
import tracemalloc
from dataclasses import replace

import pytest

from veriframe.errors import Code, ValidationFailed
from veriframe.model.bundle.manifest import (
    Manifest,
    ManifestFrame,
    Proof,
    longest,
    parse_manifest,
    root_of,
    schema,
    write_manifest,
)


def frame(number: int) -> ManifestFrame:
    """A frame with a proof."""
    return ManifestFrame(
        number=number,
        file=f"frames/frame_{number:04d}.png",
        width=64,
        height=36,
        channels="R,G,B",
        depth=8,
        size_bytes=1000,
        digest=f"{number:064x}",
        proof=Proof(
            tiles=f"proof/frame_{number:04d}.tiles", exr=f"proof/frame_{number:04d}.exr", root="ab" * 32
        ),
        seconds=1.5,
        peak_memory_bytes=2**28,
    )


FRAMES = (frame(1), frame(2))
MANIFEST = Manifest(
    job=12,
    order=3,
    part=1,
    asset="bafy",
    worker="0x1",
    blender="4.5.15 LTS",
    build_hash="abc",
    machine_class="",
    settings={"engine": "CYCLES", "resolution": [64, 36], "samples": 4, "denoise": True, "camera": None},
    frames=FRAMES,
    root=root_of(FRAMES),
    seconds=3.0,
)


def test_it_is_written_as_it_is_read() -> None:
    """The same manifest again, and the same bytes."""
    content = write_manifest(MANIFEST)
    assert parse_manifest(content) == MANIFEST
    assert write_manifest(parse_manifest(content)) == content


@pytest.mark.parametrize(
    "changes",
    [
        {"veriframe": 2},
        {"extra": 1},
        {"root": "00" * 32},
        {"worker": "me"},
        {"frames": []},
        {"part": -1},
        {"seconds": "3"},
    ],
)
def test_what_is_refused(changes: dict[str, object]) -> None:
    """Nothing else is taken."""
    content = {**json.loads(write_manifest(MANIFEST)), **changes}
    with pytest.raises(ValidationFailed, match=r"manifest\.json") as refused:
        parse_manifest(json.dumps(content).encode())
    assert refused.value.code is Code.BAD_MANIFEST


@pytest.mark.parametrize(
    "file", ["../frame_0001.png", "frames/frame_1.png", "frames/frame_0001.png\n", "/etc/passwd"]
)
def test_a_file_of_another_name(file: str) -> None:
    """A frame's file lies where the format says."""
    bad = replace(MANIFEST, frames=(replace(frame(1), file=file),))
    with pytest.raises(ValidationFailed):
        parse_manifest(write_manifest(replace(bad, root=root_of(bad.frames))))


def test_a_frame_twice() -> None:
    """Each frame is named once."""
    twice = (frame(1), frame(1))
    with pytest.raises(ValidationFailed, match="twice"):
        parse_manifest(write_manifest(replace(MANIFEST, frames=twice, root=root_of(twice))))


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff", b"1"])
def test_what_is_no_manifest(content: bytes) -> None:
    """Whatever lies there, one sentence tells."""
    with pytest.raises(ValidationFailed, match=r"manifest\.json"):
        parse_manifest(content)


def test_the_schema() -> None:
    """The published schema is as strict as the program."""
    assert schema()["additionalProperties"] is False


_MANY = 20_000


@pytest.mark.parametrize(
    "changes",
    [
        {"frames": [{}] * _MANY},
        {"settings": {f"{number:x}": {} for number in range(_MANY)}},
        {"frames": [{f"{number:x}": 0 for number in range(_MANY)}]},
        {f"{number:x}": 0 for number in range(_MANY)},
        {"settings": {"engine": [{}] * _MANY}},
    ],
)
def test_faults_without_end(changes: dict[str, object]) -> None:
    """fault_280: the first fault is told, and no other is made: memory stays that of the JSON itself."""
    content = json.dumps({**json.loads(write_manifest(MANIFEST)), **changes}).encode()
    tracemalloc.start()
    try:
        with pytest.raises(ValidationFailed) as refused:
            parse_manifest(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused.value.code is Code.BAD_MANIFEST
    assert peak < 64 * len(content)


def test_more_frames_than_the_chunk_has() -> None:
    """fault_280: they are counted before any is looked at."""
    with pytest.raises(ValidationFailed, match="2 frames, and may have 1"):
        parse_manifest(write_manifest(MANIFEST), most_frames=1)


def test_the_longest_manifest_of_a_chunk() -> None:
    """It fits, with the longest names of channels and view layers; without layers it is far shorter."""
    layers = [chr(0x1F600) * 63] * 64
    named = replace(MANIFEST, settings={**MANIFEST.settings, "view_layers": layers})
    assert len(write_manifest(named)) < longest(2, has_layers=False) < 2**18
    frames = tuple(replace(frame(n), number=1_000_000 + n, channels="V" * 20_000) for n in range(5))
    content = write_manifest(replace(named, frames=frames, root=root_of(frames)))
    assert len(content) < longest(5, has_layers=True) < 2**18
    assert parse_manifest(content, 5).frames == frames
