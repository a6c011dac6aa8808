"""What hostile workers change: the task that they render, the folder that they publish, and its manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from veriframe.model.bundle.manifest import Manifest, root_of
from veriframe.model.rendering.frames import RenderTask


def with_samples(samples: int) -> Callable[[RenderTask], RenderTask]:
    """Fewer samples."""
    return lambda task: replace(task, overrides=replace(task.overrides, samples=samples))


def stopped(part: int, whole: int) -> Callable[[RenderTask], RenderTask]:
    """The same sequence of samples, stopped early."""
    return lambda task: replace(task, stop_early=(part, whole))


def small(task: RenderTask) -> RenderTask:
    """Half the width and height."""
    return replace(task, size=(48, 40), overrides=replace(task.overrides, resolution=(48, 40)))


def other_seed(task: RenderTask) -> RenderTask:
    """Another seed."""
    return replace(task, overrides=replace(task.overrides, seed=8))


def second(task: RenderTask) -> RenderTask:
    """The frame after the one that was ordered."""
    return replace(task, frames=(2,))


def flip_tiles(folder: Path) -> None:
    """A list of tiles with one bit changed."""
    file = folder / "proof" / "frame_0001.tiles"
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)


def other_proof(folder: Path) -> None:
    """The pixels of the proof are those of another frame."""
    first, other = (folder / "proof" / f"frame_{number:04d}.exr" for number in (1, 2))
    first.write_bytes(other.read_bytes())


def other_settings(manifest: Manifest) -> Manifest:
    """Another camera than the scene's, of which the bundle says nothing."""
    return replace(manifest, settings={**manifest.settings, "camera": "Another"})


def our_class(manifest: Manifest) -> Manifest:
    """The verifier's class, which is not this machine's."""
    return replace(manifest, machine_class="the lab's class")


def rehashed(manifest: Manifest) -> Manifest:
    """A false digest of the first frame, and the root that belongs to it."""
    frames = (replace(manifest.frames[0], digest="00" * 32), *manifest.frames[1:])
    return replace(manifest, frames=frames, root=root_of(frames))


def of_another_job(manifest: Manifest) -> Manifest:
    """The manifest of the next job."""
    return replace(manifest, job=manifest.job + 1)
