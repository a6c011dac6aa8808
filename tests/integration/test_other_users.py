"""Other users of the same machine: what they can reach of what the worker has in temporary folders."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from veriframe.adapters.blender import scripts, validation
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.run import Level, RunExit, Sandbox, SandboxedRun
from veriframe.adapters.blender.sandbox.selftest import selftest
from veriframe.model.rendering.frames import Frame, RenderTask

NEIGHBOUR, ORDINARY = 64_001, 64_002
"""Users that no machine gives to anybody."""

CAN_BE_OTHERS = os.geteuid() == 0 and all(
    folder.stat().st_mode & 0o001 for folder in (*Path(__file__).parents, *Path(sys.executable).parents)
)
pytestmark = pytest.mark.skipif(
    not CAN_BE_OTHERS, reason="needs to act as other users: run as root, from a folder that all can read"
)

RACE = """
import os, pathlib, sys, time
temporary, precious = sys.argv[1:]
done = set()
print("ready", flush=True)
while True:
    for folder in pathlib.Path(temporary).glob("veriframe-*"):
        for name in ("shown/bait.json", "open/x", "secret", "bait.json", "x"):
            try:
                os.symlink(precious, folder / name)
            except OSError:
                continue
            print("planted", name, flush=True)
        for name in ("shown", "secret", "shown/bait.json", "socket"):
            try:
                os.stat(folder / name)
            except OSError:
                continue
            if name not in done:
                done.add(name)
                print("reached", name, flush=True)
"""
WORKER = """
import asyncio, sys
from veriframe.adapters.blender.sandbox.selftest import selftest
from veriframe.adapters.blender.sandbox.run import Level
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox

sandbox = BubblewrapSandbox() if sys.argv[1] == "STRICT" else UnnamespacedSandbox(Level[sys.argv[1]])
for _ in range(10):
    try:
        canaries = asyncio.run(selftest.run_self_test(sandbox))
    except OSError as error:
        print(error)
        continue
    for canary in selftest.broken(sandbox.level, canaries):
        print(canary)
"""


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder that everybody may use, as /tmp is."""
    with tempfile.TemporaryDirectory(prefix="tmp-") as name:
        folder = Path(name)
        folder.chmod(0o1777)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield folder


def program(user: int, script: str, *arguments: str | Path, folder: Path) -> subprocess.Popen[str]:
    """A Python program of another user."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        user=user,
        group=user,
        extra_groups=[],
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(folder)},
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("level", ["STRICT", "LANDLOCK"])
@pytest.mark.parametrize("worker", [0, ORDINARY], ids=["root", "ordinary"])
def test_a_neighbour_cannot_race_the_self_test(worker: int, level: str, temporary: Path) -> None:
    """fault_96: links laid in the bait's open folders had files of the worker's user overwritten."""
    closed = temporary / "closed"
    closed.mkdir()
    precious = closed / "precious"
    precious.write_text("precious")
    for path, mode in ((precious, 0o600), (closed, 0o700)):
        path.chmod(mode)
        os.chown(path, worker, worker)
    with program(NEIGHBOUR, RACE, temporary, precious, folder=temporary) as neighbour:
        assert neighbour.stdout is not None
        assert neighbour.stdout.readline() == "ready\n"
        with program(worker, WORKER, level, folder=temporary) as working:
            broken, _ = working.communicate(timeout=120)
        neighbour.kill()
        reached = neighbour.stdout.read()
    assert (reached, broken, working.returncode) == ("", "", 0)
    assert precious.read_text() == "precious"


def reachable(paths: Sequence[Path]) -> list[str]:
    """Those of some paths that a neighbour can open or see."""
    script = """
import os, sys
for path in sys.argv[1:]:
    for way in (os.stat, lambda path: os.open(path, os.O_RDONLY), os.listdir):
        try:
            way(path)
        except OSError:
            continue
        print(path)
        break
