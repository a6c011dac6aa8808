"""Sessions with a Blender under a hostile scene's control: frames that are taken while it lives."""

from __future__ import annotations

import asyncio
import platform
import shlex
import time
from pathlib import Path

import pytest
from tests.fakes.bench import until
from tests.integration.sandbox_runs import (
    BUILDERS,
    open_folder,
    own_temporary_folder,
    processes_with,
    temporary,
)
from tests.integration.test_renderer_hostile import (
    COMMAND,
    FRAME,
    INSPECT,
    INSPECTED,
    LIMITS,
    PICTURE,
    Shell,
    Victim,
    send,
)

from veriframe.adapters.blender.renderer import BlenderRenderer
from veriframe.adapters.blender.session import BlenderSession
from veriframe.errors import Code, JobRejected, RenderFailed
from veriframe.model.rendering.frames import RenderTask
from veriframe.ports.renderer import RenderSession

# A frame has one second.
pytestmark = pytest.mark.alone

__all__ = ["open_folder", "own_temporary_folder"]

TWO = RenderTask(frames=(1, 2))


def frame(number: int) -> dict[str, object]:
    """Returns the report of a frame."""
    return {**FRAME, "number": number, "file": f"frame_{number:04d}.png"}


SECOND = frame(2)
LINK = "ln -s frame_0001.png /out/frame_0002.png"
PICTURES = "echo picture > /out/frame_0001.png; echo picture > /out/frame_0002.png"


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    """Returns a new victim."""
    return Victim(tmp_path)


async def first_and_code(victim: Victim, script: str) -> tuple[list[int], Code]:
    """Returns the numbers of the frames before the error of a render of two frames, and its code."""
    numbers: list[int] = []
    async with victim.renderer(f"{INSPECT}; {script}").open(victim.scene) as session:
        return numbers, await code_of(session, victim, TWO, numbers)


async def code_of(
    session: RenderSession, victim: Victim, task: RenderTask, numbers: list[int] | None = None
) -> Code:
    """Returns the code of a render that must fail. Adds the frames before that to `numbers`."""
    try:
        async for frame in session.frames(task, victim.out):
            if numbers is not None:
                numbers.append(frame.number)
    except RenderFailed as failed:
        return failed.code
    raise AssertionError("it did not fail")


async def test_a_frame_is_taken_out_while_blender_goes_on(victim: Victim) -> None:
    """It renders the second one only once the first one is gone."""
    wait = "while [ -e /out/frame_0001.png ]; do sleep 0.01; done"
    script = f"{PICTURE}; {send(FRAME)}; {wait}; echo second > /out/frame_0002.png; {send(SECOND)}; sleep 60"
    frames = await victim.render(script, TWO)
    assert [(victim.out / frame.file).read_text() for frame in frames] == ["picture\n", "second\n"]
    assert all(frame.seconds >= 0 for frame in frames)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (f"{PICTURES}; {send(FRAME)}; kill -SEGV $$", Code.CRASH),
        (f"{PICTURES}; {send(FRAME)}; exit 0", Code.NO_OUTPUT),
        (f"{PICTURES}; {send(FRAME)}; sleep 60", Code.TIMEOUT),
        (f"{PICTURES}; {send(FRAME, FRAME)}; sleep 60", Code.TIMEOUT),
        (f"{PICTURES}; {send(FRAME)}; yes", Code.LOG_FLOOD),
        (f"{PICTURES}; {send(FRAME, {**SECOND, 'file': 'frame_0001.png'})}; sleep 60", Code.TAMPER),
        (
            f"{PICTURE}; {LINK}; {send(FRAME, SECOND)}; sleep 60",
            Code.TAMPER,
        ),
        (f"{PICTURE}; {send(FRAME, SECOND)}; sleep 60", Code.NO_OUTPUT),
    ],
)
async def test_frames_before_a_failure_are_kept(victim: Victim, script: str, code: Code) -> None:
    """fault_38: each is complete when it is yielded, whatever comes after it."""
    assert await first_and_code(victim, script) == ([1], code)
    assert (victim.out / "frame_0001.png").read_text() == "picture\n"
    assert len(list(victim.out.iterdir())) == 1


