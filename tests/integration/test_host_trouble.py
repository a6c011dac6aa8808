"""A machine without disk space or file descriptors: the error is reported, and the worker does not stop."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from tests.integration.sandbox_runs import LIMITS, run_shell
from tests.integration.test_renderer_hostile import FRAME, PICTURE, Victim, send

from veriframe.adapters.blender import outputs, scripts
from veriframe.adapters.blender.sandbox.levels.bubblewrap import BubblewrapSandbox
from veriframe.adapters.blender.sandbox.levels.unnamespaced import UnnamespacedSandbox
from veriframe.adapters.blender.sandbox.limits import resource_usage
from veriframe.adapters.blender.sandbox.run import Ending, Level, Sandbox
from veriframe.assets import _read_header
from veriframe.errors import HostUnavailable
from veriframe.model.rendering.frames import RenderTask
from veriframe.model.rendering.scene import SceneLimits


@contextmanager
def limited(what: int, most: int) -> Iterator[None]:
    """Lowers a soft limit of this process for the duration of the block."""
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow, as on a full disk: the kernel reports “File too large”."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with limited(resource.RLIMIT_FSIZE, 0):
            yield
    finally:
        signal.signal(signal.SIGXFSZ, before)


@contextmanager
def no_descriptors() -> Iterator[None]:
    """No further file can be opened."""
    taken = os.open("/dev/null", os.O_RDONLY)
    try:
        with limited(resource.RLIMIT_NOFILE, taken):
            yield
    finally:
        os.close(taken)


@pytest.mark.parametrize(
    "sandbox", [BubblewrapSandbox(), UnnamespacedSandbox(Level.NONE)], ids=["strict", "none"]
)
async def test_a_run_without_descriptors_is_reported(sandbox: Sandbox) -> None:
    """fault_92: EMFILE from the sandbox was treated as a bug, and the worker claimed no more jobs."""
    with no_descriptors(), pytest.raises(HostUnavailable, match=r"too many open files.*ulimit -n"):
        await run_shell(sandbox, "true")
    end = await run_shell(sandbox, "true")
    assert (end.ending, end.code) == (Ending.EXITED, 0)


async def test_a_missing_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """fault_92: neither a full TMPDIR nor a missing one is a bug."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(HostUnavailable, match="This machine cannot carry out a run"):
        await run_shell(UnnamespacedSandbox(Level.NONE), "true")


async def test_a_full_disk_during_validation(tmp_path: Path) -> None:
    """fault_92: `frames.json` could not be written, as another user had filled /tmp."""
    victim = Victim(tmp_path)
    frames = await victim.render(f"{PICTURE}; {send(FRAME)}")
    Image.new("L", (64, 36), 128).save(victim.out / "frame_0001.png")
    with full_disk(), pytest.raises(HostUnavailable, match="Free some disk space"):
        await victim.validate(RenderTask(), frames)
    assert (await victim.validate(RenderTask(), frames)).width == 64


@pytest.mark.skipif(os.geteuid() != 0, reason="only a worker that runs as root copies scenes")
async def test_a_full_disk_during_a_copy(tmp_path: Path) -> None:
    """fault_92: a scene that the sandbox user may not read is copied to TMPDIR."""
    scene = tmp_path / "scene.blend"
    scene.write_bytes(b"BLENDER")
    scene.chmod(0o600)
    with full_disk(), pytest.raises(HostUnavailable, match="Free some disk space"):
        async with scripts.readable(scene):
            pass
    async with scripts.readable(scene) as copy:
        assert copy.read_bytes() == b"BLENDER"


async def test_a_scene_that_is_deleted_before_a_run(tmp_path: Path) -> None:
    """fault_92: if the fetched scene is deleted between two steps, it is fetched again."""
    victim = Victim(tmp_path)
    with pytest.raises(HostUnavailable, match="fetched anew"):
        _read_header(tmp_path / "gone.blend", SceneLimits(), lambda version: None)
    victim.scene.unlink()
    if os.geteuid() == 0:
        with pytest.raises(HostUnavailable):
            await victim.render("true")


def test_the_scene_is_not_blamed_for_our_descriptors(tmp_path: Path) -> None:
    """fault_92: its output was reported as tampered with, or too large."""
    (tmp_path / "frame").write_bytes(b"x")
    with no_descriptors():
        with pytest.raises(OSError, match="Too many open files"):
            outputs.find_fault(tmp_path, ["frame"], max_bytes=1)
        with pytest.raises(OSError, match="Too many open files"):
            resource_usage.exceeds(tmp_path, LIMITS.output_bytes)
    assert outputs.find_fault(tmp_path, ["frame"], max_bytes=1) is None
