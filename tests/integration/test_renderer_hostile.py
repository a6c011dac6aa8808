"""A Blender under a hostile scene's control: it may do and report anything, and the worker trusts none of it.

A shell takes Blender's place: the renderer starts the command of its runtime, in the same sandbox.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import structlog
from tests.fakes.renderer import INSPECTION

from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.runtimes import Argument, BlenderExecutable, Runtime
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.errors import (
    Code,
    HostUnavailable,
    JobRejected,
    RenderFailed,
    SettingsError,
    ValidationFailed,
)
from veriframe.model.rendering.frames import Frame, Progress, RenderLimits, RenderTask, ValidatedFrame

# A frame has one second.
pytestmark = pytest.mark.alone

FRAME = {
    "kind": "frame",
    "number": 1,
    "file": "frame_0001.png",
    "width": 64,
    "height": 36,
}
FINISHED = {"kind": "finished"}
INSPECTED = {"kind": "inspection", **asdict(replace(INSPECTION, missing=()))}
LIMITS = RenderLimits(
    loading_seconds=15, frame_seconds=1, memory_bytes=2**28, pids=32, output_bytes=2**20, log_bytes=2**20
)
PICTURE = "echo picture > /out/frame_0001.png"
TASK = RenderTask()


class Shell(Runtime):
    """Runs a shell script in place of every Blender script."""

    name = "Blender executable"
    is_blender = True
    environment: Mapping[str, str] = {}

    def __init__(self, script: str) -> None:
        self.script = script

    def argv(self, script: str, arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        """The shell script, whatever the request."""
        return ("/bin/bash", "-c", self.script)

    def visible(self) -> Mapping[PurePosixPath, Path]:
        """Only the system."""
        return {}


def send(*reports: object) -> str:
    """Returns shell commands that send reports."""
    lines = [report if isinstance(report, str) else json.dumps(report) for report in reports]
    return "printf '%s\\n' " + " ".join(shlex.quote(line) for line in lines) + " >&$REPORT_FD"


COMMAND = 'read -r command <&"$COMMAND_FD"'
INSPECT = f"{COMMAND}; {send(INSPECTED)}; {COMMAND}"
"""Obeys the first command, and awaits the second."""


class Victim:
    """A renderer with a shell as its Blender, a placeholder for a scene, and an output folder."""

    def __init__(self, folder: Path) -> None:
        self.scene = folder / "scene.blend"
        self.scene.write_text("scene")
        self.out, self.clean = folder / "out", folder / "clean"
        self.out.mkdir()
        self.clean.mkdir()
        self.received: list[Progress] = []

    def renderer(self, script: str, limits: RenderLimits = LIMITS) -> BlenderRenderer:
        """Returns a renderer that runs this shell script."""
        return BlenderRenderer(Shell(script), BubblewrapSandbox(), limits=limits)

    async def render(
        self, script: str, task: RenderTask = TASK, *, lease_seconds: float = math.inf, **limits: Any
    ) -> list[Frame]:
        """Renders one frame, with a Blender that inspects the scene and then runs the script."""
        renderer = self.renderer(f"{INSPECT}; {script}", replace(LIMITS, **limits))
        async with renderer.open(self.scene) as session:
            frames = session.frames(
                task, self.out, lease_seconds=lease_seconds, on_progress=self.received.append
            )
            return [frame async for frame in frames]

    async def validate(
        self, task: RenderTask, frames: Sequence[Frame], *, lease_seconds: float = math.inf, **limits: Any
    ) -> ValidatedFrame:
        """Validates one frame."""
        renderer = self.renderer("", replace(LIMITS, **limits))
        (validated,) = await renderer.validate(
            task, frames, self.out, self.clean, lease_seconds=lease_seconds
        )
        return validated

    async def code(self, script: str, **limits: Any) -> Code:
        """Returns the error code of a render, and checks that its sentence is printable."""
        with pytest.raises(RenderFailed) as failed:
            await self.render(script, **limits)
        assert str(failed.value).isprintable()
        return failed.value.code


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    """Returns a new victim."""
    return Victim(tmp_path)


@pytest.mark.parametrize(
    ("deed", "code"),
    [
        ("ln -s /etc/passwd /out/frame_0001.png", Code.TAMPER),
        ("echo x > /tmp/a; ln -s /tmp/a /out/frame_0001.png", Code.TAMPER),
        ("echo x > /out/frame_0001.png; ln /out/frame_0001.png /out/b", Code.TAMPER),
        ("mkfifo /out/frame_0001.png", Code.TAMPER),
        ("mkdir /out/frame_0001.png", Code.TAMPER),
        (f"{PICTURE}; echo x > /out/more.png", Code.EXTRA_OUTPUT),
        (f"{PICTURE}; mkdir /out/.hidden", Code.EXTRA_OUTPUT),
        ("echo x > /out/frame_0002.png", Code.NO_OUTPUT),
        (": > /out/frame_0001.png", Code.NO_OUTPUT),
        (":", Code.NO_OUTPUT),
    ],
)
async def test_its_output_is_checked(victim: Victim, deed: str, code: Code) -> None:
    """fault_25, fault_39, fault_42: whatever it reports, and even if it exits with 0."""
    assert code == await victim.code(f"{deed}; {send(FRAME, FINISHED)}")


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", Code.NO_OUTPUT),
        (send(FINISHED), Code.NO_OUTPUT),
        (f"{PICTURE}; {send(FINISHED)}", Code.NO_OUTPUT),
        (f"{PICTURE}; {send({**FRAME, 'file': '../../etc/passwd'}, FINISHED)}", Code.TAMPER),
        (f"{PICTURE}; {send({**FRAME, 'number': 2}, FINISHED)}", Code.NO_OUTPUT),
        (f"{PICTURE}; {send({**FRAME, 'width': 10**9}, FINISHED)}", Code.NO_OUTPUT),
        (send({"kind": "failed", "error": "\x1b[31mno\u202e camera"}) + "; exit 1", Code.BLENDER_ERROR),
        ("echo sorry; exit 7", Code.BLENDER_ERROR),
        ("kill -SEGV $$", Code.CRASH),
        ("kill -KILL $$", Code.CRASH),
        ("yes", Code.LOG_FLOOD),
        ("head -c 2000000 /dev/zero >&$REPORT_FD; sleep 9", Code.LOG_FLOOD),
        ("dd if=/dev/zero of=/out/frame_0001.png bs=1M count=9; sleep 9", Code.OUTPUT_LIMIT),
        (
            "perl -e 'for (1..40) { exit 1 if !defined(my $p = fork); if (!$p) { sleep 20; exit } }'",
            Code.PIDS,
        ),
    ],
)
async def test_each_end_has_a_code(victim: Victim, script: str, code: Code) -> None:
    """fault_20, fault_28, fault_35, fault_38, fault_39: each kind of end has its own code."""
    assert code == await victim.code(script)


@pytest.mark.parametrize("after", ["sleep 60", "kill -SEGV $$", "exit 3", "while :; do :; done"])
async def test_a_frame_counts_whatever_follows(victim: Victim, after: str) -> None:
    """fault_40: Blender may hang or crash after its work."""
    frames = await victim.render(f"{PICTURE}; {send(FRAME)}; {after}")
    assert [frame.file for frame in frames] == ["frame_0001.png"]
    assert (victim.out / "frame_0001.png").read_text() == "picture\n"


async def test_only_plausible_progress_is_passed_on(victim: Victim) -> None:
    """Of many reports, only the two plausible ones."""
    good = {
        "kind": "progress",
        "phase": "rendering",
        "frame": 1,
        "done": 0,
        "total": 1,
        "fraction": None,
        "seconds": 0.5,
        "memory_bytes": 10,
    }
    bad = [
        {**good, "total": 2},
        {**good, "frame": 2},
        {**good, "done": 2},
        {**good, "fraction": 7},
        {**good, "phase": "\x1b]0;title\x07"},
        "[" * 5000,
        "no JSON",
    ]
    await victim.render(f"{PICTURE}; {send(good, *bad, {**good, 'done': 1}, FRAME, FINISHED)}")
    assert [progress.done for progress in victim.received] == [0, 1]


async def test_a_forged_picture_does_not_pass(victim: Victim) -> None:
    """fault_41: the clean sandbox refuses it."""
    frames = await victim.render(f"{PICTURE}; {send(FRAME, FINISHED)}")
    with pytest.raises(ValidationFailed) as failed:
        await victim.validate(TASK, frames)
    assert failed.value.code == Code.NOT_IMAGE


@pytest.mark.parametrize("inspection", [{"kind": "inspection"}, {"kind": "inspection", "width": "∞"}, "{}"])
async def test_an_invalid_inspection_refuses_the_scene(victim: Victim, inspection: object) -> None:
    """fault_20: and it does not crash the worker."""
    async with victim.renderer(send(inspection)).open(victim.scene) as session:
        with pytest.raises(JobRejected) as refused:
            await session.inspect()
    assert refused.value.code == Code.CORRUPT
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            "echo 'ImportError: libSM.so.6: cannot open shared object file: No such file'; exit 1",
            r"library libSM.so.6 is missing. Run: apt-get install .*libsm6",
        ),
        ("echo broken; exit 3", "Blender cannot start in the sandbox. .*broken.* BLENDER_PATH"),
        (":", "Blender cannot start in the sandbox"),
        (send({"kind": "about", "major": "4"}), "Blender cannot start in the sandbox"),
    ],
)
async def test_a_blender_that_cannot_start_is_this_machines_fault(
    victim: Victim, script: str, sentence: str
) -> None:
    """fault_37, fault_189: with the remedy. Waiting would not mend it."""
    with pytest.raises(SettingsError, match=sentence):
        await victim.renderer(script).facts()


async def test_a_missing_program_is_this_machines_fault(victim: Victim) -> None:
    """fault_44: the job must not be blamed."""
    renderer = BlenderRenderer(
        BlenderExecutable(Path("/usr/bin/no-blender")), BubblewrapSandbox(), limits=LIMITS
    )
    async with renderer.open(victim.scene) as session:
        with pytest.raises(HostUnavailable, match="The sandbox could not be built"):
            await session.inspect()


async def test_a_program_gets_its_arguments_and_its_own_folders(victim: Victim, tmp_path: Path) -> None:
    """`BLENDER_PATH`: a fake that checks its arguments, and that other files in its folder are hidden."""
    home = tmp_path / "blender-4.5"
    (home / "4.5").mkdir(parents=True)
    (home / "4.5" / "mark").write_text("4.5")
    (home / "secret").write_text("secret")
    program = home / "blender"
    about = {"kind": "about", "major": 4, "minor": 5, "version_text": "4.5.0", "build_hash": "abc"}
    program.write_text(
        "#!/bin/bash\nset -e\ncd $(dirname $0)\n"
        '[ "$1 $2 $3 $4 $5 $7" = "-b --factory-startup --python-exit-code 1 --python --" ]\n'
        f"grep -q bpy $6; grep -q 4.5 4.5/mark; [ ! -e secret ]\n{send(about)}\n"
    )
    program.chmod(0o755)
    with structlog.testing.capture_logs() as logged:
        facts = await BlenderRenderer(BlenderExecutable(program), BubblewrapSandbox(), limits=LIMITS).facts()
    assert (facts.program, facts.version_text, facts.build_hash) == ("Blender executable", "4.5.0", "abc")
    command = next(event["command"] for event in logged if event["event"] == "blender_started")
    assert re.search(
        r"-b --factory-startup --python-exit-code 1 --python /opt/\S+/about_blender.py --$", command
    )


async def test_a_log_is_passed_on_up_to_a_limit(victim: Victim) -> None:
    """fault_35: a million short lines are not a million events."""
    with structlog.testing.capture_logs() as logged:
        await victim.render(f"seq 6000; {PICTURE}; {send(FRAME, FINISHED)}")
    lines = [event["line"] for event in logged if event["event"] == "blender_output"]
    assert [str(n) for n in range(1, 5001)] == lines
    assert [event["left_out_lines"] for event in logged if event["event"] == "blender_ended"] == [1000]


async def test_log_lines_are_stripped(victim: Victim) -> None:
    """fault_36: a scene cannot send control codes to a terminal."""
    with structlog.testing.capture_logs() as logged:
        await victim.render(f"printf '\\033[2Jhello\\033[0m\\n'; {PICTURE}; {send(FRAME, FINISHED)}")
    assert [event["line"] for event in logged if event["event"] == "blender_output"] == ["hello"]
