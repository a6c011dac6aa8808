"""What other users of the same machine can access in the worker's temporary folders."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from PIL import Image

from veriframe.adapters.blender import scripts, validation
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.run import Level, LiveRun, RunExit, Sandbox, SandboxedRun
from veriframe.adapters.blender.sandbox.selftest import selftest
from veriframe.model.rendering.frames import Frame, RenderLimits, RenderTask

NEIGHBOUR, ORDINARY = 64_001, 64_002
"""User ids that no distribution assigns."""

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
        for name in ("shown/decoys.json", "open/x", "secret", "decoys.json", "x"):
            try:
                os.symlink(precious, folder / name)
            except OSError:
                continue
            print("planted", name, flush=True)
        for name in ("shown", "secret", "shown/decoys.json", "socket"):
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
        results = asyncio.run(selftest.run_self_test(sandbox))
    except OSError as error:
        print(error)
        continue
    for result in selftest.broken(sandbox.level, results):
        print(result)
"""


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder that every user may use, like /tmp."""
    with tempfile.TemporaryDirectory(prefix="tmp-") as name:
        folder = Path(name)
        folder.chmod(0o1777)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield folder


def program(user: int, script: str, *arguments: str | Path, folder: Path) -> subprocess.Popen[str]:
    """Starts a Python program as another user."""
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
def test_another_user_cannot_race_the_self_test(worker: int, level: str, temporary: Path) -> None:
    """fault_96: links in the decoys' open folders caused files of the worker's user to be overwritten."""
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
    """Returns those paths that another user can open or see."""
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
    """Checks before and after a run what another user can access of its files."""

    def __init__(self, inner: Sandbox, temporary: Path) -> None:
        self.inner, self.level, self.memory_held_by = inner, inner.level, inner.memory_held_by
        self.temporary, self.looked_at, self.seen = temporary, set[str](), set[str]()

    async def run(self, run: SandboxedRun) -> RunExit:
        """Runs the program and checks access from outside."""
        await self._check(run)
        end = await self.inner.run(run)
        await self._check(run)
        return end

    def start(self, run: SandboxedRun) -> AbstractAsyncContextManager[LiveRun]:
        """Starts the program."""
        return self.inner.start(run)

    async def _check(self, run: SandboxedRun) -> None:
        shown = [path for path in (*run.visible.values(), run.out) if path is not None]
        ours = [path for path in shown if path.is_relative_to(self.temporary)]
        ours += [inner for path in ours if path.is_dir() for inner in path.iterdir()]
        self.looked_at |= {path.name for path in ours}
        self.seen |= set(await asyncio.to_thread(reachable, ours))

    def command(self, run: SandboxedRun) -> list[str]:
        """The inner sandbox's command."""
        return self.inner.command(run)


@pytest.fixture(params=["STRICT", "single", "LANDLOCK"])
def watched(request: pytest.FixtureRequest, temporary: Path) -> Watched:
    """Each kind of sandbox in which a root worker's renders run as another user."""
    builder: dict[str, Sandbox] = {
        "STRICT": BubblewrapSandbox(),
        "single": BubblewrapSandbox(nested=False),
        "LANDLOCK": UnnamespacedSandbox(Level.LANDLOCK),
    }
    return Watched(builder[request.param], temporary)


async def test_no_other_user_can_read_decoded_frames(watched: Watched, temporary: Path) -> None:
    """fault_96: every user could read the list of frames, and the frames."""
    async with scripts.scratch() as folder:
        out, clean = folder / "out", folder / "clean"
        out.mkdir()
        clean.mkdir()
        Image.new("RGB", (4, 4)).save(out / "frame_0001.png")
        frame = Frame(number=1, file="frame_0001.png", width=4, height=4, seconds=1, peak_memory_bytes=1)
        decoding = validation.Decoding(RenderTask(), [frame], out, clean)
        (decoded,) = await validation.decode(watched, decoding, RenderLimits())
    assert (decoded.width, decoded.height) == (4, 4)
    assert watched.looked_at >= {"frames.json", "out", "frame_0001.png"}
    assert watched.seen == set()


@pytest.mark.parametrize("mode", [0o600, 0o640])
async def test_a_private_scene_stays_private(temporary: Path, mode: int) -> None:
    """fault_96: its copy was readable by every user; now only the sandbox user can read it."""
    home = temporary / "home"
    home.mkdir(mode=0o700)
    scene = home / "scene.blend"
    scene.write_text("scene")
    scene.chmod(mode)
    async with scripts.readable(scene) as shown:
        assert shown.read_text() == "scene"
        assert shown.stat().st_mode & 0o007 == 0
        assert reachable([shown]) == []


def test_an_ordinary_workers_temporary_folders_are_private(temporary: Path) -> None:
    """fault_96: without a separate user for renders, only the worker has access."""
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


async def test_the_decoys_can_be_reached_without_a_sandbox(temporary: Path) -> None:
    """Closed to other users, open to the sandbox user; otherwise the self-test would be meaningless."""
    results = await selftest.run_self_test(UnnamespacedSandbox(Level.NONE))
    open_at_none = {"read_secret", "write_outside", "write_shown", "connect_unix"}
    assert open_at_none <= {result.name for result in results if not result.held}
