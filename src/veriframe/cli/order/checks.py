"""What is checked of an order's scene before it is posted, as far as packing has not done it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from veriframe.cli import context, inspecting
from veriframe.cli.display.activity import activity
from veriframe.cli.job import bundle_options as wanted
from veriframe.cli.job import checking
from veriframe.errors import SettingsError
from veriframe.model.bundle.job_file import Bundle
from veriframe.model.rendering.frames import format_frames
from veriframe.model.rendering.scene import SceneInspection, SceneVerdict
from veriframe.model.text import some_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """Whether a scene is checked in the sandbox first, and may be posted although its scripts do not run."""

    in_sandbox: bool = True
    without_scripts: bool = False


def checked(folder: Path, bundle: Bundle, how: Checks) -> SceneVerdict | None:
    """Judge a bundle's folder as a worker does; None if it is not checked.

    Raises `JobRejected`, `HostUnavailable`, and as `refuse_scripts`.
    """
    blender = checking.renderer() if how.in_sandbox else None
    if blender is None:
        return None
    with activity("checking the bundle in the sandbox"):
        verdict = context.run(inspecting.judged_bundle(folder, bundle, blender))
    refuse_scripts(verdict.inspection, how)
    return verdict


def refuse_scripts(inspection: SceneInspection, how: Checks) -> None:
    """Raise `SettingsError` if the picture depends on scripts, which do not run on workers."""
    if inspection.lost_scripts and not how.without_scripts:
        raise SettingsError(
            "Workers run no scripts of a scene, so that their frames would differ from yours:"
            f" {some_names(inspection.lost_scripts)}. Bake what they do (Object, Animation, Bake Action), and"
            " save; or pass --without-scripts if you want the frames as they are without them."
        )


def whole_range(bundle: Bundle, given: wanted.Given) -> tuple[str, ...]:
    """What is ordered if nobody named the frames, as a warning."""
    if given.frames is not None or len(bundle.frames) == 1:
        return ()
    return (
        (
            f"without --frames, the scene's whole range is ordered: frames {format_frames(bundle.frames)}."
            f" --frames {bundle.frames[0]} orders one picture."
        ),
    )
