"""Checks scenes before they are posted, as a worker would before a claim."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from veriframe.cli import context, inspecting
from veriframe.cli.display import show
from veriframe.cli.display.activity import activity
from veriframe.cli.display.outcomes import Outcomes
from veriframe.creator import files
from veriframe.errors import Code, JobRejected, SettingsError
from veriframe.model.rendering.scene import SceneHeader, SceneVerdict
from veriframe.ports.renderer import Renderer
from veriframe.wiring import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A scene that may be posted. `verdict` is None if it was not checked in the sandbox."""

    scene: Path
    stamp: files.Stamp
    header: SceneHeader
    verdict: SceneVerdict | None = None


def check(scenes: Sequence[Path], outcomes: Outcomes, *, in_sandbox: bool) -> list[Checked]:
    """Check the scenes, and return those that may be posted. Nothing becomes public.

    Without Blender or a sandbox on this machine, only the files' headers are checked, which is said.
    """
    read: list[Checked] = []
    for scene in scenes:
        with outcomes.of(scene=str(scene)):
            read.append(_read(scene))
    blender = renderer() if in_sandbox and read else None
    if blender is None:
        return read
    passed: list[Checked] = []
    for one in read:
        with outcomes.of(scene=str(one.scene)):
            passed.append(_judged(one, blender))
    return passed


def _read(scene: Path) -> Checked:
    from veriframe.model.rendering.checks import read_header  # noqa: PLC0415 - listing jobs does not need it

    header_check = partial(read_header, limits=limits.scene_limits(context.current().settings))
    with activity(f"reading {scene}"):
        stamp, header = context.run(asyncio.to_thread(files.read_header, scene, header_check))
    return Checked(scene=scene, stamp=stamp, header=header)


def renderer() -> Renderer | None:
    """The renderer for a check; None, which is said, if this machine has no Blender or no sandbox."""
    try:
        with activity("starting the sandbox"):
            return context.run(inspecting.renderer())
    except SettingsError as error:
        show.err.print(
            f"The check in the sandbox was left out, because this machine cannot render: {error}",
            style="yellow",
            markup=False,
        )
        return None


def _judged(one: Checked, blender: Renderer) -> Checked:
    with activity(f"checking {one.scene} in the sandbox"):
        try:
            verdict = context.run(inspecting.judged(one.scene.resolve(), one.header, blender))
        except JobRejected as error:
            if error.code is not Code.MISSING_FILES:
                raise
            packs = f"`veriframe order create {one.scene} --frames 1` packs those that are on this machine."
            raise JobRejected(error.code, f"{error} Or else: {packs}") from error
    return Checked(scene=one.scene, stamp=one.stamp, header=one.header, verdict=verdict)