"""
    with program(NEIGHBOUR, script, *paths, folder=Path("/")) as neighbour:
        return neighbour.communicate(timeout=60)[0].splitlines()


class Watched(Sandbox):
    """Asks a neighbour to look at all that a run is shown and writes, before and after it."""

    def __init__(self, inner: Sandbox, temporary: Path) -> None:
        self.inner, self.level, self.memory_held_by = inner, inner.level, inner.memory_held_by
        self.temporary, self.looked_at, self.seen = temporary, set[str](), set[str]()

    async def run(self, run: SandboxedRun) -> RunExit:
        """As it would, and looked at from outside."""
        await self._look(run)
        end = await self.inner.run(run)
        await self._look(run)
        return end

    async def _look(self, run: SandboxedRun) -> None:
        shown = [path for path in (*run.visible.values(), run.out) if path is not None]
        ours = [path for path in shown if path.is_relative_to(self.temporary)]
        ours += [inner for path in ours if path.is_dir() for inner in path.iterdir()]
        self.looked_at |= {path.name for path in ours}
        self.seen |= set(await asyncio.to_thread(reachable, ours))

    def command(self, run: SandboxedRun) -> list[str]:
        """As it would."""
        return self.inner.command(run)


@pytest.fixture(params=["STRICT", "unstaged", "LANDLOCK"])
def watched(request: pytest.FixtureRequest, temporary: Path) -> Watched:
    """Each kind of walls that a root worker's renders run behind as another user."""
    builder: dict[str, Sandbox] = {
        "STRICT": BubblewrapSandbox(),
        "unstaged": BubblewrapSandbox(staged=False),
        "LANDLOCK": UnnamespacedSandbox(Level.LANDLOCK),
    }
    return Watched(builder[request.param], temporary)


async def test_frames_are_decoded_where_nobody_else_looks(watched: Watched, temporary: Path) -> None:
    """fault_96: the list of frames, and the frames, could be read by everybody."""
    async with scripts.scratch() as folder:
        out, clean = folder / "out", folder / "clean"
        out.mkdir()
        clean.mkdir()
        Image.new("RGB", (4, 4)).save(out / "frame_0001.png")
        frame = Frame(number=1, file="frame_0001.png", width=4, height=4, seconds=1, peak_memory_bytes=1)
        (decoded,) = await validation.decode(watched, [frame], out, clean, RenderTask())
    assert (decoded.width, decoded.height) == (4, 4)
    assert watched.looked_at >= {"frames.json", "out", "frame_0001.png"}
    assert watched.seen == set()


@pytest.mark.parametrize("mode", [0o600, 0o640])
async def test_a_private_scene_stays_private(temporary: Path, mode: int) -> None:
    """fault_96: a copy that everybody could read was made of it; renders' user can read it all the same."""
    home = temporary / "home"
    home.mkdir(mode=0o700)
    scene = home / "scene.blend"
    scene.write_text("scene")
    scene.chmod(mode)
    async with scripts.readable(scene) as shown:
        assert shown.read_text() == "scene"
        assert shown.stat().st_mode & 0o007 == 0
        assert reachable([shown]) == []


def test_an_ordinary_workers_temporary_folders_are_its_own(temporary: Path) -> None:
    """fault_96: without a user of their own for renders, nobody but the worker gets in."""
    script = """
import asyncio, pathlib, sys
from veriframe.adapters.blender import scripts

async def main():
    async with scripts.scratch() as folder:
        (folder / "frames.json").write_text("[]")
        print(oct(folder.stat().st_mode), folder / "frames.json", flush=True)
        sys.stdin.read()

asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        user=ORDINARY,
        group=ORDINARY,
        extra_groups=[],
        env={"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(temporary)},
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        mode, file = worker.stdout.readline().split()
        assert (mode, reachable([Path(file)])) == ("0o40700", [])
        worker.communicate("")
    assert worker.returncode == 0


async def test_the_bait_can_be_reached_where_walls_are_missing(temporary: Path) -> None:
    """Closed to neighbours, open to whom it is laid out for; otherwise the self-test would prove nothing."""
    canaries = await selftest.run_self_test(UnnamespacedSandbox(Level.NONE))
    open_at_none = {"read_secret", "write_outside", "write_shown", "connect_unix"}
    assert open_at_none <= {canary.name for canary in canaries if not canary.held}
