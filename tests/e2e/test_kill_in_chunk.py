"""A worker killed in the middle of a chunk: each frame is rendered once but the one under way."""

from __future__ import annotations

import re
import signal
from collections import Counter
from pathlib import Path

import pytest
from tests.e2e.embedded import Embedded, wait_for
from tests.e2e.test_kill_mid_render import work
from tests.integration import renderer_scenes

from veriframe.model.attempt.attempt import Stage
from veriframe.model.bundle.job_file import Bundle, write_job_file
from veriframe.model.bundle.manifest import parse_manifest
from veriframe.model.rendering.overrides import Overrides

pytestmark = pytest.mark.slow

BUNDLE = Bundle(
    scene="shot.blend",
    blender="4.5",
    frames=tuple(range(1, 11)),
    chunk=10,
    overrides=Overrides(resolution=(320, 180), samples=48),
    frame_seconds=60.0,
)


def rendered(embedded: Embedded) -> Counter[int]:
    """How often each frame was rendered, by the worker's log."""
    # The last line may be written only in part.
    lines = [line for line in embedded.log().splitlines(keepends=True) if "frame_rendered" in line]
    found = (re.search(r"\bframe\W{1,4}(\d+)", line) for line in lines if line.endswith("\n"))
    return Counter(int(match[1]) for match in found if match)


def make_bundle(folder: Path) -> Path:
    """Ten frames in one chunk."""
    folder.mkdir()
    (folder / "job.json").write_bytes(write_job_file(BUNDLE))
    (folder / BUNDLE.scene).write_bytes(renderer_scenes.make())
    return folder


def test_kill_9_in_the_middle_of_a_chunk(embedded: Embedded) -> None:
    """fault_119: the frames that are there are used, the chunk is claimed once, and all frames are paid."""
    embedded.post_asset(make_bundle(embedded.home / "bundle"), 1)
    process = work(embedded)
    wait_for(lambda: len(rendered(embedded)) >= 6, 120)
    process.send_signal(signal.SIGKILL)
    process.wait(5)
    before = rendered(embedded)
    assert len(before) < len(BUNDLE.frames), "killed in the middle"
    assert work(embedded, "--once").wait(120) == 0, embedded.log()
    assert embedded.stages() == [Stage.SUBMITTED]
    after = rendered(embedded)
    assert set(after) == set(BUNDLE.frames)
    # A frame may be noted in the moment of the kill, before its line is written.
    assert sum(after.values()) <= len(BUNDLE.frames) + 1
    events = embedded.events()
    assert (events["JobClaimed"], events["ResultSubmitted"]) == (1, 1)
    (job,) = embedded.jobs()
    folder = embedded.home / "store" / "content" / job.result_cid
    manifest = parse_manifest((folder / "manifest.json").read_bytes())
    assert tuple(frame.number for frame in manifest.frames) == BUNDLE.frames
    assert len({frame.digest for frame in manifest.frames}) >= 3, "the cube moves in the first frames"
    assert embedded.audit().discrepancies == ()
