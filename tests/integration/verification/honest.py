"""Honest results: how each is made, and what a verifier must say of it. Never that it is wrong.

A verifier whose tiles have the same bits says EXACT. With the SSE kernel a worker is of another class, so
that the rule decides: EQUAL, or UNDECIDED.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.integration.verification import setups
from tests.integration.verification.blenders import NEXT, OLDER, with_blender
from tests.integration.verification.lab import Lab, LabRenderer, ours
from tests.integration.verification.stage import FRAMES, LOOK, SMOOTH, STILL
from tests.integration.verification.works import Scene

from veriframe.model.bundle.job_file import Bundle
from veriframe.model.rendering.frames import ImageFormat, Region, RenderTask
from veriframe.model.rendering.overrides import Overrides
from veriframe.model.verification.findings import Conclusion, Request
from veriframe.ports.renderer import Kernel
from veriframe.verifier.crops import Crops

Said = tuple[Conclusion, str]
"""A conclusion, and why; empty if all is well."""

EXAMPLES = Path(__file__).parents[3] / "examples"
FEW = replace(STILL.bundle.overrides, samples=8)
BRIEF = Scene(replace(FRAMES.bundle, overrides=FEW), LOOK)
ONE_CLASS = {Kernel.BEST: Conclusion.EXACT}
BOTH_CLASSES = {Kernel.BEST: Conclusion.EXACT, Kernel.SSE: Conclusion.EQUAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Honest:
    """One way to be honest. `expected` has what is said of it, for each kernel that a worker may have.

    `downloads`: it takes another release of Blender.
    """

    name: str
    say: Callable[[Lab, Kernel, Request], Awaitable[Said]]
    expected: dict[Kernel, Conclusion] = field(default_factory=lambda: BOTH_CLASSES)
    downloads: bool = False


def of(scene: Scene) -> Callable[[Lab, Kernel, Request], Awaitable[Said]]:
    """The result of an order of this scene."""

    async def say(lab: Lab, kernel: Kernel, request: Request) -> Said:
        job = await lab.submit(await lab.claimed(scene), await lab.honest(scene, kernel))
        finding = (await lab.verify(job, request)).finding
        return finding.conclusion, finding.why

    return say


def by(make: Callable[[], LabRenderer]) -> Callable[[Lab, Kernel, Request], Awaitable[Said]]:
    """Two frames by a worker with another renderer."""

    async def say(lab: Lab, kernel: Kernel, request: Request) -> Said:
        renderer = await asyncio.to_thread(make)
        work = await lab.render(BRIEF, kernel=kernel, renderer=renderer)
        job = await lab.submit(await lab.claimed(BRIEF), work)
        finding = (await lab.verify(job, request)).finding
        return finding.conclusion, finding.why

    return say


def judged_by(make: Callable[[], LabRenderer]) -> Callable[[Lab, Kernel, Request], Awaitable[Said]]:
    """Two frames, examined by a verifier with another renderer."""

    async def say(lab: Lab, kernel: Kernel, request: Request) -> Said:
        renderer = await asyncio.to_thread(make)
        job = await lab.submit(await lab.claimed(BRIEF), await lab.honest(BRIEF, kernel))
        finding = (await lab.verify(job, request, renderer=renderer)).finding
        return finding.conclusion, finding.why

    return say


async def one_by_one(lab: Lab, kernel: Kernel, request: Request) -> Said:
    """Each of two frames by a process of its own."""

    def only(number: int) -> Callable[[RenderTask], RenderTask]:
        return lambda task: replace(task, frames=(number,))

    first, second = [
        await lab.render(BRIEF, only(number), kernel=kernel, renderer=ours()) for number in (1, 2)
    ]
    job = await lab.submit(await lab.claimed(BRIEF), first.joined(second))
    finding = (await lab.verify(job, request)).finding
    return finding.conclusion, finding.why


async def crops(lab: Lab, kernel: Kernel, request: Request) -> Said:
    """A hundredth of the picture each, with the border that there is, at all corners and edges."""
    del kernel, request
    scene = Scene(replace(STILL.bundle, overrides=FEW), LOOK)
    work = await lab.honest(scene)
    opened = await lab.opened(scene)
    (width, height), folder = opened.size, lab.new_folder()
    part = Crops(sessions=opened.sessions, task=work.task, size=opened.size, folder=folder)
    full = await part.render(1, Region(left=0, top=0, width=width, height=height))
    assert full.noisy is not None
    across, down = width // 10, height // 10
    for left in (0, width // 2, width - across):
        for top in (0, height // 2, height - down):
            crop = await part.render(1, Region(left=left, top=top, width=across, height=down))
            assert crop.noisy is not None
            here = slice(top, top + down), slice(left, left + across)
            if not ((crop.noisy == full.noisy[here]).all() and (crop.picture == full.picture[here]).all()):
                return Conclusion.WRONG, f"the crop at {left}, {top} differs"
    return Conclusion.EXACT, ""


def example(name: str) -> Callable[[Lab, Kernel, Request], Awaitable[Said]]:
    """A scene of examples/, small, with few samples."""
    overrides = (
        Overrides(resolution=(160, 90), samples=16, denoise=False, color_depth=32)
        if name != "eevee"
        else Overrides(resolution=(64, 36), samples=1, color_depth=32)  # without a GPU it is slow
    )
    bundle = Bundle(scene="scene.blend", blender="4.5", format=ImageFormat.EXR, overrides=overrides)

    async def say(lab: Lab, kernel: Kernel, request: Request) -> Said:
        if name == "production":
            folder = lab.folder / name
            if not folder.exists():
                await asyncio.to_thread(_run, name, folder)
            scene = Scene(replace(bundle, scene="shots/cinema/cinema.blend"), folder=folder)
        else:
            file = lab.folder / f"{name}.blend"
            if not file.exists():
                await asyncio.to_thread(_run, name, file)
            scene = Scene(bundle, file=file)
        return await of(scene)(lab, kernel, request)

    return say


def _run(name: str, target: Path) -> None:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), str(target)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def with_setup(name: str) -> Callable[[], LabRenderer]:
    """A renderer whose Blender is set up otherwise."""
    return lambda: ours(setups.OtherProgram(setups.SETUPS[name]))


EXAMPLE_NAMES = (
    "still",
    "textures",
    "volume",
    "hair",
    "motion_blur",
    "animation",
    "production",
    "eevee",
    "caustics",
    "fur",
    "fog",
)
"""The last three are hard for the rule."""

HONEST = (
    *(
        Honest(name=name, say=of(Scene(replace(STILL.bundle, overrides=FEW), f"{LOOK}\n{change}")))
        for name, change in setups.FEATURES.items()
    ),
    Honest(name="denoised", say=of(SMOOTH)),
    *(Honest(name=name, say=by(with_setup(name)), expected=ONE_CLASS) for name in setups.SETUPS),
    Honest(name="a process for each frame", say=one_by_one, expected=ONE_CLASS),
    Honest(name="crops of 1 % at all corners and edges", say=crops, expected=ONE_CLASS),
    Honest(
        name=f"the worker has Blender {OLDER}",
        say=by(lambda: with_blender(OLDER)),
        downloads=True,
    ),
    Honest(
        name=f"the verifier has Blender {OLDER}",
        say=judged_by(lambda: with_blender(OLDER)),
        downloads=True,
    ),
    Honest(
        name=f"the verifier has Blender {NEXT}",
        say=judged_by(lambda: with_blender(NEXT)),
        expected={Kernel.BEST: Conclusion.UNDECIDED},
        downloads=True,
    ),
    *(
        Honest(
            name=f"examples/{name}.py",
            say=example(name),
            expected=ONE_CLASS if name == "eevee" else BOTH_CLASSES,  # the kernels are those of Cycles
        )
        for name in EXAMPLE_NAMES
    ),
)
