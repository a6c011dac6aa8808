"""Views of a scene check's verdict, next to the terms of a job."""

from __future__ import annotations

from typing import Any

from veriframe.model.quantities import counted
from veriframe.model.rendering.scene import SceneVerdict


def facts(verdict: SceneVerdict) -> dict[str, str]:
    """What decides a picture's look and effort, for people."""
    scene = verdict.inspection
    return {
        "engine": f"{scene.engine}, {counted(scene.samples, 'sample')}",
        "picture": f"{scene.width}×{scene.height}",
        "camera": scene.camera,
    }


def in_one_line(verdict: SceneVerdict) -> str:
    """The same in one line."""
    found = facts(verdict)
    return f"{found['engine']}, {found['picture']}, camera {found['camera']}"


def as_object(verdict: SceneVerdict | None) -> dict[str, Any] | None:
    """The same for scripts; None: the scene was not checked."""
    if verdict is None:
        return None
    scene = verdict.inspection
    return {
        "engine": scene.engine,
        "samples": scene.samples,
        "width": scene.width,
        "height": scene.height,
        "camera": scene.camera,
        "warnings": list(verdict.warnings),
    }