async def test_frames_in_another_order_are_not_those_asked_for(victim: Victim) -> None:
    """They are counted as invalid reports."""
    assert await first_and_code(victim, f"{PICTURES}; {send(SECOND, FRAME)}; sleep 60") == ([1], Code.TIMEOUT)
    flood = f"yes {json_of(SECOND)} >&$REPORT_FD"
    assert await first_and_code(victim, flood) == ([], Code.LOG_FLOOD)


def json_of(report: object) -> str:
    """Returns a report as a word of a shell command."""
    return send(report).split(" ", 2)[2].rpartition(" >&")[0]


async def test_a_frame_that_was_reported_before_it_was_asked_for_does_not_count(victim: Victim) -> None:
    """The scene knows no task before."""
    early = f"{COMMAND}; {PICTURE}; {send(FRAME, INSPECTED)}; {COMMAND}; sleep 60"
    async with victim.renderer(early).open(victim.scene) as session:
        await session.inspect()
        assert await code_of(session, victim, RenderTask()) == Code.TIMEOUT
    assert list(victim.out.iterdir()) == []


async def test_each_frame_has_its_own_time(victim: Victim) -> None:
    """fault_29: together they take longer than one may."""
    numbers = range(1, 8)
    each = [f"sleep 1; echo x > /out/frame_000{n}.png; {send(frame(n))}" for n in numbers]
    frames = await victim.render("; ".join(each), RenderTask(frames=tuple(numbers)), frame_seconds=6)
    assert [frame.number for frame in frames] == list(numbers)
    assert sum(frame.seconds for frame in frames) > 6


async def test_a_session_that_failed_is_over(victim: Victim) -> None:
    """Its Blender is dead, and it says so instead of waiting."""
    async with victim.renderer("exit 1").open(victim.scene) as session:
        with pytest.raises(JobRejected):
            await session.inspect()
        with pytest.raises(RuntimeError, match="over"):
            await anext(aiter(session.frames(RenderTask(), victim.out)))


def times_of(mark: str) -> dict[int, tuple[str, int]]:
    """Returns the state and the processor time, in clock ticks, of each process with a mark."""
    found = {}
    for pid in processes_with(mark):
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        found[pid] = (fields[0].decode(), int(fields[11]) + int(fields[12]))
    return found


async def wait_for_stop(mark: str) -> None:
    """Waits until all are stopped. Each stops when it is scheduled, which may take a moment."""
    while {state for state, _ in times_of(mark).values()} != {"T"}:  # noqa: ASYNC110 - nothing else tells
        await asyncio.sleep(0.01)


def session_of(builder: str, folder: Path, script: str) -> tuple[Victim, BlenderRenderer]:
    """Returns a victim, and its renderer at a level."""
    victim = Victim(folder)
    return victim, BlenderRenderer(Shell(script), BUILDERS[builder](), limits=LIMITS)


@pytest.mark.parametrize("builder", BUILDERS)
async def test_a_session_that_waits_uses_no_processor_time(builder: str, open_folder: Path) -> None:
    """Whatever the scene has started. It continues with the next command."""
    mark = f"burns-{time.monotonic_ns()}"
    loop = f"bash -c 'trap : CONT; while :; do :; done' {mark} &"
    start = f"{loop} first=$!; setsid {loop} second=$!"
    script = f"{COMMAND}; {start}; {send(INSPECTED)}; {COMMAND}; kill -9 $first $second; exit 7"
    victim, renderer = session_of(builder, open_folder, script)
    async with renderer.open(victim.scene) as session:
        await session.inspect()
        await asyncio.wait_for(wait_for_stop(mark), 10)
        before = times_of(mark)
        await asyncio.sleep(0.5)
        assert times_of(mark) == before
        assert await code_of(session, victim, RenderTask()) == Code.BLENDER_ERROR
    assert processes_with(mark) == []


