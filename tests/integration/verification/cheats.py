"""The cheats: how each result is made, and what a verifier must say of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from tests.integration.verification import stage
from tests.integration.verification.lab import RETRIES, Lab, Scene, Work, same
from tests.integration.verification.stage import FRAMES, MANY, MOVED, OTHER, SMOOTH, STILL
from tests.integration.verification.withholding import Withholding

from veriframe.model.bundle.manifest import Manifest
from veriframe.model.registry.job import Job
from veriframe.model.rendering.frames import ImageFormat, RenderTask, frame_file, proof_file
from veriframe.model.verification.findings import Conclusion, Request
from veriframe.ports.renderer import Kernel

Make = Callable[[Lab, Kernel], Awaitable[tuple[Job, Work]]]

TILE = np.s_[192:256, 64:128]
"""Tile 25 of the picture with 64 tiles: a part of the floor."""

BOTH = (Kernel.BEST, Kernel.SSE)

DIFFERS = "differs by more than honest processors do"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cheat:
    """One way to be paid for less, or to be believed less.

    `why` is a pattern for the reason. `kernels` are those that the worker renders with: with the SSE kernel
    it is of another class, and only the rule can tell. `withholds` is how the path ends that nobody
    provides. `drawn`: its row in the table counts tiles; not if it is found before any tile.
    """

    name: str
    scene: Scene
    make: Make
    why: str = DIFFERS
    conclusion: Conclusion = Conclusion.WRONG
    request: Request = field(default_factory=lambda: Request(tiles=1))
    kernels: tuple[Kernel, ...] = (Kernel.BEST,)
    drawn: bool = True
    withholds: str = ""


def made(
    scene: Scene,
    *,
    of: Scene | None = None,
    told: Callable[[Manifest], Manifest] = same,
    spoil: Callable[[Path], None] = same,
    **changes: Any,
) -> Make:
    """A result of an order of `scene`: rendered `of` another one, or by `changes`, or published otherwise."""

    async def make(lab: Lab, kernel: Kernel) -> tuple[Job, Work]:
        job = await lab.claimed(scene)
        work = await (
            lab.render(of or scene, kernel=kernel, **changes)
            if changes or of
            else lab.honest(of or scene, kernel)
        )
        return await lab.submit(job, work, told, spoil), work

    return make


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


HONEST = Cheat(name="honest", scene=STILL, make=made(STILL), why="^$", conclusion=Conclusion.EXACT)

CHEATS = (
    Cheat(name="half the samples", scene=STILL, make=made(STILL, task=with_samples(32)), kernels=BOTH),
    Cheat(name="60 of 64 samples", scene=STILL, make=made(STILL, task=with_samples(60)), kernels=BOTH),
    *(
        Cheat(
            name=f"the same sequence stopped at {part}/{whole}",
            scene=STILL,
            make=made(STILL, task=stopped(part, whole)),
            kernels=BOTH,
        )
        for part, whole in ((1, 2), (15, 16), (63, 64))
    ),
    Cheat(
        name="half the samples, then denoised",
        scene=SMOOTH,
        make=made(SMOOTH, task=with_samples(32)),
        kernels=BOTH,
    ),
    Cheat(
        name="half the width and height, enlarged",
        scene=STILL,
        make=made(STILL, task=small, touch=lambda out: stage.repaint_both(out, stage.doubled)),
    ),
    Cheat(name="another seed", scene=STILL, make=made(STILL, task=other_seed), kernels=BOTH),
    Cheat(
        name="another frame",
        scene=STILL,
        make=made(STILL, task=second, touch=lambda out: stage.renamed(out, 2, 1), frames=stage.as_first),
        kernels=BOTH,
    ),
    Cheat(name="the cube a little larger", scene=STILL, make=made(STILL, of=OTHER), kernels=BOTH),
    Cheat(name="the camera moved by a centimetre", scene=STILL, make=made(STILL, of=MOVED), kernels=BOTH),
    Cheat(
        name="the previous frame repeated",
        scene=FRAMES,
        make=made(FRAMES, touch=lambda out: stage.copied(out, 1, 2)),
    ),
    Cheat(
        name="one tile of 64 is 2 % brighter",
        scene=MANY,
        make=made(MANY, touch=lambda out: stage.repaint_both(out, stage.brighter(TILE))),
        request=Request(tiles=1, suspects={1: (25,)}),
    ),
    Cheat(
        name="right picture, another proof",
        scene=STILL,
        make=made(STILL, touch=lambda out: stage.repaint(out / proof_file(1), stage.brighter())),
    ),
    Cheat(
        name="right pixels, the manifest of another job",
        scene=STILL,
        make=made(STILL, told=lambda manifest: replace(manifest, job=manifest.job + 1)),
        why="is of another job",
        drawn=False,
    ),
    Cheat(
        name="right pixels, other settings in the manifest",
        scene=STILL,
        make=made(STILL, told=other_settings),
        why="names another camera",
        drawn=False,
    ),
    Cheat(
        name="right pixels, another digest in the manifest",
        scene=STILL,
        make=made(STILL, told=lambda manifest: stage.rehashed(manifest, digest="00" * 32)),
        why="pixels are not those that its manifest names",
        drawn=False,
    ),
    Cheat(
        name="right proof, another picture",
        scene=STILL,
        make=made(
            STILL,
            touch=lambda out: stage.repaint(out / frame_file(1, ImageFormat.EXR), stage.brighter(by=1.05)),
        ),
    ),
    Cheat(
        name="a list of tiles that does not make its root",
        scene=STILL,
        make=made(STILL, spoil=flip_tiles),
        why="does not make the root",
        drawn=False,
    ),
    Cheat(
        name="right proof, another picture, denoised",
        scene=SMOOTH,
        make=made(SMOOTH, touch=stage.darken_png),
        why="is not what denoising its proof makes",
    ),
    Cheat(
        name="the pixels of another proof",
        scene=FRAMES,
        make=made(FRAMES, spoil=other_proof),
        why="has other pixels than its list of tiles commits to",
        kernels=(Kernel.SSE,),
        drawn=False,
    ),
    Cheat(
        name="half the samples, and a false class",
        scene=STILL,
        make=made(STILL, told=our_class, task=with_samples(32)),
        kernels=BOTH,
    ),
    Cheat(
        name="honest pixels, and a false class",
        scene=STILL,
        make=made(STILL, told=our_class),
        why="",
        conclusion=Conclusion.EQUAL,
        kernels=(Kernel.SSE,),
        drawn=False,
    ),
    Cheat(
        name="a withheld list of tiles",
        scene=STILL,
        make=made(STILL),
        why="nobody provides proof/frame_0001.tiles",
        conclusion=Conclusion.WITHHELD,
        withholds=".tiles",
        drawn=False,
    ),
    Cheat(
        name="a withheld proof",
        scene=STILL,
        make=made(STILL),
        why="nobody provides proof/frame_0001.exr",
        conclusion=Conclusion.WITHHELD,
        withholds="proof/frame_0001.exr",
        kernels=(Kernel.SSE,),
        drawn=False,
    ),
)


async def examine(lab: Lab, cheat: Cheat, kernel: Kernel) -> None:
    """Make a result and verify it. Raises `AssertionError` if the verifier does not say what it is."""
    job, _ = await cheat.make(lab, kernel)
    store = Withholding(lab.store, cheat.withholds) if cheat.withholds else None
    finding = (await lab.verify(job, cheat.request, store=store)).finding
    assert (finding.conclusion, finding.seed_block) == (cheat.conclusion, job.submitted_block + 1), (
        finding.why
    )
    assert re.search(cheat.why, finding.why), finding.why
    if store is not None:
        assert store.asked == RETRIES.tries