WAKES = """
$SIG{CONT} = sub {};
for my $n (1..8) {
    my ($id, $event) = (pack("i", 0), pack("Qii x48", $n, 18, 0));
    my $when = pack("q4", 0, 50e6 + $n * 7e6, 0, $n * 40e6);
    syscall(222, 1, $event, $id) == 0 or die;
    syscall(223, unpack("i", $id), 0, $when, 0) == 0 or die;
}
my ($start, @held) = time;
while (1) { push @held, "x" x 2**24 if time > $start + 2 && @held < 32; }
"""
"""Perl: timers whose signal is SIGCONT (timer_create and timer_settime on x86-64), then work."""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of the calls are those of x86-64")
@pytest.mark.parametrize("builder", BUILDERS)
async def test_a_session_that_works_while_it_waits_is_ended(builder: str, open_folder: Path) -> None:
    """A program can continue itself, and nothing else limits its time and its memory then."""
    mark = f"wakes-{time.monotonic_ns()}"
    wakes = f"perl -e {shlex.quote(WAKES)} {mark} & sleep 0.3"
    victim, renderer = session_of(builder, open_folder, f"{COMMAND}; {wakes}; {send(INSPECTED)}; {COMMAND}")
    async with renderer.open(victim.scene) as session:
        await session.inspect()
        await until(lambda: session.is_over)
        assert processes_with(mark) == []


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("cancelled", [False, True])
async def test_leaving_ends_everything(builder: str, cancelled: bool, open_folder: Path) -> None:
    """At any point: while it waits, or within a command."""
    mark, before = f"stays-{time.monotonic_ns()}", temporary()
    stay = f"setsid bash -c 'sleep 60' {mark} &"
    script = f"{COMMAND}; {stay} {send(INSPECTED)}; {COMMAND}; sleep 60"
    victim, renderer = session_of(builder, open_folder, script)

    async def use() -> None:
        async with renderer.open(victim.scene) as session:
            await session.inspect()
            if cancelled:
                asyncio.get_running_loop().call_later(0.1, using.cancel)
                await code_of(session, victim, RenderTask())

    using = asyncio.create_task(use())
    await asyncio.wait([using])
    assert using.cancelled() is cancelled
    if not cancelled:
        await using
    assert processes_with(mark) == []
    assert temporary() <= before


async def wait_for_end(session: BlenderSession) -> None:
    """Waits until its Blender is dead."""
    while not session.is_over:  # noqa: ASYNC110 - nothing else tells
        await asyncio.sleep(0.01)


async def test_an_invalid_inspection_fails_a_render(victim: Victim) -> None:
    """Of a restarted worker, which does not inspect again."""
    forged = send({"kind": "inspection"})
    async with victim.renderer(f"{COMMAND}; {forged}; sleep 60").open(victim.scene) as session:
        assert await code_of(session, victim, RenderTask()) == Code.BLENDER_ERROR


async def test_a_program_that_does_not_read_its_commands_is_ended(victim: Victim) -> None:
    """More numbers than a pipe holds."""
    task = RenderTask(frames=tuple(range(100_000, 110_000)))
    script = f"{COMMAND}; {send(INSPECTED)}; sleep 60"
    async with victim.renderer(script).open(victim.scene) as session:
        assert await code_of(session, victim, task) == Code.TIMEOUT


async def test_a_slow_consumer_costs_no_frame(victim: Victim) -> None:
    """Frames that were reported before Blender died are still there."""
    script = "; ".join(f"echo {n} > /out/frame_000{n}.png; {send(frame(n))}" for n in (1, 2, 3))
    taken: list[str] = []
    async with victim.renderer(f"{INSPECT}; {script}; kill -SEGV $$").open(victim.scene) as session:
        with pytest.raises(RenderFailed, match="SIGSEGV"):  # noqa: PT012 - it fails after the third
            async for found in session.frames(RenderTask(frames=(1, 2, 3, 4)), victim.out):
                await asyncio.wait_for(wait_for_end(session), 20)
                taken.append((victim.out / found.file).read_text())
    assert taken == ["1\n", "2\n", "3\n"]
